"""What the analysis of a file is going to ask for, worked out while it is still busy with what came before.

Each answer is remembered with its question, and given only to the very same question: what was not foreseen,
or was foreseen wrongly, is worked out when it is asked for. So results do not depend on foresight.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from engines.frontend.picture import Picture
from realtime.config import MonitorConfig
from realtime.encoders.base import AudioEncoder
from realtime.encoders.speech import SpeechDetector
from realtime.encoders.suite import EncoderSuite
from realtime.faces.detector import Detection, FaceDetector
from realtime.scoring.gating import is_heard
from realtime.timebase import sample_at, tick_at
from realtime.types import (
    AudioFrame,
    FaceFrame,
    FaceReason,
    Float32,
    LagEmbeddings,
    MediaGap,
    VideoFrame,
    Window,
)
from realtime.windows.cutter import WindowCutter

#: Answers of a kind that wait for their question; while there are as many, nothing more is foreseen.
MAX_WAITING = 16

Run = tuple[int, int, float]
Item = AudioFrame | VideoFrame | MediaGap


class ForeseenFaces:
    """A face detector that may have looked at a picture before it is asked to.

    Args:
        detector: Finds the faces; a function of the picture alone.
    """

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector
        self._found: deque[tuple[Picture, tuple[Detection, ...]]] = deque()

    def look_ahead(self, picture: Picture) -> None:
        """Look at a picture that is going to be asked about after those before it."""
        if len(self._found) < MAX_WAITING:
            self._found.append((picture, self._detector.detect(picture)))

    def detect(self, picture: Picture) -> tuple[Detection, ...]:
        """Find faces; see ``FaceDetector.detect``."""
        if self._found and self._found[0][0] is picture:
            return self._found.popleft()[1]
        return self._detector.detect(picture)


class ForeseenSpeech:
    """Speech activity that has been heard before it is asked for, call by call.

    Args:
        detector: Of one participant; hears everything once, ahead.
    """

    def __init__(self, detector: SpeechDetector) -> None:
        self._detector = detector
        self._heard: deque[tuple[list[Run], int | None]] = deque()
        self.waiting_from: int | None = None

    def hear_ahead(self, media: AudioFrame | MediaGap | None) -> tuple[list[Run], int | None]:
        """Hear the next block or gap of audio, or for None the end of it.

        Returns:
            The runs of speech probability that it completes, and ``SpeechDetector.waiting_from`` after it.
        """
        if media is None:
            runs = self._detector.flush()
        elif isinstance(media, AudioFrame):
            runs = self._detector.push(sample_at(media.start_ns), media.samples)
        else:
            runs = self._detector.push_gap(sample_at(media.span.start_ns), sample_at(media.span.end_ns))
        heard = list(runs), self._detector.waiting_from
        self._heard.append(heard)
        return heard

    def push(self, _start: int, _samples: Float32) -> Iterator[Run]:
        """Return what the next block completed; see ``SpeechDetector.push``."""
        return self._next()

    def push_gap(self, _start: int, _end: int) -> Iterator[Run]:
        """Return what the next gap completed; see ``SpeechDetector.push_gap``."""
        return self._next()

    def flush(self) -> Iterator[Run]:
        """Return what the end completed; see ``SpeechDetector.flush``."""
        return self._next()

    def _next(self) -> Iterator[Run]:
        runs, self.waiting_from = self._heard.popleft()
        return iter(runs)


@dataclass(frozen=True, slots=True)
class _Voice:
    window: Window
    embeddings: LagEmbeddings | None


class ForeseenVoices:
    """A voice encoder that may have encoded a window before it is asked to.

    It cuts windows of its own, of sound alone, and encodes those in which somebody speaks.

    Args:
        encoder: A function of the window's place and sound alone.
        config: Of windows, and when one counts as heard.
    """

    def __init__(self, encoder: AudioEncoder, config: MonitorConfig) -> None:
        self._encoder = encoder
        self._config = config
        self._cutter = WindowCutter(config.windows, 0)
        self._next_tick = 0
        self._voices: deque[_Voice] = deque()
        self.id = encoder.id

    def encode(self, window: Window) -> LagEmbeddings | None:
        """Embed the window's audio; see ``AudioEncoder.encode``."""
        while self._voices and self._voices[0].window.index <= window.index:
            voice = self._voices.popleft()
            if _same_sound(voice.window, window):
                return voice.embeddings
        return self._encoder.encode(window)

    def take_ahead(self, media: AudioFrame | MediaGap, runs: list[Run], waiting_from: int | None) -> None:
        """Take the next block or gap of audio, and what ``ForeseenSpeech`` heard in it."""
        if isinstance(media, AudioFrame):
            self._cutter.push_audio(media)
        for start, end, probability in runs:
            self._cutter.push_speech(start, end, probability)
        if isinstance(media, MediaGap):
            self._cutter.push_audio_gap(media, waiting_from=waiting_from)
        self._encode_ready()

    def pass_ahead(self, end_tick: int) -> None:
        """Take note that the pictures before a tick have been read."""
        for tick in range(self._next_tick, end_tick):
            self._cutter.push_face(FaceFrame(tick=tick, reason=FaceReason.NO_PICTURE))
        self._next_tick = max(self._next_tick, end_tick)
        self._encode_ready()

    def _encode_ready(self) -> None:
        for window in self._cutter.ready():
            heard = is_heard(window, self._config.scoring, self._config.windows)
            if heard and len(self._voices) < MAX_WAITING:
                self._voices.append(_Voice(window, self._encoder.encode(window)))


class Foresight:
    """Looks and listens ahead for one ``ParticipantPipeline``; one thread may look ahead, another ask.

    Args:
        encoders: Shared encoders.
        config: Settings of the pipeline.

    Attributes:
        faces: The pipeline's face detector.
        speech: Its speech activity.
        voices: Its voice encoder.
    """

    def __init__(self, encoders: EncoderSuite, config: MonitorConfig) -> None:
        self._interval_ticks = config.faces.detection_interval_ticks
        self.faces = ForeseenFaces(FaceDetector(encoders.engines.detector))
        self.speech = ForeseenSpeech(encoders.speech_detector())
        self.voices = ForeseenVoices(encoders.audio, config)

    def take(self, item: Item) -> None:
        """Look at, or listen to, the next item; each must later be pushed into the pipeline in this order."""
        if isinstance(item, VideoFrame):
            if item.image is not None and item.tick % self._interval_ticks == 0:
                self.faces.look_ahead(item.image)
            self.voices.pass_ahead(item.tick + 1)
        elif isinstance(item, MediaGap) and item.track == "video":
            self.voices.pass_ahead(tick_at(item.span.end_ns))
        else:
            self.voices.take_ahead(item, *self.speech.hear_ahead(item))

    def end(self) -> None:
        """Listen to the end of the input; ``ParticipantPipeline.flush`` must follow."""
        self.speech.hear_ahead(None)


def _same_sound(foreseen: Window, window: Window) -> bool:
    return (
        foreseen.index == window.index
        and foreseen.span == window.span
        and np.array_equal(foreseen.audio_present, window.audio_present)
        and np.array_equal(foreseen.audio, window.audio)
    )
