"""``seamwatch tamper`` and the benchmark write files, truth and table, and state what is wrong."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

pytest.importorskip("scipy", reason="needs the training extra")

from engines.errors import SeamwatchError
from realtime.errors import ConfigurationError, MediaError
from tests.support.media import write_clip
from tests.support.training_clips import clip_record
from training.cli.tamper import tamper
from training.data.clip import Clip
from training.data.splits import split_of
from training.evaluate.datasets import tamper as tamper_dataset
from training.tamper.benchmark import DESCRIPTION_NAME, build_benchmark
from training.tamper.ground_truth import COLUMNS
from training.tamper.machine_voice import unavailable

VOICE_KINDS = ["genuine", "voice_swapped", "voice_shifted", "voice_resynthesised"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    return write_clip(folder / "anna.mp4", seconds=3, fps=25, size=(128, 96), video_codec="libx264")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("others")
    return write_clip(folder / "ben.mp4", seconds=2.5, fps=30, size=(80, 60))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(tamper, [str(argument) for argument in arguments])


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def kind_options(kinds: list[str]) -> list[str]:
    return [part for kind in kinds for part in ("--kind", kind)]


def test_files_truth_and_table_agree(clip: Path, other: Path, tmp_path: Path) -> None:
    result = run(
        clip, *kind_options(VOICE_KINDS[::-1]), "--with", other, "--compression", "lq", "--compression",
        "call_300k", "--out", tmp_path / "out", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    printed = [json.loads(line) for line in result.stdout.splitlines()]
    table = {row["file"]: row for row in rows(tmp_path / "out")}
    assert len(printed) == len(table) == 8
    for truth in printed:
        media = tmp_path / "out" / truth["file"]
        assert json.loads(media.with_suffix(".json").read_text()) == truth
        row = table[truth["file"]]
        assert tuple(row) == COLUMNS
        assert row["tampering"] == truth["kind"]
        assert (row["label"] == "real") == (truth["kind"] == "genuine")
        assert row["compression"] == truth["compression"]
        if truth["kind"] == "genuine":
            assert truth["from_s"] is truth["to_s"] is None
            assert row["control"] == ""
        else:
            assert (truth["from_s"], truth["to_s"]) == (0, 3)
            assert table[row["control"]]["tampering"] == "genuine"
            assert table[row["control"]]["compression"] == row["compression"]
    assert table["anna--voice_swapped--lq.mp4"]["sources"] == "anna.mp4;ben.mp4"


def test_evaluation_reads_the_table(clip: Path, tmp_path: Path) -> None:
    run(clip, *kind_options(["genuine", "voice_shifted"]), "--out", tmp_path)
    dataset = tamper_dataset(tmp_path)
    assert sorted(found.is_fake for found in dataset.clips) == [False, True]
    assert {found.condition for found in dataset.clips} == {"clip, clean"}


def test_a_second_run_adds_to_the_table_and_repeats_itself(clip: Path, tmp_path: Path) -> None:
    run(clip, "--kind", "voice_shifted", "--out", tmp_path)
    before = (tmp_path / "anna--voice_shifted--clean.mp4").read_bytes()
    run(clip, *kind_options(["voice_shifted", "voice_resynthesised"]), "--out", tmp_path)
    assert (tmp_path / "anna--voice_shifted--clean.mp4").read_bytes() == before
    assert {row["tampering"] for row in rows(tmp_path)} == {"voice_shifted", "voice_resynthesised"}
    run(clip, "--kind", "voice_resynthesised", "--seed", "5", "--out", tmp_path / "other")
    first, second = (
        (folder / "anna--voice_resynthesised--clean.mp4").read_bytes()
        for folder in (tmp_path, tmp_path / "other")
    )
    assert first != second


def test_a_late_start_is_in_the_name_and_the_truth(clip: Path, tmp_path: Path) -> None:
    result = run(clip, "--kind", "voice_resynthesised", "--from", "1.2", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    (row,) = rows(tmp_path)
    assert row["file"] == "anna--voice_resynthesised-from1.2s--clean.mp4"
    assert (row["from_s"], row["to_s"]) == ("1.2", "3")
    assert row["kind"] == "voice_resynthesised, mid-clip"


def test_what_is_unreadable_does_not_stop_the_rest(clip: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not media")
    short = write_clip(tmp_path / "short.mp4", seconds=0.6, fps=25)
    result = run(broken, short, clip, "--kind", "voice_shifted", "--out", tmp_path / "out")
    assert result.exit_code == 3
    assert "broken.mp4" in result.stderr
    assert "too short" in result.stderr
    assert [row["derived"] for row in rows(tmp_path / "out")] == ["anna.mp4"]


def test_too_late_a_start_is_too_short(clip: Path, tmp_path: Path) -> None:
    result = run(clip, "--kind", "voice_shifted", "--from", "2.5", "--out", tmp_path)
    assert result.exit_code == 3
    assert "too short" in result.stderr


@pytest.mark.usefixtures("model_store")
def test_a_clip_without_a_face_is_named(clip: Path, tmp_path: Path) -> None:
    result = run(clip, *kind_options(["lips_retimed", "voice_shifted"]), "--out", tmp_path)
    assert result.exit_code == 3
    assert "No face is found on most of the pictures of anna.mp4" in result.stderr
    assert [row["tampering"] for row in rows(tmp_path)] == ["voice_shifted"]


def test_a_missing_other_person_is_asked_for(clip: Path, tmp_path: Path) -> None:
    result = run(clip, "--kind", "voice_swapped", "--out", tmp_path / "out")
    assert isinstance(result.exception, ConfigurationError)
    assert "--with" in result.exception.fix
    assert not (tmp_path / "out").exists()


def test_two_clips_of_one_name_are_refused(clip: Path, tmp_path: Path) -> None:
    same = tmp_path / "anna.mp4"
    shutil.copy(clip, same)
    result = run(clip, same, "--kind", "voice_shifted", "--out", tmp_path / "out")
    assert isinstance(result.exception, ConfigurationError)


def test_another_table_is_not_overwritten(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("file,label\na.mp4,real\n")
    result = run(clip, "--kind", "voice_shifted", "--out", tmp_path)
    assert isinstance(result.exception, MediaError)
    assert (tmp_path / "manifest.csv").read_text() == "file,label\na.mp4,real\n"


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    folder = tmp_path_factory.mktemp("crowd")
    clips = []
    for person in range(12):
        path = write_clip(folder / f"p{person}.mp4", seconds=2.4, fps=25, video_codec="libx264")
        clips.append(
            clip_record(f"p{person}/0.mp4", path=path, duration_s=2.4, source_repository="a", source="a/b")
            if person == 0
            else clip_record(f"p{person}/0.mp4", path=path, duration_s=2.4)
        )
    return clips


@pytest.mark.usefixtures("model_store")
def test_a_benchmark_is_paired_and_of_one_split(crowd: list[Clip], tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    report = build_benchmark(
        crowd,
        tmp_path,
        split="train",
        seed=3,
        kinds=[*VOICE_KINDS, "face_swapped"],
        profiles=["hq", "lq"],
        per_kind={"sentence": 3},
        workers=1,
        on_progress=lambda count, total: done.append((count, total)),
    )
    table = rows(tmp_path)
    assert done == [(1, 3), (2, 3), (3, 3)]
    assert len(table) == report.files == 3 * 4 * 2
    assert {reason for _, reason in report.skipped} == {
        f"No face is found on most of the pictures of {row['derived']}." for row in table
    }
    assignment = split_of(crowd)
    assert {assignment[row["speaker"]] for row in table} == {"train"}
    assert {(row["split"], row["group"]) for row in table} == {("train", "sentence")}
    files = {row["file"] for row in table}
    for row in table:
        assert row["control"] in files or row["tampering"] == "genuine"
        donors = row["sources"].split(";")[1:]
        assert row["derived"] not in donors
    assert len(tamper_dataset(tmp_path, "train").clips) == report.files
    assert json.loads((tmp_path / DESCRIPTION_NAME).read_text())["files"] == report.files


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"kinds": ["voice_stolen"]}, "voice_stolen"),
        ({"profiles": ["best"]}, "best"),
        ({"per_kind": {}}, "no clip"),
    ],
)
def test_a_benchmark_that_cannot_be_is_refused(
    crowd: list[Clip], tmp_path: Path, options: dict[str, object], word: str
) -> None:
    with pytest.raises(SeamwatchError, match=word):
        build_benchmark(crowd, tmp_path / "out", split="test", seed=1, **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))
def test_a_machine_speaks_where_it_can(clip: Path, tmp_path: Path) -> None:
    result = run(clip, "--kind", "voice_by_machine", "--out", tmp_path)
    assert result.exit_code == 0, result.output
