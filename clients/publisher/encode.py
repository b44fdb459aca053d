"""Files as VP8 pictures and Opus blocks that RTP can carry, and the packets of files that already are."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.stream import Discard
from av.video.codeccontext import VideoCodecContext

from engines.frontend.decoded import upright_rgb
from realtime.ingest.probe import MediaInfo, open_container
from realtime.timebase import NS_PER_MS, NS_PER_S
from realtime.types import TrackKind

MAX_FRAME_RATE_HZ = 30
KEY_FRAME_INTERVAL = 30
BITS_PER_PIXEL = 0.15
MIN_BIT_RATE = 250_000
VIDEO_TIME_BASE = Fraction(1, 90_000)

OPUS_RATE_HZ = 48_000
OPUS_BLOCK = OPUS_RATE_HZ // 50
OPUS_LOOKAHEAD = 312
OPUS_BIT_RATE = 64_000
AUDIO_TIME_BASE = Fraction(1, OPUS_RATE_HZ)

PTS_TOLERANCE_NS = 20 * NS_PER_MS
RATE_TOLERANCE_NS = 5 * NS_PER_MS
STORED_ROUNDING_NS = NS_PER_MS


@dataclass(frozen=True, slots=True)
class ClipPacket:
    """One encoded picture or 20 ms of encoded sound.

    Attributes:
        time_ns: Capture time in the clip.
        data: VP8 frame or Opus packet.
    """

    time_ns: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeSettings:
    """How pictures are encoded; None keeps what the file has.

    Attributes:
        width: Width in px; with ``height`` None the aspect ratio is kept, and the other way round.
        height: Height in px.
        bit_rate: Bits per second of video; None follows from the size.
    """

    width: int | None = None
    height: int | None = None
    bit_rate: int | None = None


def to_ticks(time_ns: int, time_base: Fraction) -> int:
    """Return a time in units of 1/n s, rounded."""
    return (time_ns * time_base.denominator + NS_PER_S // 2) // NS_PER_S


def clip_packets(
    info: MediaInfo, kind: TrackKind, settings: EncodeSettings
) -> Generator[ClipPacket, None, None]:
    """Yield the packets of one track in order, taken as they are where the file's codec allows it."""
    if kind == "audio":
        as_is = info.audio_codec == "opus" and _channels(info) <= 2
        yield from _stored_packets(info, kind) if as_is else _opus_packets(info)
    else:
        as_is = info.video_codec == "vp8" and settings == EncodeSettings()
        yield from _stored_packets(info, kind) if as_is else _vp8_packets(info, settings)


def scaled_pictures(info: MediaInfo, settings: EncodeSettings) -> Generator[av.VideoFrame, None, None]:
    """Yield upright yuv420p pictures of one even size, at most 30 a second, with pts in 1/90000 s."""
    size: tuple[int, int] | None = None
    due_ns = 0
    interval_ns = NS_PER_S // MAX_FRAME_RATE_HZ
    for time_ns, frame in _decoded(info, "video"):
        if not isinstance(frame, av.VideoFrame) or time_ns < max(0, due_ns - RATE_TOLERANCE_NS):
            continue
        due_ns = max(due_ns, time_ns - interval_ns) + interval_ns
        upright = _upright(frame)
        size = size or _target_size(upright, settings)
        picture = upright.reformat(width=size[0], height=size[1], format="yuv420p")
        picture.pts = to_ticks(time_ns, VIDEO_TIME_BASE)
        picture.time_base = VIDEO_TIME_BASE
        picture.pict_type = av.video.frame.PictureType.NONE
        yield picture


def opus_blocks(info: MediaInfo) -> Generator[av.AudioFrame, None, None]:
    """Yield blocks of 20 ms at 48 kHz, s16, with pts in samples; a hole in the file stays a hole."""
    layout = "mono" if _channels(info) == 1 else "stereo"
    collector = _BlockCollector(layout)
    for time_ns, frame in _decoded(info, "audio"):
        if isinstance(frame, av.AudioFrame):
            yield from collector.push(time_ns, frame)
    yield from collector.flush()


def configure_vp8(context: VideoCodecContext, picture: av.VideoFrame, settings: EncodeSettings) -> None:
    """Set an encoder up for real time, with key frames that a receiver can start at every second."""
    pixels = picture.width * picture.height
    wanted = settings.bit_rate or int(pixels * MAX_FRAME_RATE_HZ * BITS_PER_PIXEL)
    context.width, context.height, context.pix_fmt = picture.width, picture.height, "yuv420p"
    context.time_base = VIDEO_TIME_BASE
    context.framerate = Fraction(MAX_FRAME_RATE_HZ)
    context.bit_rate = max(MIN_BIT_RATE, wanted)
    context.gop_size = KEY_FRAME_INTERVAL
    context.thread_count = 1
    context.options = {
        "deadline": "realtime",
        "cpu-used": "8",
        "lag-in-frames": "0",
        "auto-alt-ref": "0",
        "error-resilient": "default",
    }


def configure_opus(context: AudioCodecContext, layout: str) -> None:
    """Set an encoder up for packets of 20 ms."""
    context.sample_rate = OPUS_RATE_HZ
    context.layout = layout
    context.format = "s16"
    context.time_base = AUDIO_TIME_BASE
    context.bit_rate = OPUS_BIT_RATE


