"""Reads the store: candles, samples, alerts, gaps, the market, statistics, metrics, watchlists."""
