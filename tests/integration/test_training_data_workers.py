"""Preparation with worker processes, engines and media files."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from clients.demo.clip_writer import clip_suffix
from clients.demo.pair import synthetic_genuine
from engines.frontend.lips import lip_opening
from engines.loader import EngineSet
from tests.support.media import write_clip
from tests.support.training_clips import assert_same
from training.cli.data import data
from training.data.features import features_of
from training.data.layouts import read_clips
from training.data.listing import read_listing
from training.data.shards import read_shards, verify_shards

ANNOUNCING_PREPARATION = """
import sys
from pathlib import Path
from training.data.layouts import read_clips
from training.data.prepare import prepare

def announce(done, of):
    print(done, flush=True)

prepare(read_clips(Path(sys.argv[1])), Path(sys.argv[2]), on_progress=announce)
"""


@pytest.fixture(scope="module")
def short_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("short") / f"short{clip_suffix()}"
    synthetic_genuine(path, seconds=2.0)
    return path


def test_bad_files_are_skipped_and_good_ones_prepared(
    short_clip: Path, tmp_path: Path, engine_set: EngineSet
) -> None:
    root, out = tmp_path / "set", tmp_path / "out"
    (root / "anna").mkdir(parents=True)
    shutil.copy(short_clip, root / "anna" / f"good{short_clip.suffix}")
    content = bytearray(short_clip.read_bytes())
    content[: len(content) // 2] = bytes(len(content) // 2)
    (root / "anna" / "corrupt.mp4").write_bytes(content)
    (root / "anna" / "empty.mp4").touch()
    (root / "anna" / "text.mp4").write_text("This is not a clip.\n" * 100)
    write_clip(root / "anna" / "faceless.mp4", seconds=1.0)
    write_clip(root / "anna" / "silent.mp4", seconds=1.0, audio_codec=None)
    write_clip(root / "anna" / "blind.mp4", seconds=1.0, video_codec=None)
    arguments = ["prepare", str(root), "--out", str(out), "--workers", "1", "--json"]
    result = CliRunner().invoke(data, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert (report["prepared"], report["unchanged"], report["shards"]) == (1, 0, 1)
    reasons = {Path(entry["file"]).stem: entry["reason"] for entry in report["skipped"]}
    assert reasons.keys() == {"corrupt", "empty", "text", "faceless", "silent", "blind"}
    for name in ("corrupt", "empty", "text"):
        assert "is not a media file that can be read" in reasons[name]
    assert "shows no usable face (no_face)" in reasons["faceless"]
    assert "has no sound" in reasons["silent"]
    assert "has no pictures" in reasons["blind"]
    assert result.stderr.count("skipped anna/") == 6
    (prepared,) = read_shards(out)
    (good,) = [clip for clip in read_clips(root) if "good" in clip.name]
    assert_same(prepared, features_of(good, engine_set))
    again = CliRunner().invoke(data, arguments, catch_exceptions=False)
    assert json.loads(again.stdout)["unchanged"] == 1


def test_a_killed_preparation_leaves_no_process_and_goes_on(
    short_clip: Path, tmp_path: Path, engine_set: EngineSet
) -> None:
    root, out = tmp_path / "set", tmp_path / "out"
    for name in ("anna", "bert", "carl"):
        (root / name).mkdir(parents=True)
        shutil.copy(short_clip, root / name)
    command = [sys.executable, "-c", ANNOUNCING_PREPARATION, str(root), str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        process.send_signal(signal.SIGKILL)
        process.stdout.read()
    assert not (out / "index.json").exists()
    parts = list((out / "parts").glob("*.tar"))
    assert parts
    clips = read_clips(root)
    assert {clip.key for clip in read_listing(out)} == {clip.key for clip in clips}
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    assert finished.stdout.split() == ["1", "2", "3"]
    assert not any(part.exists() for part in parts)
    verify_shards(out)
    expected = {clip.key: features_of(clip, engine_set) for clip in clips}
    found = {prepared.key: prepared for prepared in read_shards(out)}
    assert found.keys() == expected.keys()
    for key, prepared in found.items():
        assert_same(prepared, expected[key])


def test_a_copy_through_a_codec_has_the_same_key_and_time_but_other_pictures(
    short_clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "set" / "anna").mkdir(parents=True)
    shutil.copy(short_clip, tmp_path / "set" / "anna" / short_clip.name)
    for name, options in (("plain", []), ("copies", ["--through", "hq"])):
        arguments = [
            "prepare",
            str(tmp_path / "set"),
            "--out",
            str(tmp_path / name),
            "--workers",
            "1",
            *options,
        ]
        assert CliRunner().invoke(data, arguments).exit_code == 0
    [plain] = read_shards(tmp_path / "plain")
    [copy] = read_shards(tmp_path / "copies")
    assert copy.key == plain.key
    assert abs(copy.ticks - plain.ticks) <= 2
    ticks = min(copy.ticks, plain.ticks)
    assert not np.array_equal(copy.mouth[:ticks], plain.mouth[:ticks])
    opening, copied = (lip_opening(clip.lips[:ticks]) for clip in (plain, copy))
    assert np.corrcoef(opening, copied)[0, 1] > 0.8
    again = CliRunner().invoke(data, arguments)
    assert "1 unchanged" in again.output
