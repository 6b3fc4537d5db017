"""Reading the store: candles, alerts, gaps, the market, statistics."""
