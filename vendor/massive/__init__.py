"""Massive, formerly Polygon.io: its WebSocket, wire events, their decoding, and its REST."""
