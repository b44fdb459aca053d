"""Pictures and loudness of one participant's newest minutes, where the operator allows media to be kept."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import cv2
import numpy as np

from realtime.timebase import NS_PER_MS, SAMPLES_PER_TICK, sample_at, tick_time_ns
from realtime.types import AudioFrame, Float32, Modality, Seam, TimeSpan, UInt8, read_only
from realtime.windows.rings import TickRing

JPEG_QUALITY = 80
#: A strip of pictures reaches this much beyond its window on both sides: one picture at the usual rate.
STRIP_MARGIN_NS = 600 * NS_PER_MS
#: Faces are looked at for identity this often, so as many pictures as windows reach about this far back.
FACE_INTERVAL_TICKS = 15
#: A tick with less sound than this has no loudness.
MIN_SAMPLES = SAMPLES_PER_TICK * 9 // 10


@dataclass(frozen=True, slots=True, kw_only=True)
class FacePicture:
    """An aligned face, small and JPEG-coded.

    Attributes:
        tick: Index on the 25 fps grid of the participant's own timeline.
        track_id: The face track that it belongs to.
        jpeg: 112 x 112 px.
    """

    tick: int
    track_id: int | None
    jpeg: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Loudness by tick; the sound itself cannot be had back from it.

    Attributes:
        first_tick: Index on the 25 fps grid of the participant's own timeline.
        rms: float32, shape (n,), root mean square of each 40 ms, full scale 1; NaN where sound is missing.
    """

    first_tick: int
    rms: Float32


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptMedia:
    """What is kept of the media behind a transition.

    Attributes:
        faces: The pictures around the windows that disagree, oldest first.
        envelope: The loudness of all that is in memory.
    """

    faces: tuple[FacePicture, ...]
    envelope: Envelope


class MediaMemory:
    """Keeps small faces and the loudness of the newest minutes; memory is fixed.

    A picture takes 3 to 5 kB, so 256 windows take about a megabyte and reach about 150 s back.

    Args:
        windows: Windows remembered by the similarity memory; as many pictures are.
    """

    def __init__(self, windows: int) -> None:
        self._faces: deque[FacePicture] = deque(maxlen=windows)
        self._capacity_ticks = windows * FACE_INTERVAL_TICKS
        self._rms = TickRing(self._capacity_ticks)
        self._newest_tick = -1
        self._squares = 0.0
        self._count = 0

    def take_face(self, tick: int, track_id: int | None, crop: UInt8) -> None:
        """Take the aligned face of one tick, uint8 RGB, shape (112, 112, 3)."""
        options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        done, jpeg = cv2.imencode(".jpg", cv2.cvtColor(crop, cv2.COLOR_RGB2BGR), options)
        if done:
            self._faces.append(FacePicture(tick=tick, track_id=track_id, jpeg=jpeg.tobytes()))

    def take_audio(self, frame: AudioFrame) -> None:
        """Take the next block of sound."""
        start, position = sample_at(frame.start_ns), 0
        while position < len(frame.samples):
            tick, offset = divmod(start + position, SAMPLES_PER_TICK)
            piece = frame.samples[position : position + SAMPLES_PER_TICK - offset]
            if tick != self._newest_tick:
                self._newest_tick, self._squares, self._count = tick, 0.0, 0
            self._squares += float(np.dot(piece, piece))
            self._count += len(piece)
            if self._count >= MIN_SAMPLES:
                self._rms.put(tick, np.sqrt(self._squares / self._count))
            position += len(piece)

    def snapshot(self, seams: Iterable[Seam]) -> KeptMedia:
        """Return the pictures around the moments that disagree, and the loudness.

        Args:
            seams: The pairs of moments; of lips and voice the picture's moment counts.
        """
        spans = [span for seam in seams for span in seen_spans(seam)]
        return KeptMedia(
            faces=tuple(
                face
                for face in self._faces
                if any(is_in_strip(tick_time_ns(face.tick), span) for span in spans)
            ),
            envelope=self._envelope(),
        )

    def _envelope(self) -> Envelope:
        stop = self._newest_tick + 1
        rms, present = self._rms.get(max(0, stop - self._capacity_ticks), stop)
        heard = np.flatnonzero(present)
        first = int(heard[0]) if heard.size else len(rms)
        values = np.where(present, rms, np.nan).astype(np.float32)[first:]
        return Envelope(first_tick=stop - len(values), rms=read_only(values))


def seen_spans(seam: Seam) -> tuple[TimeSpan, ...]:
    """Return the moments of a seam that are pictures: both, or of lips and voice the lips."""
    return (seam.a, seam.b) if seam.kind is Modality.INTRA else (seam.a,)


def is_in_strip(time_ns: int, span: TimeSpan) -> bool:
    """Tell whether a picture of this time belongs to the strip of a window."""
    return span.start_ns - STRIP_MARGIN_NS <= time_ns < span.end_ns + STRIP_MARGIN_NS
