"""Measurements. Timings live here and not in the tests."""
