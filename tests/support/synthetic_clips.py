"""Short synthetic clips as real input, for ``pytest_plugins = ["tests.support.synthetic_clips"]``."""

from pathlib import Path

import pytest

from clients.demo.clip_writer import clip_suffix
from clients.demo.pair import synthetic_exchanged, synthetic_genuine

GENUINE_SECONDS = 10.0
EXCHANGED_SECONDS = 13.0
CHANGE_AT_S = 4.0


@pytest.fixture(scope="session")
def genuine_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds of one synthetic person who speaks, 640x480 at 25 fps with sound."""
    path = tmp_path_factory.mktemp("synthetic") / f"genuine{clip_suffix()}"
    synthetic_genuine(path, seconds=GENUINE_SECONDS)
    return path


@pytest.fixture(scope="session")
def exchanged_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirteen seconds in which, at ``CHANGE_AT_S``, another face takes over; the voice goes on."""
    path = tmp_path_factory.mktemp("synthetic") / f"exchanged{clip_suffix()}"
    synthetic_exchanged(path, seconds=EXCHANGED_SECONDS, change_at_s=CHANGE_AT_S)
    return path
