"""Redis Functions: one operation a file, their loader and typed callers."""
