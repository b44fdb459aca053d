"""``seamwatch calibrate --feedback`` with a pipeline that says what the file's name asks for."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from clients.cli import calibrate as command
from clients.cli.main import main
from realtime import calibrating
from realtime.alerts.alert_runs import AlertRun, Origin
from realtime.alerts.feedback_file import FeedbackFile
from realtime.alerts.feedback_line import FeedbackLine, RunRecord
from realtime.calibration_file import calibration_for, configuration_sha256, models_of
from realtime.config import MonitorConfig
from realtime.judge import Judge
from realtime.types import AlertState
from tests.support.judged_calls import Shown, call, face_of, judged, shown_for

IDS = {"identity": "buffalo/onnxruntime", "visual": "compact/onnxruntime", "loudness": "rms/1"}
PEOPLE = ("anna", "bert", "carl", "dora", "emil", "fred", "gina", "hugo")
MINE = Origin(models=models_of(IDS), configuration_sha256=configuration_sha256(MonitorConfig()))


def fake_scan(path: Path, encoders: object, config: object, *, on_window: object) -> None:
    number = PEOPLE.index(path.parent.name)
    shown = Shown(face_of(number), agreement=0.32 + 0.01 * number)
    for encoded in call(shown_for(40.0, shown), seed=10 * number + len(path.stem)):
        on_window(encoded)


@pytest.fixture
def recordings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(command, "load_encoders", lambda config, **_: SimpleNamespace(ids=IDS))
    monkeypatch.setattr(calibrating, "scan_file", fake_scan)
    folder = tmp_path / "recordings"
    for person in PEOPLE:
        (folder / person).mkdir(parents=True)
        for name in ("a", "bb"):
            (folder / person / f"{name}.mp4").touch()
    return folder


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["calibrate", *map(str, arguments)])


def marked(
    path: Path, seq: int, judge: Judge, *, origin: Origin | None = MINE, seconds: float = 20.0
) -> Path:
    """Let an operator mark what a genuine person with a bad microphone brought until now."""
    shown = [Shown(face_of(9)), Shown(face_of(9), agreement=0.02)]
    windows = call(*(shown_for(seconds, each) for each in shown), seed=99)
    observations = [each for result in judged(judge, windows) for each in result.observations]
    record = None
    if origin is not None:
        record = RunRecord.of(AlertRun(person=f"{seq:016x}", observations=tuple(observations)), origin)
    FeedbackFile(path).append(
        FeedbackLine(
            store="s", seq=seq, at="2026-03-01T00:00:00+00:00", state="false_alarm", alert_state="alert",
            margin=None, reasons=[], values={}, evidence={}, threshold=None, engines={}, run=record,
        )
    )  # fmt: skip
    return path


def alarms(path: Path) -> bool:
    """Return whether the person would be accused by a calibration."""
    calibration = calibration_for(IDS, MonitorConfig(), path)
    shown = [Shown(face_of(9)), Shown(face_of(9), agreement=0.02)]
    windows = call(*(shown_for(20.0, each) for each in shown), seed=99)
    results = judged(Judge(MonitorConfig(), calibration=calibration), windows)
    return any(each.alert is not None and each.alert.state is AlertState.ALERT for each in results)


def test_who_was_marked_is_accused_no_more(recordings: Path, tmp_path: Path) -> None:
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    assert run(recordings, "--out", before).exit_code == 0
    assert alarms(before)
    file = marked(tmp_path / "feedback.jsonl", 1, Judge(MonitorConfig()))
    result = run(recordings, "--feedback", file, "--feedback", file, "--out", after, "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert (facts["speakers"], facts["clips"]) == (len(PEOPLE), 2 * len(PEOPLE))
    told = facts["feedback"]
    assert (told["used"], told["participants"], told["alarming_again"]) == (1, 1, 0)
    assert told["discount_without"]["cross"] > facts["channels"].get("cross", {"discount": 0.0})["discount"]
    assert not alarms(after)


def test_what_cannot_be_used_is_told_and_changes_nothing(recordings: Path, tmp_path: Path) -> None:
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    assert run(recordings, "--out", before).exit_code == 0
    file = tmp_path / "feedback.jsonl"
    other = Origin(models={**MINE.models, "visual": "other"}, configuration_sha256=MINE.configuration_sha256)
    marked(file, 1, Judge(MonitorConfig()), origin=other)
    marked(file, 2, Judge(MonitorConfig()), origin=None)
    with file.open("a") as torn:
        torn.write('{"v":2,')
    result = run(recordings, "--feedback", file, "--out", after)
    assert result.exit_code == 0, result.output
    assert "0 of 0 participants" in result.stdout
    for told in ("1 were kept without observations", "1 were raised with other models", "1 cannot be read"):
        assert told in result.stdout
    assert before.read_bytes() == after.read_bytes()


def test_a_missing_file_is_a_stated_fault_before_any_work(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "load_encoders", lambda *_, **__: pytest.fail("models were loaded"))
    result = run(recordings, "--feedback", tmp_path / "absent.jsonl")
    assert result.exit_code == 1
    assert "cannot be read" in result.stderr
    assert "fix:" in result.stderr
