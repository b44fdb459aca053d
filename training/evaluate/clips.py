"""What is evaluated, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

#: Channels of the paper, each a consistency: the lower, the more likely a fake.
PAPER_CHANNELS = ("intra", "cross", "combined")
REAL = "real"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationClip:
    """One clip of a data set.

    Attributes:
        path: The file.
        is_fake: Ground truth.
        kind: What was done to it (the data set's category); ``REAL`` for genuine clips.
        generator: What did it; empty where unknown.
        speaker: Who is seen; clips of one speaker are not independent.
        condition: Fakes are compared with the genuine clips of the same condition, such as "call, lq".
        trained_on_speaker: Whether genuine clips of this speaker were trained on.
    """

    path: Path
    is_fake: bool
    kind: str
    generator: str
    speaker: str
    condition: str = ""
    trained_on_speaker: bool = False


class ClipStatus(StrEnum):
    """Whether a clip has a score."""

    SCORED = "scored"
    INSUFFICIENT = "insufficient"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipScore:
    """A clip with what the pipeline said about it.

    Attributes:
        clip: The clip.
        status: Whether it has a score.
        reasons: The verdict's reasons; for an unreadable clip the error.
        verdict: The shipped verdict; empty for an unreadable clip.
        duration_s: Length of the media.
        intra: The paper's intra-modal score.
        cross: The paper's cross-modal score.
        score: The paper's Score (Eq. 4).
        windows: Windows scored.
        alert_windows: Windows that ended in the state "alert".
        cross_windows: Windows with lips and speech.
        statistics: Statistics of the clip by name, for the typicality; empty where it has none.
        pieces: Likewise of its pieces, by their length in speech windows.
        evidence: Further columns by name: the higher, the more likely a fake; None where it cannot tell.
        engines: Engine id by role.
    """

    clip: EvaluationClip
    status: ClipStatus
    reasons: tuple[str, ...] = ()
    verdict: str = ""
    duration_s: float = 0.0
    intra: float | None = None
    cross: float | None = None
    score: float | None = None
    windows: int = 0
    alert_windows: int = 0
    cross_windows: int = 0
    statistics: Mapping[str, float] = field(default_factory=dict)
    pieces: Mapping[int, tuple[Mapping[str, float], ...]] = field(default_factory=dict)
    evidence: Mapping[str, float | None] = field(default_factory=dict)
    engines: Mapping[str, str] = field(default_factory=dict)

    def evidence_of(self, channel: str) -> float | None:
        """Return how much a channel speaks for a fake; None where it cannot tell."""
        if channel in PAPER_CHANNELS:
            value = {"intra": self.intra, "cross": self.cross, "combined": self.score}[channel]
            return None if value is None else -value
        return self.evidence.get(channel)
