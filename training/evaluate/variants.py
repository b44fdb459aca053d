"""Re-encodings of a clip: the paper's HQ and LQ, and without the silence before the first word."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.audio.resampler import AudioResampler

from realtime.encoders.speech import SpeechDetector
from realtime.errors import MediaError
from realtime.timebase import NS_PER_S, SAMPLE_RATE_HZ, TICK_NS, sample_time_ns

Quality = Literal["as-is", "hq", "lq"]

#: Constant rate factors of the paper's compression study (Sec. 5.2); a clip that is only cut is encoded at a
#: factor that leaves no visible trace.
CRF: dict[Quality, str] = {"as-is": "12", "hq": "23", "lq": "40"}
LQ_AUDIO_RATE_HZ = 16_000
LQ_AUDIO_BIT_RATE = 64_000
SPEECH_THRESHOLD = 0.5
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
            offset_ns = _offset_ns(container, container.streams.audio[0])
            for frame in (*_decoded(container, "audio"), None):
                for resampled in resampler.resample(frame):
                    samples = resampled.to_ndarray()[0].astype(np.float32)
                    for start, _, probability in detector.push(next_sample, samples):
                        if probability >= SPEECH_THRESHOLD:
                            return (sample_time_ns(start) + offset_ns) // TICK_NS * TICK_NS
                    next_sample += len(samples)
    except (av.FFmpegError, OSError) as error:
        raise _unreadable(path) from error
    return None


def make_variant(source: Path, target: Path, quality: Quality, start_ns: int = 0) -> None:
    """Write a variant of a clip as Matroska; the target appears only once it is complete.

    Video becomes H.264 at the quality's constant rate factor. Audio is copied for "hq" and "as-is"; cut
    without loss (FLAC) where a start is given; and for "lq" AAC at 16 kHz. Both tracks keep their times, so
    that the lag between them stays as it was.

    Args:
        source: The clip.
        target: Where the variant goes; its folder exists.
        quality: "lq" is CRF 40, "hq" CRF 23, "as-is" visually lossless.
        start_ns: What lies before is cut away, counted from the container's start.

    Raises:
        MediaError: The clip cannot be read or encoded.
    """
    partial = target.with_name(f".{target.stem}.{os.getpid()}.mkv")
    try:
        with av.open(source) as reader, av.open(partial, "w", format="matroska") as writer:
            _transcode(reader, writer, quality, start_ns)
        partial.replace(target)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise _unreadable(source) from error
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()


def _transcode(
    reader: av.container.InputContainer,
    writer: av.container.OutputContainer,
    quality: Quality,
    start_ns: int,
) -> None:
    video_in = reader.streams.video[0] if reader.streams.video else None
    audio_in = reader.streams.audio[0] if reader.streams.audio else None
    copied = audio_in is not None and quality != "lq" and start_ns == 0
    video = None if video_in is None else _VideoTrack(reader, writer, video_in, CRF[quality], start_ns)
    copy_to = writer.add_stream_from_template(audio_in) if copied and audio_in is not None else None
    audio = None
    if audio_in is not None and not copied:
        audio = _AudioTrack(reader, writer, audio_in, low_quality=quality == "lq", start_ns=start_ns)
    for packet in reader.demux([stream for stream in (video_in, audio_in) if stream is not None]):
        if packet.stream is audio_in and copy_to is not None:
            if packet.dts is not None:
                offset = round(_container_start_ns(reader) / NS_PER_S / packet.time_base)
                packet.pts = None if packet.pts is None else packet.pts - offset
                packet.dts -= offset
                packet.stream = copy_to
                writer.mux(packet)
            continue
        track = video if packet.stream is video_in else audio
        if track is not None:
            with suppress(av.error.InvalidDataError):
                for frame in packet.decode():
                    track.push(frame)
    for track in (video, audio):
        if track is not None:
            track.close()


class _VideoTrack:
    def __init__(
        self,
        reader: av.container.InputContainer,
        writer: av.container.OutputContainer,
        source: av.VideoStream,
        crf: str,
        start_ns: int,
    ) -> None:
        self._writer = writer
        self._start_ns = start_ns + _container_start_ns(reader)
        self._rate = source.average_rate or source.guessed_rate or Fraction(25)
        self._crf = crf
        self._stream: av.VideoStream | None = None
        self._last_pts = -1

    def push(self, frame: av.VideoFrame) -> None:
        time_ns = _time_ns(frame) - self._start_ns
        if time_ns < 0:
            return
        image = frame.to_ndarray(format="rgb24")
        turned = np.rot90(image, round(frame.rotation / 90) % 4)
        height, width = turned.shape[0] // 2 * 2, turned.shape[1] // 2 * 2
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(turned[:height, :width]), format="rgb24")
        if self._stream is None:
            self._stream = self._writer.add_stream("libx264", rate=self._rate, options={"crf": self._crf})
            self._stream.width, self._stream.height = width, height
            self._stream.pix_fmt = "yuv420p"
            self._stream.time_base = self._stream.codec_context.time_base = Fraction(1, 1000)
            self._stream.codec_context.thread_count = 1
        pts = round(time_ns / 1e6)
        if pts <= self._last_pts:
            return
        self._last_pts = picture.pts = pts
        picture.time_base = Fraction(1, 1000)
        self._writer.mux(self._stream.encode(picture.reformat(format="yuv420p")))

    def close(self) -> None:
        if self._stream is not None:
            self._writer.mux(self._stream.encode(None))
