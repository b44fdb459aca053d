"""What a receiver made of the calibration clip: noted while it runs, judged afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.network.calibration import read_picture
from realtime.ingest.sink import EndReason, PendingPicture, TrackState
from realtime.timebase import TICK_NS, tick_time_ns
from realtime.types import AudioFrame, Float32, MediaGap, TrackKind, UInt8

#: Stands for "unknown" in the arrays.
UNKNOWN = -1

Int64 = npt.NDArray[np.int64]


@dataclass(slots=True, kw_only=True)
class Record:
    """Everything that one receiver handed on.

    Attributes:
        pictures: int64, shape (n, 7), a row a new picture: call time, call time after which it was captured
            at the earliest, number, wrong cells, arrival, hand-over, whether the receiver knew sender reports
            of both tracks; times in ns.
        blocks: int64, shape (m, 4), a row a block of audio: call time, samples, arrival, hand-over.
        samples: All blocks, 16 kHz, one after the other.
        cpu_ns: Processor time of the process from the first media to the last, without the meter's.
        seconds: The wall time of that.
    """

    pictures: Int64
    blocks: Int64
    samples: Float32
    cpu_ns: int
    seconds: float

    def save(self, path: Path) -> None:
        """Write it to a file."""
        np.savez(
            path,
            pictures=self.pictures,
            blocks=self.blocks,
            samples=self.samples,
            cost=np.array([self.cpu_ns, self.seconds]),
        )

    @classmethod
    def load(cls, path: Path) -> Record:
        """Read what ``save`` wrote."""
        with np.load(path) as stored:
            cost = stored["cost"]
            return cls(
                pictures=stored["pictures"],
                blocks=stored["blocks"],
                samples=stored["samples"],
                cpu_ns=int(cost[0]),
                seconds=float(cost[1]),
            )


@dataclass(slots=True)
class Meter:
    """Takes what a receiver hands on, as its ``MediaSink`` or by ``note_picture`` and ``on_audio``.

    Its own processor time, that of the conversion to RGB included, is taken off the receiver's.

    Args:
        clock_ns: Monotonic clock, the one that stamps arrivals.
        knows_reports: Whether the receiver knows sender reports of both tracks; None if it does not say.
    """

    clock_ns: Callable[[], int] = time.monotonic_ns
    knows_reports: Callable[[], bool] | None = None
    _pictures: list[tuple[int, ...]] = field(default_factory=list)
    _blocks: list[tuple[int, ...]] = field(default_factory=list)
    _samples: list[Float32] = field(default_factory=list)
    _shown: UInt8 | None = None
    _shown_tick: int | None = None
    _own_ns: int = 0
    _first: tuple[int, int, int] | None = None
    _last: tuple[int, int, int] = (0, 0, 0)

    def on_picture(self, picture: PendingPicture) -> None:
        """Read a picture of the grid; one that is only held is passed over."""
        with self._costs_nothing():
            image = picture.convert()
            follows = self._shown_tick == picture.tick - 1
            if image is not self._shown:
                time_ns = tick_time_ns(picture.tick)
                after_ns = time_ns - TICK_NS if follows else UNKNOWN
                self._note(time_ns, after_ns, image[..., 1], picture.arrival_ns)
            self._shown, self._shown_tick = image, picture.tick

    def note_picture(self, time_ns: int, luma: Callable[[], UInt8]) -> None:
        """Read a picture whose call time is known exactly."""
        with self._costs_nothing():
            self._note(time_ns, time_ns, luma(), None)

    def on_audio(self, frame: AudioFrame) -> None:
        """Keep a block of audio."""
        with self._costs_nothing():
            arrival_ns = UNKNOWN if frame.arrival_ns is None else frame.arrival_ns
            self._blocks.append((frame.start_ns, len(frame.samples), arrival_ns, self.clock_ns()))
            self._samples.append(frame.samples)

    def on_gap(self, gap: MediaGap) -> None:
        """Pass over it; what is missing shows by itself."""

    def on_track(self, kind: TrackKind, state: TrackState) -> None:
        """Pass over it."""

    def on_end(self, reason: EndReason) -> None:
        """Pass over it."""

    def record(self) -> Record:
        """Return everything that was noted."""
        first = self._first or self._last
        wall_ns, cpu_ns, own_ns = (last - start for last, start in zip(self._last, first, strict=True))
        return Record(
            pictures=np.array(self._pictures, dtype=np.int64).reshape(-1, 7),
            blocks=np.array(self._blocks, dtype=np.int64).reshape(-1, 4),
            samples=np.concatenate(self._samples) if self._samples else np.empty(0, dtype=np.float32),
            cpu_ns=cpu_ns - own_ns,
            seconds=wall_ns / 1e9,
        )

    def _note(self, time_ns: int, after_ns: int, luma: UInt8, arrival_ns: int | None) -> None:
        read = read_picture(luma)
        self._pictures.append(
            (
                time_ns,
                after_ns,
                UNKNOWN if read.number is None else read.number,
                read.wrong_cells,
                UNKNOWN if arrival_ns is None else arrival_ns,
                self.clock_ns(),
                UNKNOWN if self.knows_reports is None else int(self.knows_reports()),
            )
        )

    @contextmanager
    def _costs_nothing(self) -> Iterator[None]:
        began_ns = time.thread_time_ns()
        try:
            yield
        finally:
            self._own_ns += time.thread_time_ns() - began_ns
            self._last = (self.clock_ns(), time.process_time_ns(), self._own_ns)
            if self._first is None:
                self._first = self._last
