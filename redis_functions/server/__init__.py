"""The Redis server itself: the embedded one, its address, connections, inspection."""
