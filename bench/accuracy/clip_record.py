"""What is kept of every clip, under a name that says nothing about it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePath
from typing import Any

from bench.report.result import BenchResult, BenchResultError
from training.evaluate.clips import ClipScore

CLIPS = "clips"
_KEY_DIGITS = 16
_DIGITS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRecord:
    """What the pipeline said about one clip.

    Attributes:
        kind: What was done to it.
        condition: Length and encoding.
        verdict: The shipped verdict; empty for a clip that could not be read.
        intra: The paper's intra-modal score; None when insufficient.
        cross: The paper's cross-modal score; None when insufficient.
        lowest_margin: Lowest value of the live decision; None without one.
    """

    kind: str
    condition: str
    verdict: str
    intra: float | None
    cross: float | None
    lowest_margin: float | None

    @property
    def values(self) -> dict[str, float | None]:
        """The numbers by name."""
        return {"intra": self.intra, "cross": self.cross, "lowest_margin": self.lowest_margin}


def clip_key(folder: str, place: PurePath) -> str:
    """Return a clip's key.

    Args:
        folder: Name of its data set's folder, without the way there.
        place: Its place in that folder.
    """
    return hashlib.sha256(f"{folder}/{place.as_posix()}".encode()).hexdigest()[:_KEY_DIGITS]


def record_of(score: ClipScore) -> ClipRecord:
    """Return what is kept of a clip."""
    live = score.evidence.get("live")
    return ClipRecord(
        kind=score.clip.kind,
        condition=score.clip.condition,
        verdict=score.verdict,
        intra=_rounded(score.intra),
        cross=_rounded(score.cross),
        lowest_margin=None if live is None else _rounded(-live),
    )


def records_json(records: Mapping[str, ClipRecord]) -> dict[str, Any]:
    """Return the records as a result's details hold them."""
    return {CLIPS: {key: asdict(record) for key, record in sorted(records.items())}}


def records_from(result: BenchResult) -> dict[str, ClipRecord]:
    """Read the records of a result.

    Raises:
        BenchResultError: If the result has none.
    """
    try:
        return {key: ClipRecord(**entry) for key, entry in result.details[CLIPS].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise BenchResultError(
            f"this result of bench {result.bench} holds no verdicts of clips",
            fix="name a JSON file that seamwatch bench accuracy wrote",
        ) from error


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)


def scores_in_order(scores: Mapping[str, ClipScore]) -> Sequence[ClipScore]:
    """Return the scores in the order of their keys, which does not depend on which finished first."""
    return [scores[key] for key in sorted(scores)]
