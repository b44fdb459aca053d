"""Checkpoints from real talking faces; may use ``engines.frontend``, never ``realtime.ingest`` or the server."""
