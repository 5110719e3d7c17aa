"""The boundary: what crosses chatd's socket, for both sides of it."""

__version__ = "0.1.0"
PROTOCOL = 1
