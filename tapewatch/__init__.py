"""The front door: command line, one-box supervisor, settings, doctor."""
