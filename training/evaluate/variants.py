"""Re-encodings of a clip: the paper's HQ and LQ, and without the silence before the first word."""

from __future__ import annotations

import os
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.container import InputContainer, OutputContainer

from realtime.encoders.speech import SpeechDetector
from realtime.errors import MediaError
from realtime.timebase import NS_PER_MS, NS_PER_S, SAMPLE_RATE_HZ, TICK_NS, sample_time_ns

Quality = Literal["as-is", "hq", "lq"]

#: Constant rate factors of the paper's compression study (Sec. 5.2); a clip that is only cut is encoded at a
#: factor that leaves no visible trace.
CRF: dict[Quality, str] = {"as-is": "12", "hq": "23", "lq": "40"}
#: MP4 states exactly how much run-in AAC has; Matroska takes copied audio of any codec.
SUFFIX: dict[Quality, str] = {"as-is": ".mkv", "hq": ".mkv", "lq": ".mp4"}
LQ_AUDIO_RATE_HZ = 16_000
LQ_AUDIO_BIT_RATE = 64_000
SPEECH_THRESHOLD = 0.5
#: Without it x264's macroblock tree depends on the processor and on what memory held before.
REPRODUCIBLE = "cpu-independent=1"
DEFAULT_FRAME_RATE = 25
MILLISECOND = Fraction(1, 1000)
#: Part of the name of every variant; raised when variants come out differently.
VARIANT_VERSION = 1


def speech_onset_ns(path: Path, detector: SpeechDetector) -> int | None:
    """Return when the first word starts, on the 25 fps grid; None where nobody speaks.

    Args:
        path: A media file.
        detector: A fresh speech detector.

    Raises:
        MediaError: The file cannot be read.
    """
    next_sample = 0
    try:
        with av.open(path) as container:
            if not container.streams.audio:
                return None
            resampler = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
            zero_ns = _container_start_ns(container)
            first_ns: int | None = None
            for packet in container.demux(container.streams.audio[0]):
                for frame in _decode(packet):
                    first_ns = _time_ns(frame) - zero_ns if first_ns is None else first_ns
                    for resampled in resampler.resample(frame):
                        samples = resampled.to_ndarray()[0].astype(np.float32)
                        for start, _, probability in detector.push(next_sample, samples):
                            if probability >= SPEECH_THRESHOLD:
                                return max(0, first_ns + sample_time_ns(start)) // TICK_NS * TICK_NS
                        next_sample += len(samples)
    except (av.FFmpegError, OSError) as error:
        raise _unreadable(path) from error
    return None


def make_variant(source: Path, target: Path, quality: Quality, start_ns: int = 0) -> None:
    """Write a variant of a clip; the target appears only once it is complete.

    Video becomes H.264 at the quality's constant rate factor. Audio is copied for "hq" and "as-is"; cut
    without loss (FLAC) where a start is given; and for "lq" AAC at 16 kHz. Both tracks keep their times, so
    that the lag between them stays as it was.

    Args:
        source: The clip.
        target: Where the variant goes, with the suffix of ``SUFFIX``; its folder exists.
        quality: "lq" is CRF 40, "hq" CRF 23, "as-is" visually lossless.
        start_ns: What lies before is cut away, counted from the container's start.

    Raises:
        MediaError: The clip cannot be read or encoded.
    """
    partial = target.with_name(f".{target.stem}.{os.getpid()}{target.suffix}")
    try:
        with av.open(source) as reader, av.open(partial, "w") as writer:
            _transcode(reader, writer, quality, start_ns, _first_picture(source))
        partial.replace(target)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise _unreadable(source) from error
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()


def _transcode(
    reader: InputContainer,
    writer: OutputContainer,
    quality: Quality,
    start_ns: int,
    first: av.VideoFrame | None,
) -> None:
    zero_ns = _container_start_ns(reader)
    sources: list[av.VideoStream | av.AudioStream] = []
    tracks: dict[int, _VideoTrack | _AudioTrack | _CopiedTrack] = {}
    if first is not None:
        video = reader.streams.video[0]
        rate = video.average_rate or video.guessed_rate or Fraction(DEFAULT_FRAME_RATE)
        sources.append(video)
        tracks[video.index] = _VideoTrack(writer, first, rate, CRF[quality], zero_ns + start_ns)
    if reader.streams.audio:
        audio = reader.streams.audio[0]
        sources.append(audio)
        if quality != "lq" and start_ns == 0:
            tracks[audio.index] = _CopiedTrack(writer, audio, zero_ns)
        else:
            tracks[audio.index] = _AudioTrack(writer, audio, quality == "lq", zero_ns + start_ns)
    for packet in reader.demux(sources):
        tracks[packet.stream.index].take(packet)
    for track in tracks.values():
        track.close()


