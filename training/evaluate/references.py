"""Adds the two-sided evidence to scored clips, given scored genuine clips as the reference."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from training.evaluate.clip_statistics import CROSS_STATISTICS, INTRA_STATISTICS
from training.evaluate.clips import ClipScore
from training.evaluate.two_sided import Rule, typicality

Row = tuple[float, ...]

#: Length of a clip that is too short for pieces.
WHOLE = 0

TWO_SIDED_CHANNELS = {
    "two_sided_intra": INTRA_STATISTICS,
    "two_sided_cross": CROSS_STATISTICS,
    "two_sided": INTRA_STATISTICS + CROSS_STATISTICS,
}


def with_two_sided(
    scores: Sequence[ClipScore], reference: Iterable[ClipScore], rule: Rule = "sum"
) -> list[ClipScore]:
    """Return the scores with one more evidence column per channel of ``TWO_SIDED_CHANNELS``.

    A clip is cut into pieces of the longest length of ``PIECE_WINDOWS`` that it holds, each is compared with
    the pieces of that length of the genuine reference clips, and the clip's evidence is the mean of theirs.
    A clip too short for pieces is compared with such clips as a whole. The reference is of the clip's
    condition where it knows that condition and of all conditions where it does not. Pieces of one clip
    depend on each other, so the p-values behind the evidence are conformal only as far as the reference has
    many clips. The evidence is None without all of the channel's statistics or without enough reference.

    Args:
        scores: The clips to judge.
        reference: Scored clips; fakes among them are left out, and for a clip that is itself part of the
            reference so is that clip.
        rule: How the statistics of a channel are combined.
    """
    genuine = [score for score in reference if not score.clip.is_fake]
    tables = {channel: _ReferenceTable(genuine, names) for channel, names in TWO_SIDED_CHANNELS.items()}
    judged: list[ClipScore] = []
    for score in scores:
        columns = {channel: table.evidence(score, rule) for channel, table in tables.items()}
        judged.append(replace(score, evidence={**score.evidence, **columns}))
    return judged


class _ReferenceTable:
    """The genuine statistics of one channel by length and condition."""

    def __init__(self, genuine: Iterable[ClipScore], names: tuple[str, ...]) -> None:
        self._names = names
        self._rows: dict[tuple[int, str | None], list[tuple[str, Row]]] = defaultdict(list)
        self._conditions: set[str] = set()
        for score in genuine:
            lengths = list(score.pieces) or [WHOLE]
            self._conditions.add(score.clip.condition)
            for length in lengths:
                for row in self._rows_of(score, length):
                    entry = (str(score.clip.path), row)
                    self._rows[length, score.clip.condition].append(entry)
                    self._rows[length, None].append(entry)

    def evidence(self, score: ClipScore, rule: Rule) -> float | None:
        length = max(score.pieces, default=WHOLE)
        condition = score.clip.condition if score.clip.condition in self._conditions else None
        others = [row for path, row in self._rows[length, condition] if path != str(score.clip.path)]
        genuine = np.reshape(np.array(others, np.float64), (-1, len(self._names)))
        found = [typicality(row, genuine, rule) for row in self._rows_of(score, length)]
        evidence = [result.evidence for result in found if result is not None]
        return float(np.mean(evidence)) if evidence else None

    def _rows_of(self, score: ClipScore, length: int) -> list[Row]:
        pieces = [score.statistics] if length == WHOLE else score.pieces[length]
        return [
            tuple(piece[name] for name in self._names)
            for piece in pieces
            if all(name in piece for name in self._names)
        ]
