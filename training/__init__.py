"""Checkpoints from real talking faces."""
