"""Calls of many participants against a monitor: what they send, what comes of it, and what it costs."""
