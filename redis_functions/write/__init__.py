"""Writing to the store: the hot writer and its wire, checkpoints, the feed lease, late prints."""
