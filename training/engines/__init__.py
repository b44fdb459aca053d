"""Backends that need torch; they register with ``engines.backends.registry`` by name."""
