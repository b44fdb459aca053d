"""A machine that cannot hold a call in Janus is told what it lacks, and how to get it."""

from __future__ import annotations

import os
import shutil

import pytest

from bench.janus import requirements
from bench.janus.requirements import CallBenchError, require_call_bench


def test_everything_that_is_missing_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(requirements.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CallBenchError) as raised:
        require_call_bench()
    for what in ("Janus", "browser", "ip command", "Playwright", "root"):
        assert what in raised.value.message
    assert raised.value.fix.count("apt-get install janus chromium iproute2") == 1
    assert "pip install 'seamwatch[test]'" in raised.value.fix


def test_an_ordinary_user_is_told_to_become_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "_missing_programs", lambda: iter(()))
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(CallBenchError, match="root") as raised:
        require_call_bench()
    assert "sudo" in raised.value.fix
