"""Sound waits until there is enough of it: several packets through decoder and timeline cost as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from realtime.ingest.rtp.opus import MAX_PACKET_SAMPLES, OPUS_RATE_HZ, join, single_frame_samples
from realtime.ingest.rtp.packet import EncodedFrame
from realtime.timebase import NS_PER_MS, NS_PER_S

#: The greatest common divisor of the moments that windows end at: a bundle ends where one of them is reached.
BUNDLE_NS = 80 * NS_PER_MS
#: Sound waits no longer than this for more of it.
MAX_WAIT_NS = 100 * NS_PER_MS

_WRAP = 1 << 32


class Bundle(NamedTuple):
    """Packets of Opus without a hole between them.

    Attributes:
        frame: One packet in the place of all; its arrival is that of the newest.
        packets: How many they are.
        newest_timestamp: RTP timestamp of the newest.
        put_ns: When the newest was put in.
    """

    frame: EncodedFrame
    packets: int
    newest_timestamp: int
    put_ns: int


class Bundler:
    """Joins packets that follow each other until they reach the next multiple of ``BUNDLE_NS``.

    What begins after a hole or a pause goes on at once, so that the timeline knows where it is. What waits
    has to be flushed before anything that follows a hole is placed, and before the track's clock changes.

    Args:
        covered_ns: Returns the call time that the sound handed on so far has reached.
    """

    def __init__(self, covered_ns: Callable[[], int]) -> None:
        self._covered_ns = covered_ns
        self._waiting: list[EncodedFrame] = []
        self._waiting_samples = 0
        self._put_ns = 0
        self._next_timestamp: int | None = None

    def follows(self, timestamp: int) -> bool:
        """Say whether a packet goes on where the newest one ended."""
        return timestamp == self._next_timestamp

    def put(self, frame: EncodedFrame, now_ns: int) -> list[Bundle]:
        """Take the next packet and return what can be decoded now, in order."""
        samples = single_frame_samples(frame.data)
        ready: list[Bundle] = []
        if self._waiting and not self._fits(frame, samples):
            ready += self.flush()
        goes_on = self.follows(frame.timestamp) and now_ns - self._put_ns < MAX_WAIT_NS
        self._next_timestamp = None if samples is None else (frame.timestamp + samples) % _WRAP
        self._waiting.append(frame)
        self._waiting_samples += samples or 0
        self._put_ns = now_ns
        if samples is None or not goes_on or self._is_enough():
            ready += self.flush()
        return ready

    def flush(self) -> list[Bundle]:
        """Return what waits."""
        if not self._waiting:
            return []
        waiting, self._waiting, self._waiting_samples = self._waiting, [], 0
        newest = waiting[-1]
        frame = waiting[0]._replace(
            data=join([one.data for one in waiting]), arrival_ns=max(one.arrival_ns for one in waiting)
        )
        return [Bundle(frame, len(waiting), newest.timestamp, self._put_ns)]

    def overdue(self, now_ns: int) -> list[Bundle]:
        """Return what waits if it has done so for ``MAX_WAIT_NS``."""
        return self.flush() if now_ns - self._put_ns >= MAX_WAIT_NS else []

    def _fits(self, frame: EncodedFrame, samples: int | None) -> bool:
        return (
            samples is not None
            and self.follows(frame.timestamp)
            and frame.data[0] == self._waiting[0].data[0]
            and self._waiting_samples + samples <= MAX_PACKET_SAMPLES
        )

    def _is_enough(self) -> bool:
        covered_ns = self._covered_ns()
        end_ns = covered_ns + self._waiting_samples * NS_PER_S // OPUS_RATE_HZ
        return end_ns // BUNDLE_NS > covered_ns // BUNDLE_NS
