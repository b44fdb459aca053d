"""Decoding one track, with bounded queues on both sides."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Literal

import av

from realtime.ingest.rtp.opus import OPUS_RATE_HZ, is_stereo
from realtime.ingest.rtp.packet import EncodedFrame
from realtime.types import TrackKind

MAX_ENCODED_FRAMES = 60
MAX_ENCODED_BYTES = 16 << 20
MAX_DECODED_FRAMES = 10
MAX_PIXELS = 4096 * 2304

DecodedFrame = av.AudioFrame | av.VideoFrame
CodecName = Literal["opus", "vp8", "h264"]

_TIME_BASES: dict[TrackKind, Fraction] = {"audio": Fraction(1, OPUS_RATE_HZ), "video": Fraction(1, 90_000)}
_VP8_HEADER_BYTES = 10
_VP8_DIMENSION = 0x3FFF


class TrackDecoder:
    """Decodes frames in order; their pts stay raw RTP timestamps.

    Sound is decoded where it is put: that takes less time than to wake a thread does. It is decoded into one
    channel until a packet has two, and into two from then on. Pictures are decoded
    in a thread of their own. The newest frame is refused while too many wait to be decoded, the oldest is
    dropped while too many wait to be handed on. After a video frame that cannot be decoded, nothing comes
    out before the next key frame.

    Args:
        kind: The track's kind.
        on_frames: Takes decoded frames, on the event loop.
        on_damage: Called on the event loop when a video frame could not be decoded.

    Attributes:
        dropped: Frames dropped because this host was too slow.
        damaged: Frames that could not be decoded, or came after one and needed it.
    """

    def __init__(
        self,
        kind: TrackKind,
        *,
        on_frames: Callable[[Sequence[DecodedFrame]], None],
        on_damage: Callable[[], None],
    ) -> None:
        self._kind = kind
        self._on_frames = on_frames
        self._on_damage = on_damage
        self._loop = asyncio.get_running_loop()
        self._changed = threading.Condition()
        self._encoded: deque[tuple[CodecName, EncodedFrame]] = deque()
        self._encoded_bytes = 0
        self._closing = False
        self._decoded: deque[DecodedFrame] = deque()
        self._ended = asyncio.Event()
        self._failure: Exception | None = None
        self._codec: tuple[CodecName, av.AudioCodecContext | av.VideoCodecContext] | None = None
        self._stereo = False
        self._lost_track = False
        self.dropped = 0
        self.damaged = 0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to decode; once."""
        if self._kind == "video":
            self._thread = threading.Thread(target=self._run, name="video-decoder", daemon=True)
            self._thread.start()

    def put(self, codec: CodecName, frame: EncodedFrame) -> bool:
        """Decode a frame or queue it to be decoded; False if it had to be dropped."""
        return self._decode_here(codec, frame) if self._kind == "audio" else self._queue(codec, frame)

    def _decode_here(self, codec: CodecName, frame: EncodedFrame) -> bool:
        if self._closing:
            self.dropped += 1
            return False
        try:
            self._decode(codec, frame)
        except Exception as error:
            self._fail(error)
        return True

    def _queue(self, codec: CodecName, frame: EncodedFrame) -> bool:
        with self._changed:
            size = self._encoded_bytes + len(frame.data)
            full = len(self._encoded) >= MAX_ENCODED_FRAMES or size > MAX_ENCODED_BYTES
            if full or self._closing:
                self.dropped += 1
                return False
            self._encoded.append((codec, frame))
            self._encoded_bytes = size
            self._changed.notify()
        return True

    async def wait(self) -> None:
        """Wait until all frames have been handed on and none will follow.

        Raises:
            Exception: What ended the decoding, if that was not the media's fault.
        """
        await self._ended.wait()
        if self._failure is not None:
            raise self._failure

    def end(self) -> None:
        """Take no more frames; what waits is still decoded. Idempotent."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._kind == "audio":
            self._ended.set()

    async def close(self) -> None:
        """Drop what waits and wait until the thread has ended. Idempotent."""
        with self._changed:
            self.dropped += len(self._encoded)
            self._encoded.clear()
        self.end()
        if self._thread is not None:
            await self._ended.wait()
            self._thread.join()

    def _run(self) -> None:
        try:
            while (task := self._next()) is not None:
                self._decode(*task)
        except Exception as error:
            self._failure = error
        finally:
            self.end()
            self._loop.call_soon_threadsafe(self._ended.set)

    def _fail(self, error: Exception) -> None:
        self._failure = error
        self.end()

    def _next(self) -> tuple[CodecName, EncodedFrame] | None:
        with self._changed:
            while not self._encoded and not self._closing:
                self._changed.wait()
            if not self._encoded:
                return None
            codec, frame = self._encoded.popleft()
            self._encoded_bytes -= len(frame.data)
            return codec, frame

    def _decode(self, codec: CodecName, frame: EncodedFrame) -> None:
        if self._lost_track and not frame.is_key:
            self.damaged += 1
            return
        packet = av.Packet(frame.data)
        packet.pts, packet.time_base = frame.timestamp, _TIME_BASES[self._kind]
        decoded: Sequence[DecodedFrame] = ()
        intact = not _is_too_large(codec, frame)
        if intact:
            try:
                decoded = self._context(codec, frame).decode(packet)
            except av.FFmpegError:
                intact = False
        if intact and not any(picture.is_corrupt for picture in decoded):
            self._lost_track = False
            self._emit(decoded)
            return
        self.damaged += 1
        if self._kind == "video":
            self._lost_track = True
            self._loop.call_soon_threadsafe(self._on_damage)

    def _emit(self, decoded: Sequence[DecodedFrame]) -> None:
        if self._kind == "audio":
            self._on_frames(decoded)
            return
        with self._changed:
            announced = bool(self._decoded)
            self._decoded.extend(decoded)
            while len(self._decoded) > MAX_DECODED_FRAMES:
                self._decoded.popleft()
                self.dropped += 1
        if decoded and not announced:
            self._loop.call_soon_threadsafe(self._hand_on)

    def _hand_on(self) -> None:
        with self._changed:
            frames = list(self._decoded)
            self._decoded.clear()
        try:
            self._on_frames(frames)
        except Exception as error:
            self._fail(error)

    def _context(self, codec: CodecName, frame: EncodedFrame) -> av.AudioCodecContext | av.VideoCodecContext:
        becomes_stereo = codec == "opus" and not self._stereo and is_stereo(frame.data)
        if self._codec is None or self._codec[0] != codec or becomes_stereo:
            self._stereo = becomes_stereo
            self._codec = codec, open_codec(codec, stereo=becomes_stereo)
        return self._codec[1]


def open_codec(codec: CodecName, *, stereo: bool = False) -> av.AudioCodecContext | av.VideoCodecContext:
    """Return a decoder as a track has it: one thread, and pictures of bounded size.

    Args:
        codec: What it decodes.
        stereo: Whether Opus is decoded into two channels. Of a stream of one both are that one, at up to
            twice the cost.
    """
    if codec == "opus":
        audio = av.AudioCodecContext.create("libopus", "r")
        audio.format, audio.layout, audio.sample_rate = "s16", "stereo" if stereo else "mono", OPUS_RATE_HZ
        return audio
    video = av.VideoCodecContext.create("libvpx" if codec == "vp8" else "h264", "r")
    video.thread_count = 1
    video.options = {"max_pixels": str(MAX_PIXELS)}
    return video


def _is_too_large(codec: CodecName, frame: EncodedFrame) -> bool:
    """Read the size of a VP8 key frame (RFC 6386, section 9.1): libvpx would allocate any size."""
    if codec != "vp8" or not frame.is_key or len(frame.data) < _VP8_HEADER_BYTES:
        return False
    width = int.from_bytes(frame.data[6:8], "little") & _VP8_DIMENSION
    height = int.from_bytes(frame.data[8:10], "little") & _VP8_DIMENSION
    return width * height > MAX_PIXELS
