"""A scan whose stages overlap says in every bit what one says whose stages follow each other."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.checkpoint import load_checkpoint
from engines.errors import EngineError
from realtime.config import MonitorConfig
from realtime.decisions import DecisionChoice
from realtime.encoders.suite import EncoderSuite, build_encoders
from realtime.errors import MediaError
from realtime.ingest.file import read_media
from realtime.ingest.sink import MediaItem, PendingPicture
from realtime.scan import scan_file
from realtime.timebase import NS_PER_S, tick_time_ns
from realtime.types import AudioFrame, GapReason, MediaGap, TimeSpan

CONFIG = DecisionChoice().configured(MonitorConfig())
Damage = Callable[[MediaItem], MediaItem]


@pytest.fixture(scope="module")
def encoders(engine_set: Any) -> EncoderSuite:
    return build_encoders(engine_set, CONFIG, load_checkpoint())


def without(kind: str, start_s: float, end_s: float) -> Damage:
    """Return what takes a kind of media away between two times."""

    def damaged(item: MediaItem) -> MediaItem:
        if isinstance(item, PendingPicture):
            span = TimeSpan(start_ns=tick_time_ns(item.tick), end_ns=tick_time_ns(item.tick + 1))
        elif isinstance(item, AudioFrame):
            end_ns = item.start_ns + len(item.samples) * NS_PER_S // 16_000
            span = TimeSpan(start_ns=item.start_ns, end_ns=end_ns)
        else:
            return item
        track = "video" if isinstance(item, PendingPicture) else "audio"
        if track != kind or not start_s <= span.start_ns / NS_PER_S < end_s:
            return item
        return MediaGap(track=track, span=span, reason=GapReason.LOSS)

    return damaged


def silent(start_s: float, end_s: float) -> Damage:
    """Return what silences the sound between two times."""

    def damaged(item: MediaItem) -> MediaItem:
        if isinstance(item, AudioFrame) and start_s <= item.start_ns / NS_PER_S < end_s:
            return dataclasses.replace(item, samples=np.zeros_like(item.samples))
        return item

    return damaged


def facts(found: Any) -> Iterator[object]:
    """Yield every number, array and word in a result but for its timing."""
    if dataclasses.is_dataclass(found):
        for each in dataclasses.fields(found):
            if each.name != "latency_ms":
                yield each.name
                yield from facts(getattr(found, each.name))
    elif isinstance(found, np.ndarray):
        yield found.dtype.str, found.shape, found.tobytes()
    elif isinstance(found, tuple | list):
        yield len(found)
        for each in found:
            yield from facts(each)
    else:
        yield repr(found)


def scanned(path: Path, encoders: EncoderSuite, *, overlapping: bool) -> list[object]:
    """Return all that a scan says, encoded windows and evidence included."""
    said: list[object] = []
    result = scan_file(
        path,
        encoders,
        CONFIG,
        on_evidence=said.append,
        on_window=said.append,
        keep_media=True,
        calibration=DecisionChoice().loaded(encoders.ids, CONFIG).calibration,
        overlapping=overlapping,
    )
    return list(facts([result, said]))


@pytest.mark.parametrize(
    "damage",
    [
        lambda item: item,
        without("audio", 2.1, 4.3),
        without("audio", 0.0, 99.0),
        without("video", 3.0, 5.5),
        without("video", 0.0, 99.0),
        silent(1.0, 5.0),
    ],
    ids=["whole", "sound missing", "no sound", "pictures missing", "no pictures", "silent"],
)
def test_overlapping_changes_no_bit(
    exchanged_clip: Path, encoders: EncoderSuite, monkeypatch: pytest.MonkeyPatch, damage: Damage
) -> None:
    @contextmanager
    def damaged(path: Path) -> Iterator[object]:
        with read_media(path) as media:

            class Damaged:
                def __iter__(self) -> Iterator[MediaItem]:
                    return map(damage, media)

                def __getattr__(self, name: str) -> object:
                    return getattr(media, name)

            yield Damaged()

    monkeypatch.setattr("realtime.scan.read_media", damaged)
    one_by_one = scanned(exchanged_clip, encoders, overlapping=False)
    assert len(one_by_one) > 200
    assert scanned(exchanged_clip, encoders, overlapping=True) == one_by_one


class Failing:
    """An engine that fails on its n-th run, or does something else then."""

    def __init__(self, engine: Any, run: int, error: BaseException) -> None:
        self._engine, self._left, self._error = engine, run, error
        self.spec = engine.spec

    def run(self, inputs: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise self._error
        return self._engine.run(inputs)


@pytest.mark.parametrize("role", ["detector", "landmarks", "identity", "vad", "speech"])
def test_an_engine_that_fails_in_any_stage_ends_all_of_them(
    genuine_clip: Path, engine_set: Any, role: str
) -> None:
    error = EngineError("It failed.", fix="Repair it.")
    broken = dataclasses.replace(engine_set, **{role: Failing(getattr(engine_set, role), 3, error)})
    encoders = build_encoders(broken, CONFIG, load_checkpoint())
    threads = threading.active_count()
    with pytest.raises(EngineError, match="It failed"):
        scan_file(genuine_clip, encoders, CONFIG, overlapping=True)
    assert threading.active_count() == threads


def test_an_interruption_ends_every_stage(genuine_clip: Path, encoders: EncoderSuite) -> None:
    def interrupt(done_s: float, _duration_s: float) -> None:
        if done_s > 3.0:
            raise KeyboardInterrupt

    threads = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        scan_file(genuine_clip, encoders, CONFIG, on_progress=interrupt, overlapping=True)
    assert threading.active_count() == threads


def test_a_file_that_cannot_be_read_says_so_and_leaves_no_thread(
    tmp_path: Path, encoders: EncoderSuite
) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"no media" * 100)
    threads = threading.active_count()
    with pytest.raises(MediaError):
        scan_file(path, encoders, CONFIG, overlapping=True)
    assert threading.active_count() == threads
