"""The values that travel between the stages. Immutable; arrays are read-only; times are call time in ns."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from engines.frontend.picture import Picture
from engines.frontend.region import Region

Float32 = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]
Bool = npt.NDArray[np.bool_]

TrackKind = Literal["audio", "video"]


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a view of the array that refuses writes."""
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class TimeSpan:
    """A half-open span ``[start_ns, end_ns)`` of call time."""

    start_ns: int
    end_ns: int

    def __post_init__(self) -> None:
        if self.end_ns < self.start_ns:
            raise ValueError(f"span ends before it starts: {self.start_ns} > {self.end_ns}")

    @property
    def duration_ns(self) -> int:
        """Length of the span."""
        return self.end_ns - self.start_ns

    @property
    def seconds(self) -> tuple[float, float]:
        """Start and end in seconds, rounded to the millisecond."""
        return round(self.start_ns / 1e9, 3), round(self.end_ns / 1e9, 3)


class GapReason(enum.StrEnum):
    """Why a span of media is missing."""

    LOSS = "loss"
    MUTED = "muted"
    DROPPED = "dropped"
    ENDED = "ended"
    NO_TRACK = "no_track"


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaGap:
    """A span in which a track carried no usable media."""

    track: TrackKind
    span: TimeSpan
    reason: GapReason


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFrame:
    """A block of mono PCM at ``realtime.timebase.SAMPLE_RATE_HZ``.

    Attributes:
        start_ns: Call time of the first sample.
        samples: float32, shape (n,), range [-1, 1], read-only.
        arrival_ns: Monotonic time at which the block reached the process; None for files.
    """

    start_ns: int
    samples: Float32
    arrival_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFrame:
    """One picture on the call's 25 fps grid.

    Attributes:
        tick: Index on the grid; call time is ``tick * realtime.timebase.TICK_NS``.
        image: The picture, upright (rotation applied); None where the grid has none for this tick.
        gap: Why there is no picture; None where there is one.
        arrival_ns: Monotonic time at which the picture reached the process; None for files.
    """

    tick: int
    image: Picture | None
    gap: GapReason | None = None
    arrival_ns: int | None = None


class FaceReason(enum.StrEnum):
    """Why a tick carries no usable face."""

    NO_PICTURE = "no_picture"
    NO_FACE = "no_face"
    TOO_SMALL = "face_too_small"
    TURNED_AWAY = "face_turned_away"
    BLURRED = "face_blurred"
    LANDMARKS_UNSURE = "landmarks_unsure"
    FROZEN = "frozen"
    OVERLOAD = "overload"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceFrame:
    """What one tick says about the followed face.

    Attributes:
        tick: Index on the 25 fps grid.
        reason: None where the lips are usable, else why they are not.
        track_id: Identity of the face track; it changes at a cut, or when another face takes over. None
            without a face.
        lips: float32, shape (40, 2): outer then inner lip contour, eye-corner normalised
            (``engines.frontend.lips``); None where ``reason`` is set, and where nobody has looked yet.
        region: Where to look for the lips; None where that has been done, or where they lie between those of
            other ticks.
        mouth: uint8 grey, shape (64, 64), as from ``engines.frontend.mouth``; None where ``reason`` is set,
            where the lips are interpolated, or unless ``FaceConfig.mouth_crops`` asks for it.
        identity_crop: uint8 RGB, shape (112, 112, 3), aligned to the five-point template; only on ticks on
            which the detector ran and the face is good enough for identity, and once for a picture that
            stands still.
        face_size_px: Mean of the face box's width and height in the source picture; 0 without a face.
        sharpness: Variance of the Laplacian of the aligned grey face at the newest detection; 0 without one.
        other_faces: Faces beside the followed one, at least half its size, at the newest detection.
        box: Face box as (x, y, width, height) in fractions of the picture; None without a face.
        arrival_ns: Carried over from the picture.
    """

    tick: int
    reason: FaceReason | None
    track_id: int | None = None
    lips: Float32 | None = None
    region: Region | None = None
    mouth: UInt8 | None = None
    identity_crop: UInt8 | None = None
    face_size_px: float = 0.0
    sharpness: float = 0.0
    other_faces: int = 0
    box: tuple[float, float, float, float] | None = None
    arrival_ns: int | None = None

    @property
    def awaits_lips(self) -> bool:
        """Whether the face is usable as far as anybody has looked, which is not yet at the lips."""
        return self.reason is None and self.lips is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Encoder input: one window of video and the audio around it.

    The video covers ``span`` (F ticks). The audio covers ``span`` widened by the lag band (B ticks) on both
    sides, so that an encoder can embed it at every lag in the band.

    Attributes:
        index: Counts hops from call time zero; gaps in the media leave the counting alone.
        span: Call time of the video part.
        lips: float32, shape (F, 40, 2); rows without a usable face are zero and masked.
        lips_present: bool, shape (F,). Where nobody speaks nobody looks for the lips: a usable face counts as
            lips then, and its row is zero all the same.
        identity_embeddings: float32, shape (k, D_mu), unit-norm rows, one per identity crop in the span.
        track_ids: Face tracks seen in the span, in order of appearance.
        face_px: Median face size over the ticks with a followed face; None without one.
        sharpness: Median of the face's sharpness over the same ticks; None without one.
        other_faces: Most faces seen beside the followed one, at least half its size.
        audio: float32, shape ((F + 2 B) * samples per tick,); missing samples are zero and masked.
        audio_present: bool, shape (F + 2 B,), per tick.
        speech: float32, shape (F + 2 B,), probability of speech per tick, 0 where audio is missing.
        mouth: uint8 grey, shape (F, 64, 64) (``engines.frontend.mouth``); ticks without one are zero and
            masked by ``mouth_present``. None unless the configuration asks for mouth pictures.
        mouth_present: bool, shape (F,); None together with ``mouth``.
        reasons: Why parts of the window are missing, most frequent first.
        arrival_ns: Monotonic arrival of the newest media in the window; None for files.
    """

    index: int
    span: TimeSpan
    lips: Float32
    lips_present: Bool
    identity_embeddings: Float32
    track_ids: tuple[int, ...]
    audio: Float32
    audio_present: Bool
    speech: Float32
    mouth: UInt8 | None = None
    mouth_present: Bool | None = None
    face_px: float | None = None
    sharpness: float | None = None
    other_faces: int = 0
    reasons: tuple[str, ...] = ()
    arrival_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """A unit-norm feature vector of one window.

    Attributes:
        window_index: The window it belongs to.
        span: Call time of the media it was made from.
        vector: float32, shape (D,), unit norm, read-only.
        engine_id: Identity of the engine that made it.
    """

    window_index: int
    span: TimeSpan
    vector: Float32
    engine_id: str


class Modality(enum.StrEnum):
    """Which of the paper's two comparisons a value belongs to."""

    INTRA = "intra"
    CROSS = "cross"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seam:
    """A pair of windows that disagree: the evidence.

    For ``INTRA`` the two spans are two moments of the face; for ``CROSS`` span ``a`` is the video and ``b``
    the audio it was compared with (at the tracked lag).
    """

    kind: Modality
    a: TimeSpan
    b: TimeSpan
    value: float


