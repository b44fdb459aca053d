import hashlib
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bench import tensorrt_rtx, tensorrt_rtx_gate
from bench.engine_latency import batch_sizes
from bench.tensorrt_rtx import Wheel, fetch, wheels
from bench.tensorrt_rtx_gate import Case, _quantised, _run_apart
from engines.errors import EngineError


def wheel_file(name):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"{name}/__init__.py", "")
    return buffer.getvalue()


@pytest.fixture
def served(monkeypatch):
    """Wheels that pip delivers, and the requests that reached it."""
    contents = {"one==1": wheel_file("one"), "two==2": wheel_file("two")}
    pinned = tuple(Wheel(name, hashlib.sha256(content).hexdigest()) for name, content in contents.items())
    asked = []

    def download(requirement, *, transfer_within_s):
        asked.append(requirement)
        return contents[requirement]

    monkeypatch.setattr(tensorrt_rtx, "wheels", lambda python: pinned)
    monkeypatch.setattr(tensorrt_rtx, "download_wheel", download)
    return contents, asked


def test_wheels_are_fetched_once(served, tmp_path):
    _, asked = served
    told = []
    site = fetch(told.append, tmp_path)
    assert fetch(told.append, tmp_path) == site
    assert (site / "one" / "__init__.py").exists()
    assert asked == ["one==1", "two==2"]
    assert len(told) == 2


def test_a_wheel_with_another_hash_is_not_unpacked(served, tmp_path):
    contents, _ = served
    contents["two==2"] = wheel_file("evil")
    with pytest.raises(EngineError, match="two==2 is not the pinned file"):
        fetch(lambda _: None, tmp_path)
    assert not list(tmp_path.rglob("evil"))


def test_every_supported_python_has_its_wheels():
    for minor in range(11, 15):
        assert len({wheel.sha256 for wheel in wheels((3, minor))}) == 4
    with pytest.raises(EngineError, match=r"Python 3\.10"):
        wheels((3, 10))


def answer(monkeypatch, returncode, found):
    def run(command, **_):
        return subprocess.CompletedProcess(command, returncode, f"noise\n{json.dumps(found)}\n", "")

    monkeypatch.setattr(tensorrt_rtx_gate.subprocess, "run", run)


@pytest.mark.parametrize(
    ("must_parse", "returncode", "found", "passed"),
    [
        (True, 0, {"parsed": True, "built": True, "plan_bytes": 5}, True),
        (True, 0, {"parsed": True, "built": False, "reason": "no kernel"}, False),
        (True, 0, {"parsed": False, "built": False, "reason": "no such operator"}, False),
        (True, -11, {}, False),
        (False, 0, {"parsed": False, "built": False, "reason": "no such operator"}, True),
        (False, 0, {"parsed": True, "built": True}, False),
        (False, -11, {}, False),
    ],
)
def test_verdicts(monkeypatch, tmp_path, must_parse, returncode, found, passed):
    answer(monkeypatch, returncode, found)
    case = Case(name="a role fp32", graph=b"", profiles=(), must_parse=must_parse)
    outcome = _run_apart(case, tmp_path, tmp_path)
    assert outcome.passed is passed
    if returncode:
        assert "ended with -11" in outcome.reason


def test_a_case_that_hangs_has_failed(monkeypatch, tmp_path):
    def run(command, **_):
        raise subprocess.TimeoutExpired(command, 120)

    monkeypatch.setattr(tensorrt_rtx_gate.subprocess, "run", run)
    outcome = _run_apart(_quantised(), tmp_path, tmp_path)
    assert not outcome.passed
    assert "no answer" in outcome.reason


def test_batches_are_powers_of_two_and_the_largest():
    assert batch_sizes(1) == [1]
    assert batch_sizes(8) == [1, 2, 4, 8]
    assert batch_sizes(12) == [1, 2, 4, 8, 12]


def test_acceptance_says_what_is_missing_and_runs_nothing(tmp_path):
    script = Path(__file__).parents[2] / "bench" / "gpu_acceptance.sh"
    process = subprocess.run(
        ["/bin/bash", script, tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "PYTHON": sys.executable, "CUDA_VISIBLE_DEVICES": ""},
    )
    assert process.returncode == 2
    assert "MISSING: " in process.stderr
    assert "Nothing was run." in process.stderr
    assert not (tmp_path / "out").exists()
