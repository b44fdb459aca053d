"""``seamwatch scan``: exit codes, and what is on stdout and on stderr."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from clients.cli import scan as command
from clients.cli.main import main
from engines.errors import ModelStoreError
from realtime.errors import MediaError
from realtime.scan import ScanResult
from realtime.types import Verdict
from tests.support.scan_results import ENGINES, exchanged

KEYS = [
    "file",
    "duration_s",
    "score",
    "intra",
    "cross",
    "lag_ms",
    "verdict",
    "reasons",
    "seams",
    "alerts",
    "latency_ms",
    "engines",
]


def fake_scan(
    path: Path, encoders: object, config: object, on_progress: object, on_evidence: object, **_: object
) -> ScanResult:
    assert on_evidence is None
    if path.stem == "broken":
        raise MediaError(f"{path.name} holds no media.", fix="Give another file.")
    if path.stem == "defect":
        raise RuntimeError("secret detail")
    if path.stem == "odd":
        return exchanged(file=str(path), score=math.nan, cross=math.inf, lag_ms=-math.inf)
    return exchanged(file=str(path))


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    encoders = SimpleNamespace(ids=ENGINES, engines=SimpleNamespace(by_role={}), checkpoint=None)
    monkeypatch.setattr(command, "load_encoders", lambda config, **_: encoders)
    monkeypatch.setattr(command, "scan_file", fake_scan)
    for name in ("good", "broken", "defect", "odd"):
        (tmp_path / f"{name}.mp4").write_bytes(b"")
    return tmp_path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["scan", *map(str, arguments)])


def refuse_constant(name: str) -> float:
    raise AssertionError(f"{name} is not JSON")


def objects(result: Result) -> list[dict[str, object]]:
    return [json.loads(line, parse_constant=refuse_constant) for line in result.stdout.splitlines()]


def test_json_is_one_object_a_file_and_nothing_else(files: Path) -> None:
    result = run("--json", files / "good.mp4", files / "odd.mp4")
    assert result.exit_code == 0
    first, second = objects(result)
    assert list(first) == list(second) == KEYS
    assert first["file"] == str(files / "good.mp4")
    assert first["verdict"] == "fake"
    assert first["score"] == 0.5123
    assert first["seams"][0] == {"kind": "intra", "a": [0.0, 1.0], "b": [7.6, 8.6], "value": 0.1}
    (alert,) = first["alerts"]
    assert (alert["time_s"], alert["state"], alert["margin"]) == (7.0, "alert", -0.1235)
    assert alert["values"] == {"recent_intra": 0.1, "recent_cross": None}


def test_what_is_not_finite_is_null(files: Path) -> None:
    (only,) = objects(run("--json", files / "odd.mp4"))
    assert only["score"] is only["cross"] is only["lag_ms"] is None
    assert only["intra"] == 0.1


def test_an_unreadable_file_stops_no_other(files: Path) -> None:
    result = run("--json", files / "broken.mp4", files / "absent.mp4", files, files / "good.mp4")
    assert result.exit_code == 3
    broken, absent, folder, good = objects(result)
    for unreadable in (broken, absent, folder):
        assert list(unreadable) == [*KEYS, "error"]
        assert unreadable["verdict"] == "insufficient"
        assert unreadable["reasons"] == ["unreadable"]
        assert unreadable["duration_s"] is unreadable["score"] is unreadable["latency_ms"] is None
        assert unreadable["engines"] == ENGINES
    assert broken["error"] == {"message": "broken.mp4 holds no media.", "fix": "Give another file."}
    assert good["verdict"] == "fake"
    assert "broken.mp4 holds no media." in result.stderr
    assert "Traceback" not in result.stderr


def test_people_get_a_table_in_words(files: Path) -> None:
    result = run(files / "good.mp4")
    assert result.exit_code == 0
    assert "good.mp4" in result.stdout.replace("\n", "")
    assert "fake" in result.stdout
    assert "0:07.6" in result.stdout
    assert "untrained" in result.stdout


def test_a_file_name_cannot_steer_the_terminal(files: Path) -> None:
    nasty = files / "a\x1b[31m\u202eb.mp4"
    nasty.write_bytes(b"")
    result = run(nasty)
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert "\u202e" not in result.stdout


def test_a_file_name_that_is_not_text_can_be_scanned(files: Path) -> None:
    undecodable = files / "caf\udce9.mp4"
    undecodable.write_bytes(b"")
    assert run(undecodable).exit_code == 0
    assert objects(run("--json", undecodable))[0]["verdict"] == "fake"
    assert run("--report", files / "r.html", undecodable).exit_code == 0


def test_no_file_is_a_usage_fault(files: Path) -> None:
    assert run().exit_code == 2
    assert run("--threads", "0", files / "good.mp4").exit_code == 2


def test_a_report_is_written_beside_either_output(files: Path) -> None:
    out = files / "report.html"
    result = run("--json", "--report", out, files / "good.mp4", files / "broken.mp4")
    assert result.exit_code == 3
    assert len(objects(result)) == 2
    page = out.read_text(encoding="utf-8")
    assert "good.mp4" in page
    assert "could not be read" in page


def test_a_report_that_cannot_be_written_is_refused_before_the_work(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "scan_file", lambda *_, **__: pytest.fail("work was done"))
    result = run("--report", files / "nowhere" / "report.html", files / "good.mp4")
    assert result.exit_code == 2
    assert "fix:" in result.stderr


def test_a_missing_model_is_a_stated_fault(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_models(config: object, **_: object) -> None:
        raise ModelStoreError("The model yunet is missing.", fix="Run `seamwatch models pull`.")

    monkeypatch.setattr(command, "load_encoders", no_models)
    result = run("--json", files / "good.mp4")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "seamwatch models pull" in result.stderr


def test_a_defect_shows_no_traceback_unless_asked(files: Path) -> None:
    quiet = run(files / "defect.mp4")
    assert quiet.exit_code == 70
    assert "internal error: RuntimeError" in quiet.stderr
    assert "Traceback" not in quiet.output
    assert "secret detail" not in quiet.output
    loud = CliRunner().invoke(main, ["--log-level", "debug", "scan", str(files / "defect.mp4")])
    assert loud.exit_code == 70
    assert "Traceback" in loud.stderr


def test_an_interrupt_is_no_defect(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> ScanResult:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "scan_file", interrupted)
    result = run(files / "good.mp4")
    assert result.exit_code == 130
    assert "Traceback" not in result.output


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_can_be_shown(files: Path, monkeypatch: pytest.MonkeyPatch, verdict: Verdict) -> None:
    monkeypatch.setattr(command, "scan_file", lambda *_, **__: exchanged(verdict=verdict))
    result = run(files / "good.mp4")
    assert result.exit_code == 0
    assert verdict.value in result.stdout
