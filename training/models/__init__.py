"""The trained encoders: ``compact`` (what ships) and ``paper`` (the published architecture)."""
