"""The entry point: command line, one-box supervisor, settings, doctor."""
