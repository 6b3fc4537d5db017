"""Writes to the store: bars on the hot path, candles of the past, checkpoints, lease, reports, the stamp."""
