"""Work beside the hot path: reports, rewrites of Redis's append-only file, watchlists, sale conditions."""
