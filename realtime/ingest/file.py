"""Media files of any container and codec that PyAV reads, as the two tracks of a participant."""

from __future__ import annotations

import heapq
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
from av.stream import Discard, Stream

from realtime.errors import MediaError
from realtime.ingest.picture import VideoLine
from realtime.ingest.probe import MediaInfo, open_container, open_media
from realtime.ingest.resample import AudioLine
from realtime.ingest.sink import MediaItem, PendingPicture
from realtime.timebase import NS_PER_MS, NS_PER_S, TICK_NS, sample_at, sample_time_ns, tick_time_ns
from realtime.types import GapReason, MediaGap, TimeSpan, TrackKind

FILL_STEP_NS = 200 * NS_PER_MS
SHORTFALL_NS = NS_PER_S // 2
SHORTFALL_FRACTION = 50
DEFAULT_FRAME_RATE = 25
#: Pixels of a picture up to which one thread decodes: faster than the rest, and up to a sixth cheaper in all.
ONE_THREAD_PIXELS = 1920 * 1088

__all__ = ["MediaInfo", "MediaReader", "open_media", "read_media"]


class MediaReader:
    """Iterates over both tracks of a file in order of call time; call time zero is the container's start.

    Each track has a demuxer of its own, so the two advance together however the file interleaves them, with
    one decoded frame of look-ahead each. Per track, frames and gaps tile the timeline up to the end of the
    longer one. Nothing is decoded before the first step, and pictures are converted only by who wants them.

    Raises:
        MediaError: While iterating, if nothing at all could be decoded.
    """

    def __init__(self, info: MediaInfo) -> None:
        self.info = info
        self._streams: dict[TrackKind, _StreamReader] = {}
        if info.audio_index is not None:
            self._streams["audio"] = _StreamReader(info, "audio", info.audio_index)
        if info.video_index is not None:
            self._streams["video"] = _StreamReader(info, "video", info.video_index)
        self._covered_ns: dict[TrackKind, int] = {"audio": 0, "video": 0}
        self._items = self._merge()

    @property
    def position_ns(self) -> int:
        """Call time up to which the file has been read."""
        return max(self._covered_ns.values())

    @property
    def truncated(self) -> bool:
        """Whether the file broke off before its declared end; final once the iteration has ended."""
        streams = self._streams.values()
        broke_off = self.info.cut_short or any(stream.broke_off for stream in streams)
        declared_ns = self.info.duration_ns
        if broke_off or declared_ns is None or not all(stream.ended for stream in streams):
            return broke_off
        missing_ns = declared_ns - max(stream.end_ns for stream in streams)
        return missing_ns > max(SHORTFALL_NS, declared_ns // SHORTFALL_FRACTION)

    @property
    def undecodable(self) -> int:
        """Packets that could not be decoded."""
        return sum(stream.undecodable for stream in self._streams.values())

    def __iter__(self) -> Iterator[MediaItem]:
        return self

    def __next__(self) -> MediaItem:
        return next(self._items)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; further iteration ends at once. Idempotent."""
        self._items.close()

    def _merge(self) -> Generator[MediaItem, None, None]:
        sources = [stream.items() for stream in self._streams.values()]
        try:
            for span, kind, item in heapq.merge(*sources, key=lambda entry: entry[0].start_ns):
                self._covered_ns[kind] = span.end_ns
                yield item
                yield from self._fill_absent(span.start_ns, FILL_STEP_NS)
            if self.position_ns == 0:
                raise MediaError(
                    f"Nothing in {self.info.path} could be decoded.",
                    fix="Check that the file plays elsewhere.",
                )
            yield from self._fill_absent(self.position_ns, 1)
        finally:
            for source in sources:
                source.close()

    def _fill_absent(self, to_ns: int, step_ns: int) -> Iterator[MediaItem]:
        """Cover a track that the file lacks, or that has ended, as far as the other one has come."""
        for kind, covered_ns in self._covered_ns.items():
            stream = self._streams.get(kind)
            if (stream is not None and not stream.ended) or to_ns - covered_ns < step_ns:
                continue
            reason = GapReason.ENDED if stream is not None and stream.decoded else GapReason.NO_TRACK
            end_ns = _grid_end_ns(kind, to_ns)
            self._covered_ns[kind] = end_ns
            yield MediaGap(track=kind, span=TimeSpan(start_ns=covered_ns, end_ns=end_ns), reason=reason)


class _StreamReader:
    """Demuxes and decodes one stream of a file."""

    def __init__(self, info: MediaInfo, kind: TrackKind, index: int) -> None:
        self._info = info
        self._kind = kind
        self._index = index
        self.end_ns = 0
        self.decoded = 0
        self.undecodable = 0
        self.broke_off = False
        self.ended = False

    def items(self) -> Generator[tuple[TimeSpan, TrackKind, MediaItem], None, None]:
        """Yield the stream's items in order, each with the span that it covers."""
        audio, video = AudioLine(), VideoLine()
        for time_ns, frame in self._frames():
            made: Iterable[MediaItem]
            if isinstance(frame, av.AudioFrame):
                made = audio.push(time_ns, frame)
            else:
                made = video.push(time_ns, frame)
            for item in made:
                yield _span_of(item), self._kind, item
        tail = audio.flush() if self._kind == "audio" else video.advance(self.end_ns, GapReason.ENDED)
        for item in tail:
            yield _span_of(item), self._kind, item
        self.ended = True

    def _frames(self) -> Iterator[tuple[int, av.AudioFrame | av.VideoFrame]]:
        with open_container(self._info.path) as container:
            for other in container.streams:
                if other.index != self._index:
                    other.discard = Discard.all
            stream = container.streams[self._index]
            if isinstance(stream, av.VideoStream):
                stream.thread_type = "AUTO"
                if stream.width * stream.height <= ONE_THREAD_PIXELS:
                    stream.thread_count = 1
            try:
                for packet in container.demux(stream):
                    yield from self._decode(packet, stream)
            except (av.FFmpegError, OSError):
                self.broke_off = True

    def _decode(
        self, packet: av.Packet[Any], stream: Stream
    ) -> Iterator[tuple[int, av.AudioFrame | av.VideoFrame]]:
        try:
            frames = packet.decode()
        except av.FFmpegError:
            self.undecodable += 1
            self.broke_off = True
            return
        for frame in frames:
            if not isinstance(frame, av.AudioFrame | av.VideoFrame):
                continue
            self.decoded += 1
            self.broke_off = False
            time_ns = self.end_ns if frame.pts is None else self._time_ns(frame)
            self.end_ns = max(self.end_ns, time_ns + _duration_ns(frame, stream))
            yield time_ns, frame

    def _time_ns(self, frame: av.AudioFrame | av.VideoFrame) -> int:
        return int((frame.pts or 0) * (frame.time_base or 0) * NS_PER_S) - self._info.start_ns


def _duration_ns(frame: av.AudioFrame | av.VideoFrame, stream: Stream) -> int:
    if isinstance(frame, av.AudioFrame):
        return frame.samples * NS_PER_S // frame.sample_rate
    rate = stream.guessed_rate or stream.average_rate or DEFAULT_FRAME_RATE
    return int(NS_PER_S / rate)


def _span_of(item: MediaItem) -> TimeSpan:
    if isinstance(item, MediaGap):
        return item.span
    if isinstance(item, PendingPicture):
        return TimeSpan(start_ns=tick_time_ns(item.tick), end_ns=tick_time_ns(item.tick + 1))
    end_sample = sample_at(item.start_ns) + len(item.samples)
    return TimeSpan(start_ns=item.start_ns, end_ns=sample_time_ns(end_sample))


def _grid_end_ns(kind: TrackKind, time_ns: int) -> int:
    if kind == "audio":
        return sample_time_ns(sample_at(time_ns))
    return -(-time_ns // TICK_NS) * TICK_NS


def read_media(path: str | Path) -> MediaReader:
    """Open a file for reading.

    Raises:
        MediaError: It cannot be read, or holds neither audio nor video.
    """
    return MediaReader(open_media(path))
