"""The hot path, one asyncio process: feed -> hand-off -> decode -> bars -> velocity -> store."""
