"""Calibrations on disk, and which of them fits the engines and settings in use."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from realtime import calibration_file
from realtime.calibration_file import (
    calibration_for,
    configuration_sha256,
    models_of,
    read_calibration,
    write_calibration,
)
from realtime.config import (
    AlertConfig,
    DecisionConfig,
    FaceConfig,
    MonitorConfig,
    ScoringConfig,
    WindowConfig,
)
from realtime.decision.calibration import Calibration
from realtime.decisions import DecisionChoice, Decisions
from realtime.errors import CalibrationError, ConfigurationError
from tests.support.decision import Law, calibration_of

CONFIG = MonitorConfig()
IDS = {
    "detector": "scrfd/1",
    "identity": "buffalo/onnxruntime-cpu",
    "visual": "compact/a1",
    "vad": "silero/5",
}


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    made = calibration_of(Law(between_sd=0.05))
    return replace(made, engine_ids=models_of(IDS), configuration_sha256=configuration_sha256(CONFIG))


@pytest.fixture
def file(calibration: Calibration, tmp_path: Path) -> Path:
    path = tmp_path / "new" / "calibration.json"
    write_calibration(calibration, path)
    return path


def test_what_is_written_is_read_again(calibration: Calibration, file: Path) -> None:
    assert read_calibration(file) == calibration
    assert [each.name for each in file.parent.iterdir()] == [file.name]
    assert calibration_for(IDS, CONFIG, file) == calibration


def test_writing_replaces_what_was_there(calibration: Calibration, file: Path) -> None:
    other = replace(calibration, material=replace(calibration.material, description="another"))
    write_calibration(other, file)
    assert read_calibration(file) == other


def test_a_place_that_cannot_be_written_is_named_and_left_alone(
    calibration: Calibration, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CalibrationError, match="cannot be written"):
        write_calibration(calibration, tmp_path / "file" / "calibration.json")
    (tmp_path / "folder").mkdir()
    with pytest.raises(CalibrationError, match="cannot be written"):
        write_calibration(calibration, tmp_path / "folder")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "cannot be read"),
        (b"{", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"[]", "damaged or of another version"),
        (b"null", "damaged or of another version"),
        (b'{"format": "seamwatch-calibration", "version": 99}', "damaged or of another version"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "calibration.json"
    path.write_bytes(content)
    with pytest.raises(CalibrationError, match=complaint) as refusal:
        calibration_for(IDS, CONFIG, path)
    assert "seamwatch calibrate" in refusal.value.fix


def test_every_truncated_file_is_refused(file: Path, tmp_path: Path) -> None:
    whole = file.read_bytes().rstrip()
    short = tmp_path / "short.json"
    for length in range(0, len(whole), max(1, len(whole) // 40)):
        short.write_bytes(whole[:length])
        with pytest.raises(CalibrationError):
            read_calibration(short)


def test_a_named_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="cannot be read"):
        calibration_for(IDS, CONFIG, tmp_path / "none.json")


def test_another_build_of_the_same_model_fits(calibration: Calibration, file: Path) -> None:
    rebuilt = {role: f"{engine.split('/')[0]}/tensorrt-fp16" for role, engine in IDS.items()}
    assert calibration_for(rebuilt, CONFIG, file) == calibration


@pytest.mark.parametrize("role", sorted(IDS))
def test_another_model_is_named_and_refused(file: Path, role: str) -> None:
    with pytest.raises(CalibrationError, match=f"another {role}\\.") as refusal:
        calibration_for(IDS | {role: "other/1"}, CONFIG, file)
    assert "seamwatch calibrate" in refusal.value.fix


def test_an_engine_that_is_no_longer_there_is_refused(file: Path) -> None:
    with pytest.raises(CalibrationError, match="another vad"):
        calibration_for({role: each for role, each in IDS.items() if role != "vad"}, CONFIG, file)


@pytest.mark.parametrize(
    "config",
    [
        replace(CONFIG, faces=FaceConfig(min_face_px=60.0)),
        replace(CONFIG, windows=WindowConfig(hop_ticks=5)),
        replace(CONFIG, scoring=ScoringConfig(min_speech_ratio=0.3)),
        replace(CONFIG, scoring=ScoringConfig(speech_threshold=0.6)),
    ],
    ids=["faces", "windows", "speech_ratio", "speech_threshold"],
)
def test_another_configuration_is_refused(file: Path, config: MonitorConfig) -> None:
    with pytest.raises(CalibrationError, match="another configuration"):
        calibration_for(IDS, config, file)


@pytest.mark.parametrize(
    "config",
    [
        replace(CONFIG, decision=DecisionConfig(false_alarms_per_hour=1.0)),
        replace(CONFIG, alerts=AlertConfig(clear_after_ns=1)),
        replace(CONFIG, scoring=ScoringConfig(memory_windows=2048)),
        replace(CONFIG, faces=FaceConfig(identity_interval_ticks=5, mouth_crops=True)),
    ],
    ids=["decision", "alerts", "memory", "sampling"],
)
def test_settings_that_no_value_depends_on_may_differ(file: Path, config: MonitorConfig) -> None:
    assert calibration_for(IDS, config, file) is not None


def test_the_one_that_ships_is_used_only_where_it_fits(
    calibration: Calibration, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration_file, "DEFAULT_CALIBRATION", file)
    assert calibration_for(IDS, CONFIG) == calibration
    assert calibration_for(IDS | {"visual": "other/1"}, CONFIG) is None
    assert calibration_for(IDS, replace(CONFIG, windows=WindowConfig(hop_ticks=5))) is None
    file.unlink()
    assert calibration_for(IDS, CONFIG) is None


def test_a_shipped_one_that_is_damaged_is_a_fault(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration_file, "DEFAULT_CALIBRATION", file)
    file.write_text("{")
    with pytest.raises(CalibrationError, match="cannot be read"):
        calibration_for(IDS, CONFIG)


def test_the_one_that_ships_can_be_read_and_is_for_the_default_settings() -> None:
    shipped = read_calibration(calibration_file.DEFAULT_CALIBRATION)
    assert shipped.configuration_sha256 == configuration_sha256(CONFIG)
    assert json.loads(calibration_file.DEFAULT_CALIBRATION.read_text())["version"] == 1
    assert shipped.material.speakers >= 5


def test_the_choice_of_the_operator_is_the_decision(calibration: Calibration, file: Path) -> None:
    choice = DecisionChoice(calibration=file, false_alarms_per_hour=0.5, rates_per_hour={"standup": 2.0})
    config = choice.configured(CONFIG)
    decisions = choice.loaded(IDS, config)
    assert decisions.calibration == calibration
    assert decisions.of("other").false_alarms_per_hour == 0.5
    assert decisions.of("standup") == replace(config.decision, false_alarms_per_hour=2.0)
    told = decisions.support("standup")
    assert told is not None
    assert told.asked_per_hour == 2.0


def test_without_a_choice_the_defaults_stand() -> None:
    assert DecisionChoice().configured(CONFIG) is CONFIG
    assert Decisions().support("any") is None
    assert Decisions().of("any") == CONFIG.decision


@pytest.mark.parametrize("rate", [0.0, -1.0, 61.0, float("nan"), float("inf")])
def test_a_rate_out_of_range_is_refused(rate: float) -> None:
    with pytest.raises(ConfigurationError, match="false alarms"):
        DecisionChoice(false_alarms_per_hour=rate).configured(CONFIG)
