"""Whether two measurements of the same clips agree. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.accuracy.clip_record import ClipRecord
from bench.report.table import Table

DEFAULT_TOLERANCE = 0.02
"""Difference of a clip's score, from -1 to 1, up to which it counts as the same."""

_MOST_ROWS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipChange:
    """A clip of which two measurements say different things.

    Attributes:
        key: The clip.
        before: What the first one said.
        after: What the second one said.
        largest: Name of the score that differs most, with the difference; None where all are equal.
    """

    key: str
    before: ClipRecord
    after: ClipRecord
    largest: tuple[str, float] | None

    @property
    def verdict_changed(self) -> bool:
        """Whether the verdict is another."""
        return self.before.verdict != self.after.verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How two measurements agree.

    Attributes:
        compared: Clips that both measured.
        beyond: Clips with another verdict, with a score that differs by more than the tolerance, or with a
            score that only one of them has.
        missing: Clips that only the first one measured.
        new: Clips that only the second one measured.
        largest_difference: Of a score, over all compared clips.
    """

    compared: int
    beyond: tuple[ClipChange, ...]
    missing: int
    new: int
    largest_difference: float

    @property
    def holds(self) -> bool:
        """Whether clips were compared, and all of them agree."""
        return self.compared > 0 and not self.beyond


def parity_of(
    before: Mapping[str, ClipRecord], after: Mapping[str, ClipRecord], tolerance: float = DEFAULT_TOLERANCE
) -> Parity:
    """Compare two measurements clip by clip.

    Args:
        before: The first one, by clip.
        after: The second one, by clip.
        tolerance: Difference of a score up to which it counts as the same.
    """
    changes = [_change(key, before[key], after[key]) for key in sorted(before.keys() & after.keys())]
    differences = [change.largest[1] for change in changes if change.largest is not None]
    return Parity(
        compared=len(changes),
        beyond=tuple(
            change
            for change in changes
            if change.verdict_changed or (change.largest is not None and change.largest[1] > tolerance)
        ),
        missing=len(before.keys() - after.keys()),
        new=len(after.keys() - before.keys()),
        largest_difference=max(differences, default=0.0),
    )


def parity_table(parity: Parity, tolerance: float) -> Table:
    """Return the clips that do not agree, the first of them."""
    rows = []
    for change in parity.beyond[:_MOST_ROWS]:
        name, difference = change.largest or ("", 0.0)
        verdicts = change.before.verdict or "unreadable", change.after.verdict or "unreadable"
        rows.append(
            (change.key, change.after.kind, change.after.condition, *verdicts, name, _told(difference))
        )
    return Table(
        title=f"Clips that differ: {len(parity.beyond)} of {parity.compared}",
        columns=("clip", "kind", "condition", "verdict before", "verdict now", "largest change in", "by"),
        rows=tuple(rows),
        note=f"Differing: another verdict, a score that moved by more than {tolerance:g}, or one that only "
        f"one of both has. Largest difference of a score: {_told(parity.largest_difference)}. Only measured "
        f"before: {parity.missing}, only now: {parity.new}.",
    )


def _change(key: str, before: ClipRecord, after: ClipRecord) -> ClipChange:
    differences = {name: _difference(value, after.values[name]) for name, value in before.values.items()}
    name = max(differences, key=lambda one: differences[one])
    largest = (name, differences[name]) if differences[name] else None
    return ClipChange(key=key, before=before, after=after, largest=largest)


def _difference(before: float | None, after: float | None) -> float:
    if before is None or after is None:
        return 0.0 if before is after else float("inf")
    return abs(after - before)


def _told(difference: float) -> str:
    return "missing in one" if difference == float("inf") else f"{difference:.4g}"
