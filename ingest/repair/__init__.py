"""Gaps of the feed: their records, their backfill from REST, and the alerts missed in them."""
