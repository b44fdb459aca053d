"""The bounded queues between a participant's tracks and its analysis."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TypeVar

from realtime.ingest.sink import PendingPicture
from realtime.timebase import SAMPLE_RATE_HZ, sample_time_ns, tick_time_ns
from realtime.types import AudioFrame, GapReason, MediaGap, TimeSpan, TrackKind

_Media = TypeVar("_Media", PendingPicture, AudioFrame)

#: One second of pictures: more would only add delay.
MAX_PICTURES = 25
#: Audio is cheap to hold and never dropped while analysis is merely slow.
MAX_AUDIO_SAMPLES = 10 * SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Batch:
    """Media taken out for analysis, in order per track."""

    pictures: tuple[PendingPicture | MediaGap, ...]
    audio: tuple[AudioFrame | MediaGap, ...]

    def __bool__(self) -> bool:
        return bool(self.pictures or self.audio)


class Intake:
    """Two queues that drop their oldest media when full; what is dropped stays visible as a gap.

    Attributes:
        dropped_pictures: Pictures dropped so far.
        dropped_samples: Audio samples dropped so far.
    """

    def __init__(self) -> None:
        self._pictures: deque[PendingPicture | MediaGap] = deque()
        self._audio: deque[AudioFrame | MediaGap] = deque()
        self._picture_count = 0
        self._sample_count = 0
        self.dropped_pictures = 0
        self.dropped_samples = 0

    @property
    def pictures_waiting(self) -> int:
        """Pictures in the queue."""
        return self._picture_count

    @property
    def samples_waiting(self) -> int:
        """Audio samples in the queue."""
        return self._sample_count

    def put_picture(self, picture: PendingPicture) -> None:
        """Queue a picture; the oldest one gives way when the queue is full."""
        self._pictures.append(picture)
        self._picture_count += 1
        if self._picture_count > MAX_PICTURES:
            _drop_oldest(self._pictures, "video")
            self._picture_count -= 1
            self.dropped_pictures += 1

    def put_audio(self, frame: AudioFrame) -> None:
        """Queue a block of audio; the oldest ones give way when the queue is full."""
        self._audio.append(frame)
        self._sample_count += len(frame.samples)
        while self._sample_count > MAX_AUDIO_SAMPLES:
            dropped = _drop_oldest(self._audio, "audio")
            self._sample_count -= len(dropped.samples)
            self.dropped_samples += len(dropped.samples)

    def put_gap(self, gap: MediaGap) -> None:
        """Queue a span without media; adjoining gaps of one reason become one."""
        queue = self._pictures if gap.track == "video" else self._audio
        last = queue[-1] if queue else None
        if isinstance(last, MediaGap) and last.reason == gap.reason and last.span.end_ns == gap.span.start_ns:
            queue.pop()
            span = TimeSpan(start_ns=last.span.start_ns, end_ns=gap.span.end_ns)
            gap = MediaGap(track=gap.track, span=span, reason=gap.reason)
        queue.append(gap)

    def take(self, max_pictures: int) -> Batch:
        """Take all audio, and pictures up to a number."""
        pictures: list[PendingPicture | MediaGap] = []
        taken = 0
        while self._pictures and taken < max_pictures:
            item = self._pictures.popleft()
            if isinstance(item, PendingPicture):
                taken += 1
            pictures.append(item)
        self._picture_count -= taken
        audio = tuple(self._audio)
        self._audio.clear()
        self._sample_count = 0
        return Batch(tuple(pictures), audio)


def _span(item: PendingPicture | AudioFrame | MediaGap) -> TimeSpan:
    if isinstance(item, MediaGap):
        return item.span
    if isinstance(item, AudioFrame):
        end_ns = item.start_ns + sample_time_ns(len(item.samples))
        return TimeSpan(start_ns=item.start_ns, end_ns=end_ns)
    return TimeSpan(start_ns=tick_time_ns(item.tick), end_ns=tick_time_ns(item.tick + 1))


def _drop_oldest(queue: deque[_Media | MediaGap], track: TrackKind) -> _Media:
    """Replace the queue's leading gaps and its oldest media by one gap; return that media."""
    item: _Media | MediaGap = queue.popleft()
    start_ns = _span(item).start_ns
    while isinstance(item, MediaGap):
        item = queue.popleft()
    span = TimeSpan(start_ns=start_ns, end_ns=_span(item).end_ns)
    queue.appendleft(MediaGap(track=track, span=span, reason=GapReason.DROPPED))
    return item
