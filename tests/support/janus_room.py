"""Skips what needs a real Janus room, where there can be none: ``pytest_plugins`` has it for every test."""

import pytest

from bench.janus.requirements import CallBenchError, require_call_bench


@pytest.fixture
def call_bench() -> None:
    """Janus, Chromium and network namespaces, or a skip that says what to install."""
    try:
        require_call_bench()
    except CallBenchError as missing:
        pytest.skip(f"{missing.message} {missing.fix}")
