"""Settings and fixtures that every test sees."""

from __future__ import annotations

from hypothesis import settings

pytest_plugins = ["tests.support.models", "tests.support.synthetic_clips"]

settings.register_profile("no_wall_clock", deadline=None)
settings.load_profile("no_wall_clock")
