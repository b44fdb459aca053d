"""Preparation: what is done, left alone, skipped, and continued; with workers in the process itself."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from engines.errors import SeamwatchError
from tests.support.training_clips import assert_same, clip_record, noise_clip
from training.data import prepare as preparation
from training.data.clip import Clip
from training.data.errors import DatasetError
from training.data.listing import read_listing
from training.data.prepare import SKIPPED_NAME, prepare
from training.data.shards import read_shards, tar_bytes, verify_shards
from training.data.splits import split_of
from training.data.worker import Job, Outcome

TICKS = 10


class InlinePool:
    """Runs what is submitted at once."""

    def __init__(self, *_args: Any, **_options: Any) -> None:
        pass

    def submit(self, function: Callable[[Job], Outcome], job: Job) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        try:
            future.set_result(function(job))
        except BaseException as error:
            future.set_exception(error)
        return future

    def shutdown(self, **_options: Any) -> None:
        pass


class Worker:
    """Makes noise of a clip's content; some clips have troubles."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.troubles: dict[str, BaseException | str | tuple[str, str]] = {}

    def __call__(self, job: Job) -> Outcome:
        trouble = self.troubles.get(job.clip.name)
        if isinstance(trouble, BaseException):
            raise trouble
        if isinstance(trouble, str):
            return Outcome(job=job, skipped=trouble)
        if isinstance(trouble, tuple):
            return Outcome(job=job, fault=trouble)
        self.done.append(job.clip.name)
        features = noise_clip(job.clip, TICKS, seed=int(job.clip.path.read_text()))
        job.part.write_bytes(tar_bytes(features.members(job.fingerprint)))
        return Outcome(job=job, ticks=TICKS)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    worker = Worker()
    monkeypatch.setattr(preparation, "ProcessPoolExecutor", InlinePool)
    monkeypatch.setattr(preparation, "run_job", worker)
    return worker


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    found = []
    for number in range(20):
        path = tmp_path / "clips" / f"{number:02}.mp4"
        path.parent.mkdir(exist_ok=True)
        path.write_text(str(number))
        found.append(clip_record(path.name, path=path, speaker=f"s{number}"))
    return found


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def assert_holds(out: Path, clips: list[Clip]) -> None:
    verify_shards(out)
    found = {prepared.clip.name: prepared for prepared in read_shards(out)}
    assert set(found) == {clip.name for clip in clips}
    for clip in clips:
        assert_same(found[clip.name], noise_clip(clip, TICKS, seed=int(clip.path.read_text())))
    assert list((out / "parts").iterdir()) == []


def test_every_clip_is_prepared_in_its_order(worker: Worker, clips: list[Clip], out: Path) -> None:
    calls: list[tuple[int, int]] = []
    report = prepare(clips, out, on_progress=lambda done, of: calls.append((done, of)))
    assert worker.done == [clip.name for clip in clips]
    assert (report.prepared, report.unchanged, report.skipped, report.shards) == (20, 0, [], 1)
    assert report.seconds == pytest.approx(20 * TICKS / 25)
    assert calls == [(done, 20) for done in range(1, 21)]
    assert_holds(out, clips)


def test_unchanged_clips_are_left_alone(worker: Worker, clips: list[Clip], out: Path) -> None:
    prepare(clips, out)
    before = {path: path.read_bytes() for path in out.glob("*.*")}
    worker.done.clear()
    report = prepare(clips, out)
    assert worker.done == []
    assert (report.prepared, report.unchanged) == (0, 20)
    assert {path: path.read_bytes() for path in out.glob("*.*")} == before