def _vp8_packets(info: MediaInfo, settings: EncodeSettings) -> Iterator[ClipPacket]:
    encoder: Any = None
    for picture in scaled_pictures(info, settings):
        if encoder is None:
            encoder = av.CodecContext.create("libvpx", "w")
            configure_vp8(encoder, picture, settings)
        for packet in encoder.encode(picture):
            yield ClipPacket(_in_ns(packet.pts, VIDEO_TIME_BASE), bytes(packet))
    for packet in encoder.encode(None) if encoder is not None else ():
        yield ClipPacket(_in_ns(packet.pts, VIDEO_TIME_BASE), bytes(packet))


def _opus_packets(info: MediaInfo) -> Iterator[ClipPacket]:
    """Encode; the encoder counts its lookahead off the pts, which senders on RTP do not."""
    encoder: Any = None
    for block in opus_blocks(info):
        if encoder is None:
            encoder = av.CodecContext.create("libopus", "w")
            configure_opus(encoder, block.layout.name)
        for packet in encoder.encode(block):
            yield ClipPacket(_in_ns(packet.pts + OPUS_LOOKAHEAD, AUDIO_TIME_BASE), bytes(packet))


def _stored_packets(info: MediaInfo, kind: TrackKind) -> Iterator[ClipPacket]:
    lookahead_ns = _in_ns(OPUS_LOOKAHEAD, AUDIO_TIME_BASE) if kind == "audio" else 0
    for packet in _demuxed(info, kind):
        if packet.pts is not None and packet.size:
            time_ns = _in_ns(packet.pts, packet.time_base) - info.start_ns + lookahead_ns
            if time_ns > -STORED_ROUNDING_NS:
                yield ClipPacket(max(0, time_ns), bytes(packet))


def _demuxed(info: MediaInfo, kind: TrackKind) -> Iterator[Any]:
    index = info.index_of(kind)
    with open_container(info.path) as container:
        for other in container.streams:
            if other.index != index:
                other.discard = Discard.all
        stream = container.streams[index or 0]
        try:
            yield from container.demux(stream)
        except av.FFmpegError:
            return


def _decoded(info: MediaInfo, kind: TrackKind) -> Iterator[tuple[int, Any]]:
    end_ns = 0
    for packet in _demuxed(info, kind):
        try:
            frames = packet.decode()
        except av.FFmpegError:
            continue
        for frame in frames:
            time_ns = end_ns if frame.pts is None else _in_ns(frame.pts, frame.time_base) - info.start_ns
            end_ns = time_ns + NS_PER_S // MAX_FRAME_RATE_HZ
            yield time_ns, frame


class _BlockCollector:
    """Resamples to 48 kHz and cuts blocks of 20 ms; samples are counted from the start of each run."""

    def __init__(self, layout: str) -> None:
        self._layout = layout
        self._channels = 1 if layout == "mono" else 2
        self._resampler: av.AudioResampler | None = None
        self._source: tuple[int, str, str] | None = None
        self._expected_ns = 0
        self._first_sample = 0
        self._pending = np.empty(0, dtype=np.int16)

    def push(self, time_ns: int, frame: av.AudioFrame) -> Iterator[av.AudioFrame]:
        source = (frame.sample_rate, frame.layout.name, frame.format.name)
        if self._resampler is None or source != self._source or self._is_hole(time_ns):
            yield from self.flush()
            start = to_ticks(time_ns, AUDIO_TIME_BASE)
            self._first_sample = max(start, self._first_sample)
            self._expected_ns = time_ns
            self._source = source
            self._resampler = av.AudioResampler(format="s16", layout=self._layout, rate=OPUS_RATE_HZ)
        self._expected_ns += frame.samples * NS_PER_S // frame.sample_rate
        self._take(self._resampler.resample(frame))
        yield from self._blocks(self._channels * OPUS_BLOCK)

    def flush(self) -> Iterator[av.AudioFrame]:
        """End the run; its last block is filled up with silence."""
        if self._resampler is not None:
            self._take([frame for frame in self._resampler.resample(None) if frame is not None])
            self._resampler = None
        yield from self._blocks(1)

    def _is_hole(self, time_ns: int) -> bool:
        return time_ns - self._expected_ns > PTS_TOLERANCE_NS

    def _take(self, frames: list[av.AudioFrame]) -> None:
        arrays = [np.asarray(frame.to_ndarray(), dtype=np.int16).reshape(-1) for frame in frames]
        self._pending = np.concatenate([self._pending, *arrays])

    def _blocks(self, least: int) -> Iterator[av.AudioFrame]:
        length = self._channels * OPUS_BLOCK
        while len(self._pending) >= least:
            block = np.zeros((1, length), dtype=np.int16)
            taken = self._pending[:length]
            block[0, : len(taken)] = taken
            self._pending = self._pending[length:]
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout=self._layout)
            frame.sample_rate, frame.time_base, frame.pts = OPUS_RATE_HZ, AUDIO_TIME_BASE, self._first_sample
            self._first_sample += OPUS_BLOCK
            yield frame


def _channels(info: MediaInfo) -> int:
    with open_container(info.path) as container:
        stream = container.streams[info.audio_index or 0]
        return stream.layout.nb_channels if isinstance(stream, av.AudioStream) else 0


def _upright(frame: av.VideoFrame) -> av.VideoFrame:
    if frame.rotation == 0:
        return frame
    return av.VideoFrame.from_ndarray(np.array(upright_rgb(frame)), format="rgb24")


def _target_size(frame: av.VideoFrame, settings: EncodeSettings) -> tuple[int, int]:
    width, height = settings.width, settings.height
    if width is None:
        width = frame.width if height is None else frame.width * height // frame.height
    if height is None:
        height = frame.height * width // frame.width
    return max(2, width & ~1), max(2, height & ~1)


def _in_ns(pts: int, time_base: Fraction) -> int:
    return pts * time_base.numerator * NS_PER_S // time_base.denominator
