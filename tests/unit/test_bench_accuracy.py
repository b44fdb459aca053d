"""``seamwatch bench accuracy``: verdicts and scores of every clip, and the guard that they stay."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path, PurePath

import numpy as np
import pytest
from click.testing import CliRunner

from bench.accuracy.clip_record import clip_key, records_from
from bench.cli.accuracy import accuracy
from bench.report.result import BenchResult
from clients.cli.main import main
from training.evaluate.clip_statistics import ClipTrace
from training.evaluate.measurement import Measurement

COLUMNS = ("file", "label", "kind", "speaker", "group", "split", "compression")
SPEAKERS = ("anna", "bert", "cara")


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A folder of three speakers, each genuine and with an exchanged voice."""
    folder = tmp_path / "tamper-test"
    folder.mkdir()
    with (folder / "manifest.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for speaker in SPEAKERS:
            for label, kind in (("real", "genuine"), ("fake", "voice_swapped")):
                name = f"{speaker}-{kind}.mp4"
                (folder / name).write_bytes(b"media")
                table.writerow((name, label, kind, speaker, "sentence", "test", "clean"))
    return folder


class Pipeline:
    """Stands for the encoders: what it says of a clip can be changed."""

    def __init__(self) -> None:
        self.cross_of_fakes = 0.1
        self.verdict_of_fakes = "fake"

    def load(self, _settings: object) -> Callable[[Path], Measurement]:
        return self.measure

    def measure(self, path: Path) -> Measurement:
        fake = "swapped" in path.name
        cross = self.cross_of_fakes if fake else 0.5
        return Measurement(
            duration_s=10.0,
            verdict=self.verdict_of_fakes if fake else "genuine",
            reasons=(),
            intra=0.8,
            cross=cross,
            score=0.8 + cross,
            lowest_margin=cross,
            windows=20,
            alert_windows=15 if fake else 0,
            engines={"visual": "v"},
            trace=ClipTrace(identity=np.ones((2, 2), np.float32), lag_profiles=np.ones((2, 3), np.float32)),
        )


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    made = Pipeline()
    monkeypatch.setattr("bench.cli.accuracy.load_measure", made.load)
    monkeypatch.setattr("bench.accuracy.figures.RESAMPLES", 50)
    return made


def measured(clips: Path, out: Path, *arguments: str) -> tuple[int, BenchResult]:
    done = CliRunner().invoke(accuracy, [str(clips), "--workers", "1", "--out", str(out), *arguments])
    return done.exit_code, BenchResult.from_json((out / "accuracy.json").read_bytes())


def test_figures_tables_and_every_clip_are_kept(clips: Path, tmp_path: Path, pipeline: Pipeline) -> None:
    code, result = measured(clips, tmp_path / "out")
    assert code == 0
    figures = {figure.name: figure.median for figure in result.figures}
    assert figures["all fakes, sentence, clean: AUC, cross"] == 100
    assert figures["genuine files called fake"] == 0
    assert figures["fakes called fake"] == 100
    records = records_from(result)
    assert len(records) == 6
    assert records[clip_key("tamper-test", PurePath("anna-voice_swapped.mp4"))].cross == 0.1
    by_speaker = next(table for table in result.tables if "speaker" in table.title)
    assert by_speaker.rows == ((1, 1, 0, 0, 1, 0, 1), (2, 1, 0, 0, 1, 0, 1), (3, 1, 0, 0, 1, 0, 1))


def test_no_name_of_a_clip_or_a_person_is_in_the_result(
    clips: Path, tmp_path: Path, pipeline: Pipeline
) -> None:
    measured(clips, tmp_path / "out")
    for path in (tmp_path / "out" / "accuracy.json", tmp_path / "out" / "accuracy.md"):
        assert not any(speaker in path.read_text() for speaker in SPEAKERS)
        assert str(tmp_path) not in path.read_text()


@pytest.mark.parametrize(
    ("cross", "verdict", "tolerance", "code"),
    [
        (0.1, "fake", "0.02", 0),
        (0.11, "fake", "0.02", 0),
        (0.13, "fake", "0.02", 1),
        (0.13, "fake", "0.1", 0),
        (0.1, "suspicious", "1", 1),
    ],
)
def test_the_guard_fails_where_a_verdict_or_a_score_changed(
    clips: Path, tmp_path: Path, pipeline: Pipeline, cross: float, verdict: str, tolerance: str, code: int
) -> None:
    measured(clips, tmp_path / "before")
    pipeline.cross_of_fakes, pipeline.verdict_of_fakes = cross, verdict
    earlier = str(tmp_path / "before" / "accuracy.json")
    ended, result = measured(clips, tmp_path / "after", "--against", earlier, "--tolerance", tolerance)
    assert ended == code
    assert len(result.tables[0].rows) == (3 if code else 0)


def test_a_guard_that_compared_nothing_does_not_pass(clips: Path, tmp_path: Path, pipeline: Pipeline) -> None:
    measured(clips, tmp_path / "before")
    other = clips.rename(tmp_path / "another")
    ended, _ = measured(other, tmp_path / "after", "--against", str(tmp_path / "before" / "accuracy.json"))
    assert ended == 1


def test_a_result_without_clips_cannot_be_compared_with(
    clips: Path, tmp_path: Path, pipeline: Pipeline
) -> None:
    _, result = measured(clips, tmp_path / "out")
    (tmp_path / "old.json").write_text(result.to_json().replace('"clips": {', '"others": {'))
    refused = CliRunner().invoke(
        main, ["bench", "accuracy", str(clips), "--against", str(tmp_path / "old.json")]
    )
    assert refused.exit_code == 1
    assert "verdicts of clips" in refused.output