def test_a_changed_file_or_record_is_prepared_again(worker: Worker, clips: list[Clip], out: Path) -> None:
    prepare(clips, out)
    worker.done.clear()
    clips[3].path.write_text("103")
    stat = clips[5].path.stat()
    os.utime(clips[5].path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    clips[7] = clip_record(clips[7].name, path=clips[7].path, speaker="somebody else")
    report = prepare(clips, out)
    assert worker.done == [clips[number].name for number in (3, 5, 7)]
    assert (report.prepared, report.unchanged, report.shards) == (3, 17, 2)
    assert_holds(out, clips)


def test_a_changed_sound_file_is_prepared_again(worker: Worker, tmp_path: Path, out: Path) -> None:
    pictures, sound = tmp_path / "1.mp4", tmp_path / "1.m4a"
    pictures.write_text("1")
    sound.write_text("one")
    clip = clip_record("1.mp4", path=pictures, audio_path=sound)
    prepare([clip], out)
    sound.write_text("another")
    assert prepare([clip], out).prepared == 1
    sound.unlink()
    assert prepare([clip], out).skipped == [
        ("1.mp4", f"{pictures} cannot be read: No such file or directory.")
    ]


@pytest.mark.parametrize("kill_at", [0, 1, 7, 19])
def test_a_killed_preparation_goes_on_where_it_was(
    worker: Worker, clips: list[Clip], out: Path, kill_at: int
) -> None:
    worker.troubles[clips[kill_at].name] = KeyboardInterrupt()
    size = len(tar_bytes(noise_clip(clips[0], TICKS).members("x" * 64)))
    with pytest.raises(KeyboardInterrupt):
        prepare(clips, out, max_shard_bytes=3 * size)
    done_before = set(worker.done)
    assert len(done_before) >= kill_at
    worker.troubles.clear()
    worker.done.clear()
    prepare(clips, out, max_shard_bytes=3 * size)
    assert set(worker.done) == {clip.name for clip in clips} - done_before
    assert_holds(out, clips)


def test_a_part_that_was_cut_off_is_made_again(worker: Worker, clips: list[Clip], out: Path) -> None:
    worker.troubles[clips[9].name] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        prepare(clips, out)
    part = out / "parts" / f"{clips[2].key}.tar"
    part.write_bytes(part.read_bytes()[:100])
    worker.troubles.clear()
    worker.done.clear()
    prepare(clips, out)
    assert clips[2].name in worker.done
    assert clips[1].name not in worker.done
    assert_holds(out, clips)


def test_shards_stay_under_their_size(worker: Worker, clips: list[Clip], out: Path) -> None:
    size = len(tar_bytes(noise_clip(clips[0], TICKS).members("x" * 64)))
    report = prepare(clips, out, max_shard_bytes=4 * size)
    assert report.shards == 5
    assert all(path.stat().st_size <= 4 * size for path in out.glob("*.tar"))
    assert_holds(out, clips)


def test_a_lost_shard_is_made_again(worker: Worker, clips: list[Clip], out: Path) -> None:
    size = len(tar_bytes(noise_clip(clips[0], TICKS).members("x" * 64)))
    prepare(clips, out, max_shard_bytes=4 * size)
    worker.done.clear()
    (out / "shard-000002.tar").unlink()
    prepare(clips, out, max_shard_bytes=4 * size)
    assert worker.done == [clip.name for clip in clips[8:12]]
    assert_holds(out, clips)


def test_skipped_clips_are_listed_with_reasons(worker: Worker, clips: list[Clip], out: Path) -> None:
    worker.troubles = {clips[2].name: "It shows no face.", clips[4].name: 'It has no sound, or "none".'}
    clips[6].path.unlink()
    report = prepare(clips, out)
    gone = (clips[6].name, f"{clips[6].path} cannot be read: No such file or directory.")
    expected = [*((clips[i].name, str(worker.troubles[clips[i].name])) for i in (2, 4)), gone]
    assert report.skipped == expected
    with (out / SKIPPED_NAME).open(newline="") as stream:
        assert list(csv.reader(stream)) == [["file", "reason"], *map(list, expected)]
    assert_holds(out, [clip for number, clip in enumerate(clips) if number not in (2, 4, 6)])


def test_a_skipped_clip_gets_another_chance(worker: Worker, clips: list[Clip], out: Path) -> None:
    worker.troubles = {clips[2].name: "It shows no face."}
    prepare(clips, out)
    worker.troubles.clear()
    assert prepare(clips, out).skipped == []
    assert (out / SKIPPED_NAME).read_text() == "file,reason\n"
    assert_holds(out, clips)


def test_the_list_gives_the_split_of_the_table_whatever_was_skipped(
    worker: Worker, clips: list[Clip], out: Path
) -> None:
    worker.troubles = {clip.name: "It shows no face." for clip in clips[::3]}
    prepare(clips, out)
    assert split_of(read_listing(out)) == split_of(clips)


def test_a_fault_that_is_not_the_clips_ends_the_preparation(
    worker: Worker, clips: list[Clip], out: Path
) -> None:
    worker.troubles[clips[5].name] = ("The disk is full.", "Make room.")
    with pytest.raises(SeamwatchError, match="disk is full") as caught:
        prepare(clips, out)
    assert caught.value.fix == "Make room."
    worker.troubles.clear()
    worker.done.clear()
    prepare(clips, out)
    assert clips[4].name not in worker.done
    assert_holds(out, clips)


def test_a_worker_that_dies_is_an_error(worker: Worker, clips: list[Clip], out: Path) -> None:
    worker.troubles[clips[5].name] = BrokenProcessPool("gone")
    with pytest.raises(DatasetError, match="worker process died"):
        prepare(clips, out)


def test_two_clips_of_one_name_are_refused_before_anything_is_done(worker: Worker, out: Path) -> None:
    clips = [clip_record("1.mp4", path=Path(place) / "1.mp4") for place in ("one", "two")]
    with pytest.raises(DatasetError, match=r"one/1\.mp4 and two/1\.mp4 have the same"):
        prepare(clips, out)
    assert worker.done == []
    assert not out.exists()


def test_a_second_data_set_joins_the_first(worker: Worker, clips: list[Clip], out: Path) -> None:
    prepare(clips[:12], out)
    prepare(clips[12:], out)
    assert_holds(out, clips)
    assert len(read_listing(out)) == 20
