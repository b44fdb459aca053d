"""Adds the two-sided evidence to scored clips, given scored genuine clips as the reference."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from training.evaluate.clip_statistics import CROSS_STATISTICS, INTRA_STATISTICS
from training.evaluate.clips import ClipScore
from training.evaluate.two_sided import Rule, typicality

#: A clip is compared with genuine clips in the same band of speech windows: fewer than the first number,
#: fewer than the second, or more. One word, sentences and a call do not share a distribution.
WINDOW_BANDS = (4, 40)

TWO_SIDED_CHANNELS = {
    "two_sided_intra": INTRA_STATISTICS,
    "two_sided_cross": CROSS_STATISTICS,
    "two_sided": INTRA_STATISTICS + CROSS_STATISTICS,
}


def with_two_sided(
    scores: Sequence[ClipScore], reference: Iterable[ClipScore], rule: Rule = "sum"
) -> list[ClipScore]:
    """Return the scores with one more evidence column per channel of ``TWO_SIDED_CHANNELS``.

    The reference of a clip are the genuine reference clips in its band of windows, of its condition where the
    reference knows that condition and of all conditions where it does not. The evidence is None without all
    of the channel's statistics or without enough reference.

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
    """The genuine statistics of one channel by band and condition."""

    def __init__(self, genuine: Iterable[ClipScore], names: tuple[str, ...]) -> None:
        self._names = names
        self._rows: dict[tuple[int, str | None], list[tuple[str, tuple[float, ...]]]] = defaultdict(list)
        self._conditions: set[str] = set()
        for score in genuine:
            row = self._row(score)
            if row is None:
                continue
            entry = (str(score.clip.path), row)
            self._conditions.add(score.clip.condition)
            self._rows[_band(score), score.clip.condition].append(entry)
            self._rows[_band(score), None].append(entry)

    def evidence(self, score: ClipScore, rule: Rule) -> float | None:
        row = self._row(score)
        if row is None:
            return None
        condition = score.clip.condition if score.clip.condition in self._conditions else None
        others = [
            values for path, values in self._rows[_band(score), condition] if path != str(score.clip.path)
        ]
        result = typicality(row, np.reshape(np.array(others, np.float64), (-1, len(self._names))), rule)
        return None if result is None else result.evidence

    def _row(self, score: ClipScore) -> tuple[float, ...] | None:
        if any(name not in score.statistics for name in self._names):
            return None
        return tuple(score.statistics[name] for name in self._names)


def _band(score: ClipScore) -> int:
    return sum(score.cross_windows >= edge for edge in WINDOW_BANDS)
