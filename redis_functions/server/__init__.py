"""The Redis server itself: the embedded one, connections, inspection."""
