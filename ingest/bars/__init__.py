"""Market state, and bars made of trades and minute bars. No socket, no store."""