class _VideoTrack:
    """Upright pictures of even size, each at its own time."""

    def __init__(
        self, writer: OutputContainer, first: av.VideoFrame, rate: Fraction, crf: str, start_ns: int
    ) -> None:
        self._writer = writer
        self._start_ns = start_ns
        width, height = _upright(first).width // 2 * 2, _upright(first).height // 2 * 2
        options = {"crf": crf, "x264-params": REPRODUCIBLE}
        self._stream = writer.add_stream("libx264", rate=rate, options=options)
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = "yuv420p"
        self._stream.time_base = self._stream.codec_context.time_base = MILLISECOND
        self._stream.codec_context.thread_count = 1
        self._last_pts = -1

    def take(self, packet: av.Packet[Any]) -> None:
        for frame in _decode(packet):
            if isinstance(frame, av.VideoFrame):
                self._push(frame)

    def close(self) -> None:
        self._writer.mux(self._stream.encode(None))

    def _push(self, frame: av.VideoFrame) -> None:
        pts = round((_time_ns(frame) - self._start_ns) / NS_PER_MS)
        if pts <= self._last_pts:
            return
        planes = _upright(frame).to_ndarray(
            width=self._stream.width, height=self._stream.height, format="yuv420p"
        )
        picture = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        self._last_pts = picture.pts = pts
        picture.time_base = MILLISECOND
        self._writer.mux(self._stream.encode(picture))


class _AudioTrack:
    """Audio from the start on, decoded and encoded anew."""

    def __init__(
        self, writer: OutputContainer, source: av.AudioStream, low_quality: bool, start_ns: int
    ) -> None:
        self._writer = writer
        self._start_ns = start_ns
        layout = source.codec_context.layout.name
        self._rate_hz = LQ_AUDIO_RATE_HZ if low_quality else source.codec_context.sample_rate
        self._stream = writer.add_stream("aac" if low_quality else "flac", rate=self._rate_hz, layout=layout)
        if low_quality:
            self._stream.codec_context.bit_rate = LQ_AUDIO_BIT_RATE
        self._layout = layout
        self._resampler = AudioResampler(format="s16", layout=layout, rate=self._rate_hz)
        self._next_sample: int | None = None

    def take(self, packet: av.Packet[Any]) -> None:
        for frame in _decode(packet):
            if isinstance(frame, av.AudioFrame):
                if self._next_sample is None:
                    self._next_sample = round((_time_ns(frame) - self._start_ns) * self._rate_hz / NS_PER_S)
                self._push(frame)

    def close(self) -> None:
        if self._next_sample is not None:
            self._push(None)
        self._writer.mux(self._stream.encode(None))

    def _push(self, frame: av.AudioFrame | None) -> None:
        for resampled in self._resampler.resample(frame):
            first_sample = self._next_sample or 0
            self._next_sample = first_sample + resampled.samples
            skipped = max(0, -first_sample)
            if skipped >= resampled.samples:
                continue
            channels = resampled.layout.nb_channels
            samples = resampled.to_ndarray()[:, skipped * channels :].astype(np.int16)
            cut = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="s16", layout=self._layout)
            cut.sample_rate = self._rate_hz
            cut.pts = first_sample + skipped
            cut.time_base = Fraction(1, self._rate_hz)
            self._writer.mux(self._stream.encode(cut))


class _CopiedTrack:
    """Audio packets as they are, without a codec's run-in: Matroska would move the pictures for it."""

    def __init__(self, writer: OutputContainer, source: av.AudioStream, zero_ns: int) -> None:
        self._writer = writer
        self._stream = writer.add_stream_from_template(source)
        self._zero_ns = zero_ns

    def take(self, packet: av.Packet[Any]) -> None:
        if packet.dts is None or packet.time_base is None:
            return
        zero = round(Fraction(self._zero_ns, NS_PER_S) / packet.time_base)
        packet.pts = None if packet.pts is None else packet.pts - zero
        packet.dts -= zero
        if packet.pts is not None and packet.pts < 0:
            return
        packet.stream = self._stream
        self._writer.mux(packet)

    def close(self) -> None:
        """Nothing is held back."""


def _first_picture(path: Path) -> av.VideoFrame | None:
    with av.open(path) as container:
        if not container.streams.video:
            return None
        for packet in container.demux(container.streams.video[0]):
            for frame in _decode(packet):
                if isinstance(frame, av.VideoFrame):
                    return frame
    return None


def _decode(packet: av.Packet[Any]) -> list[Any]:
    """Decode a packet; a damaged one gives nothing, as in the live pipeline."""
    try:
        return list(packet.decode())
    except av.error.InvalidDataError:
        return []


def _upright(frame: av.VideoFrame) -> av.VideoFrame:
    quarter_turns = round(frame.rotation / 90) % 4
    if quarter_turns == 0:
        return frame
    turned = np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), quarter_turns), np.uint8)
    return av.VideoFrame.from_ndarray(turned, format="rgb24")


def _time_ns(frame: av.VideoFrame | av.AudioFrame) -> int:
    return int((frame.pts or 0) * (frame.time_base or 0) * NS_PER_S)


def _container_start_ns(container: InputContainer) -> int:
    return (container.start_time or 0) * NS_PER_S // av.time_base


def _unreadable(path: Path) -> MediaError:
    return MediaError(f"{path} cannot be re-encoded.", fix="Check that the file plays elsewhere.")
