"""Vendors of market data: each is a folder that knows all about its vendor, and nothing else does."""
