"""The spool: an append-only log of raw frames on the local disk. It knows nothing of markets."""