class ScoreStatus(enum.StrEnum):
    """Whether a score may be relied upon."""

    OK = "ok"
    WARMING_UP = "warming_up"
    INSUFFICIENT = "insufficient"
    DEGRADED = "degraded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Running scores of one participant after one window.

    ``intra``, ``cross`` and ``score`` are the paper's (Sec. 4, Eq. 4) over the windows in memory, None where
    the status does not allow one. The ``recent_*`` values drive the live decision.

    Attributes:
        time_ns: End of the newest window.
        status: Whether the values may be relied upon; never OK without evidence.
        reasons: Why the status is not OK, as stable identifiers.
        intra: n-th percentile of the T x T identity self-similarity, in [-1, 1].
        cross: Mean of the main diagonal of the T x T lips-voice similarity, in [-1, 1].
        score: ``intra + cross``; None unless both exist.
        recent_intra: Similarity of the newest identity embedding to the participant's own past.
        recent_cross: Mean similarity of lips and voice at the tracked lag over the newest speech windows.
        lag_ms: Tracked lag; positive where the voice comes after the lips. None until it is known.
        reference: Similarity of the newest window to a given reference, in [-1, 1]; None without a reference
            or without a face.
        margin: Live decision value: 0 at the alert threshold, 1 for typical genuine media; None without one.
            A reference has no part in it.
        intra_windows: Number of windows T behind ``intra``.
        cross_windows: Number of windows T behind ``cross``.
        face_coverage: Fraction of recent ticks with a usable face.
        speech_coverage: Fraction of recent ticks with speech.
    """

    time_ns: int
    status: ScoreStatus
    reasons: tuple[str, ...] = ()
    intra: float | None = None
    cross: float | None = None
    score: float | None = None
    recent_intra: float | None = None
    recent_cross: float | None = None
    reference: float | None = None
    lag_ms: float | None = None
    margin: float | None = None
    intra_windows: int = 0
    cross_windows: int = 0
    face_coverage: float = 0.0
    speech_coverage: float = 0.0


class Verdict(enum.StrEnum):
    """What Seamwatch says about a participant or a file."""

    GENUINE = "genuine"
    SUSPICIOUS = "suspicious"
    FAKE = "fake"
    INSUFFICIENT = "insufficient"


class AlertState(enum.StrEnum):
    """State of a participant's alert state machine."""

    CLEAR = "clear"
    SUSPICIOUS = "suspicious"
    ALERT = "alert"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A transition of the alert state machine, with its evidence.

    Attributes:
        time_ns: Call time of the transition.
        previous: State before.
        state: State after.
        margin: Decision value at the transition; None when evidence ran out.
        reasons: Channels that caused it ("identity_changed", "lips_do_not_fit_voice", "not_the_reference") or
            why it was lifted.
        seams: The window pairs that disagree most, worst first.
        values: The scores at the transition, by name.
    """

    time_ns: int
    previous: AlertState
    state: AlertState
    margin: float | None
    reasons: tuple[str, ...]
    seams: tuple[Seam, ...] = ()
    values: dict[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LagEmbeddings:
    """The voice of one window, embedded once for every lag of the band.

    Attributes:
        window_index: The window it belongs to.
        span: Call time of the audio at lag zero (the window's span).
        vectors: float32, shape (L, D) with L = 2 B + 1; row l is the audio of ``span`` moved by ``l - B``
            ticks, unit norm; rows that are not valid are zero. Read-only.
        valid: bool, shape (L,); False where that audio is missing.
        engine_id: Identity of the engine that made it.
    """

    window_index: int
    span: TimeSpan
    vectors: Float32
    valid: Bool
    engine_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarityMatrix:
    """A snapshot of a similarity matrix with its time axis.

    Attributes:
        values: float32, shape (T, T), in [-1, 1], NaN for a cell without a value. Rows and columns run from
            the oldest window to the newest.
        spans: The T windows.
        worst: [row, column] of the pair that disagrees most, None while the matrix is empty.
    """

    values: Float32
    spans: tuple[TimeSpan, ...]
    worst: tuple[int, int] | None
