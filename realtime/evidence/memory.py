"""What the scores of one participant rest on, for as long as the similarity memory reaches."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from realtime.evidence.decision_run import DecisionRun
from realtime.evidence.media import KeptMedia
from realtime.types import Alert, Embedding, LagEmbeddings, Score, Seam, SimilarityMatrix


@dataclass(frozen=True, slots=True, kw_only=True)
class LipsAndVoice:
    """One window whose lips and voice were compared."""

    lips: Embedding
    voice: LagEmbeddings


@dataclass(frozen=True, slots=True, kw_only=True)
class TracePoint:
    """The state after one window.

    Attributes:
        window_index: The window.
        score: The scores after it.
        face_size_px: Mean of the face box's width and height in the newest picture; 0 without a face.
    """

    window_index: int
    score: Score
    face_size_px: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """How lips and voice were compared.

    Attributes:
        lag_ticks: At this lag, in ticks; positive where the voice comes after the lips.
        from_window: Windows with a lower index did not count for the live value.
    """

    lag_ticks: int
    from_window: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceSnapshot:
    """Everything that one transition rests on. Immutable; shares its arrays with the memory.

    Attributes:
        alert: The transition.
        score: The scores at the transition.
        seams: The window pairs that disagree most, worst first.
        identity: Identity embeddings in memory, oldest first.
        lips_and_voice: Lips and voice in memory, oldest first.
        similarities: Their T x T similarities to each other as they were scored.
        alignment: How lips and voice were compared.
        trace: The newest windows, oldest first.
        media: Pictures and loudness; None unless the operator allows media to be kept.
        test: The sequential test and all that it took; None where none runs.
    """

    alert: Alert
    score: Score
    seams: tuple[Seam, ...]
    identity: tuple[Embedding, ...]
    lips_and_voice: tuple[LipsAndVoice, ...]
    similarities: SimilarityMatrix
    alignment: Alignment
    trace: tuple[TracePoint, ...]
    media: KeptMedia | None = None
    test: DecisionRun | None = None


class EvidenceMemory:
    """Keeps the embeddings that the similarity rings hold, and a trace; memory is fixed.

    The default engines embed the voice of a window at 15 lags in 86 kB, so 256 windows take about 24 MB.

    Args:
        capacity: Windows remembered, as by the similarity rings.
    """

    def __init__(self, capacity: int) -> None:
        self._identity: deque[Embedding] = deque(maxlen=capacity)
        self._lips_and_voice: deque[LipsAndVoice] = deque(maxlen=capacity)
        self._trace: deque[TracePoint] = deque(maxlen=capacity)

    def take(
        self, point: TracePoint, identity: Embedding | None, lips_and_voice: LipsAndVoice | None
    ) -> None:
        """Take the next window.

        Args:
            point: The state after it.
            identity: Its identity; None where it brought none.
            lips_and_voice: Its lips and voice; None where they were not compared.
        """
        self._trace.append(point)
        if identity is not None:
            self._identity.append(identity)
        if lips_and_voice is not None:
            self._lips_and_voice.append(lips_and_voice)

    def snapshot(
        self,
        alert: Alert,
        *,
        seams: tuple[Seam, ...],
        similarities: SimilarityMatrix,
        alignment: Alignment,
    ) -> EvidenceSnapshot:
        """Return what a transition rests on, right after the window that caused it was taken.

        Args:
            alert: The transition.
            seams: The window pairs that disagree most.
            similarities: Of the identities in memory.
            alignment: How lips and voice are compared.
        """
        return EvidenceSnapshot(
            alert=alert,
            score=self._trace[-1].score,
            seams=seams,
            identity=tuple(self._identity),
            lips_and_voice=tuple(self._lips_and_voice),
            similarities=similarities,
            alignment=alignment,
            trace=tuple(self._trace),
        )
