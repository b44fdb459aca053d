"""``seamwatch calibrate`` with a pipeline that says what the file's name asks for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from clients.cli import calibrate as command
from clients.cli.main import main
from realtime import calibrating
from realtime.calibration_file import calibration_for, read_calibration
from realtime.config import MonitorConfig
from realtime.errors import MediaError
from realtime.types import Modality
from tests.support.judged_calls import Shown, call, face_of, shown_for

IDS = {"identity": "buffalo/onnxruntime", "visual": "compact/onnxruntime", "loudness": "rms/1"}
PEOPLE = ("anna", "bert", "carl", "dora", "emil", "fred")
DUBBED = "gina"
SECONDS = 30.0


def fake_scan(path: Path, encoders: object, config: object, *, on_window: object) -> None:
    """Hand over the windows of a person who is told by the folder."""
    if path.stem == "broken":
        raise MediaError(f"{path.name} holds no media.", fix="Give another file.")
    number = (*PEOPLE, DUBBED).index(path.parent.name)
    shown = Shown(face_of(number), agreement=0.32 + 0.01 * number)
    for encoded in call(shown_for(SECONDS, shown), seed=10 * number + len(path.stem)):
        on_window(encoded)


@pytest.fixture
def recordings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(command, "load_encoders", lambda config, **_: SimpleNamespace(ids=IDS))
    monkeypatch.setattr(calibrating, "scan_file", fake_scan)
    folder = tmp_path / "recordings"
    for person in PEOPLE:
        (folder / person).mkdir(parents=True)
        for name in ("a", "bb", "ccc"):
            (folder / person / f"{name}.mp4").touch()
    return folder


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["calibrate", *map(str, arguments)])


def test_what_is_written_can_be_used_with_the_same_engines(recordings: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "mine.json"
    result = run(recordings, "--out", out, "--describe", "our meeting rooms")
    assert result.exit_code == 0, result.output
    assert "6 people, 18 recordings" in result.stdout
    assert "--calibration" in result.stdout
    calibration = calibration_for(IDS, MonitorConfig(), out)
    assert calibration is not None
    assert calibration.material.description == "our meeting rooms"
    assert calibration.engine_ids == {"identity": "buffalo", "visual": "compact"}
    assert calibration.material.speakers == len(PEOPLE)


def test_json_is_one_object_and_nothing_else(recordings: Path, tmp_path: Path) -> None:
    result = run(recordings, "--json", "--out", tmp_path / "mine.json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["file"] == str(tmp_path / "mine.json")
    assert (facts["speakers"], facts["clips"]) == (6, 18)
    assert (facts["unreadable"], facts["out_of_sync"]) == (0, 0)
    assert set(facts["channels"]) == {"intra", "cross"}
    written = read_calibration(tmp_path / "mine.json")
    assert facts["minutes"] == written.material.minutes
    assert facts["channels"]["cross"]["blocks"]["good, cold"] > 0


def test_the_same_recordings_give_the_same_file(recordings: Path, tmp_path: Path) -> None:
    for name in ("one.json", "two.json"):
        assert run(recordings, "--out", tmp_path / name).exit_code == 0
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def test_no_name_of_a_person_or_file_is_written(recordings: Path, tmp_path: Path) -> None:
    assert run(recordings, "--out", tmp_path / "mine.json").exit_code == 0
    text = (tmp_path / "mine.json").read_text()
    assert not any(person in text for person in PEOPLE)
    assert ".mp4" not in text


def test_encodings_of_one_recording_count_once(recordings: Path, tmp_path: Path) -> None:
    rows = [f"{person}/{name}.mp4,real,{person},{person}.mov" for person in PEOPLE for name in ("a", "bb")]
    (recordings / "manifest.csv").write_text("\n".join(["file,label,speaker,sources", *rows]) + "\n")
    result = run(recordings, "--json", "--out", tmp_path / "mine.json")
    facts = json.loads(result.stdout)
    assert facts["clips"] == len(PEOPLE)
    assert facts["minutes"] == pytest.approx(len(PEOPLE) * SECONDS / 60, rel=0.05)


def test_an_unreadable_recording_is_left_out_and_told(recordings: Path, tmp_path: Path) -> None:
    (recordings / "anna" / "broken.mp4").touch()
    result = run(recordings, "--json", "--out", tmp_path / "mine.json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["unreadable"] == 1
    assert "broken.mp4" in result.stderr
    assert "holds no media" in result.stderr


def test_recordings_out_of_sync_are_told(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibrating.LagProfile, "is_out_of_sync", property(lambda self: True))
    result = run(recordings, "--out", tmp_path / "mine.json")
    assert result.exit_code == 0, result.output
    assert "18 recordings are out of sync" in result.stdout
    assert set(read_calibration(tmp_path / "mine.json").channels) == {"intra"}


def test_faces_count_for_the_face_alone(recordings: Path, tmp_path: Path) -> None:
    dubbed = tmp_path / "dubbed"
    (dubbed / DUBBED).mkdir(parents=True)
    for name in ("a", "bb", "ccc"):
        (dubbed / DUBBED / f"{name}.mp4").touch()
    result = run(recordings, "--out", tmp_path / "without.json")
    assert result.exit_code == 0, result.output
    result = run(recordings, "--faces", dubbed, "--out", tmp_path / "with.json")
    assert result.exit_code == 0, result.output
    without, with_faces = (read_calibration(tmp_path / name) for name in ("without.json", "with.json"))
    assert with_faces.channels[Modality.CROSS] == without.channels[Modality.CROSS]
    people = [
        {len(reference.speakers) for reference in each.channels[Modality.INTRA].strata.values()}
        for each in (without, with_faces)
    ]
    assert people == [{len(PEOPLE)}, {len(PEOPLE) + 1}]
    assert with_faces.material.description == f"{without.material.description}; faces of 1 more people"
    counted = replace(with_faces.material, description=without.material.description)
    assert counted == without.material


def test_faces_of_nobody_are_refused(recordings: Path, tmp_path: Path) -> None:
    result = run(recordings, "--faces", tmp_path / "none", "--out", tmp_path / "mine.json")
    assert result.exit_code == 1
    assert "neither a folder nor a table" in result.stderr


def test_too_few_people_are_refused_and_nothing_is_written(recordings: Path, tmp_path: Path) -> None:
    for person in PEOPLE[2:]:
        for file in (recordings / person).iterdir():
            file.unlink()
    out = tmp_path / "mine.json"
    result = run(recordings, "--out", out)
    assert result.exit_code == 1
    assert "The recordings show 2 people; a calibration needs 5 at least" in result.stderr
    assert "Traceback" not in result.output
    assert not out.exists()


@pytest.mark.parametrize(
    ("source", "complaint"), [("none", "neither a folder nor a table"), ("empty", "no genuine recording")]
)
def test_bad_sources_are_refused_before_any_model_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, complaint: str
) -> None:
    def load(*_: object, **__: object) -> None:
        raise AssertionError("models were loaded")

    monkeypatch.setattr(command, "load_encoders", load)
    (tmp_path / "empty").mkdir()
    result = run(tmp_path / source)
    assert result.exit_code == 1
    assert complaint in result.stderr
    assert "fix:" in result.stderr


def test_a_place_that_cannot_be_written_is_a_stated_fault(recordings: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run(recordings, "--out", tmp_path / "file" / "mine.json")
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr


def test_without_sources_it_is_a_usage_fault() -> None:
    assert run().exit_code == 2
