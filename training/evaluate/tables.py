"""Sums scored clips up: metrics by kind, condition and channel, and verdicts at the shipped thresholds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.evaluate.clips import PAPER_CHANNELS, ClipScore
from training.evaluate.metrics import Float64, auc, average_precision, equal_error_rate
from training.evaluate.resampling import DrawnAuc, Interval, auc_over_draws, bootstrap_by_speaker

ALL_FAKES = "all fakes"
UNSEEN_FAKES = "all fakes of unseen people"
DRAWS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How well one channel tells the fakes of one kind from the genuine clips of the same condition.

    Metrics are fractions, None where a class has no scored clip; fakes are the positives.

    Attributes:
        kind: The kind of fake, ``ALL_FAKES``, ``UNSEEN_FAKES`` or the name of a mean over kinds.
        generator: The generator where the row is about one, else empty.
        condition: The condition.
        channel: The channel.
        fakes: Fakes, scored or not.
        genuine: Genuine clips, scored or not.
        fake_speakers: Speakers of the fakes.
        genuine_speakers: Speakers of the genuine clips.
        coverage: Fraction of all these clips for which the channel has a value.
        fake_coverage: The same among the fakes.
        auc: Over the clips with a value.
        auc_interval: 95 % interval from resampling speakers.
        average_precision: Over the clips with a value.
        average_precision_interval: 95 % interval from resampling speakers.
        equal_error_rate: Over the clips with a value.
        auc_missing_at_median: AUC over all clips, those without a value taken at the median value.
        auc_missing_at_worst: AUC over all clips, those without a value taken at the wrong end.
        drawn: AUC over random draws, where the data set's protocol asks for them.
    """

    kind: str
    generator: str = ""
    condition: str
    channel: str
    fakes: int
    genuine: int
    fake_speakers: int
    genuine_speakers: int
    coverage: float
    fake_coverage: float
    auc: float | None
    auc_interval: Interval | None = None
    average_precision: float | None
    average_precision_interval: Interval | None = None
    equal_error_rate: float | None = None
    auc_missing_at_median: float | None = None
    auc_missing_at_worst: float | None = None
    drawn: DrawnAuc | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRow:
    """What the shipped thresholds say about the clips of one kind.

    Attributes:
        kind: The kind; ``REAL`` for genuine clips.
        condition: The condition.
        clips: Clips that could be read.
        verdicts: Number of clips by verdict.
        windows: Windows of these clips.
        alert_windows: Windows that ended in the state "alert".
    """

    kind: str
    condition: str
    clips: int
    verdicts: Mapping[str, int]
    windows: int
    alert_windows: int


def channels_of(scores: Sequence[ClipScore]) -> tuple[str, ...]:
    """Return the paper's channels, then the further evidence columns in order of appearance."""
    further = dict.fromkeys(name for score in scores for name in score.evidence)
    return (*PAPER_CHANNELS, *further)


def metric_rows(
    scores: Sequence[ClipScore],
    *,
    seed: int,
    resamples: int,
    means: Mapping[str, tuple[str, ...]],
    draws: tuple[int, int] | None,
) -> list[Row]:
    """Return all rows: kinds by condition, then generators, all fakes, and means over kinds.

    Args:
        scores: The scored clips.
        seed: Seed of the bootstrap and of the draws; the same for every row.
        resamples: Bootstrap resamples.
        means: Rows that average other kinds, by name; left out where a kind is missing.
        draws: Genuine clips and fakes of a random draw, for the rows of all fakes.
    """
    rows: list[Row] = []
    resampling = _Resampling(seed=seed, resamples=resamples)
    channels = channels_of(scores)
    for condition in dict.fromkeys(score.clip.condition for score in scores):
        members = [score for score in scores if score.clip.condition == condition]
        genuine = [score for score in members if not score.clip.is_fake]
        for group in _fake_groups(members):
            asked = draws if group.kind == ALL_FAKES else None
            rows.extend(
                _row(group, condition, channel, genuine, resampling=resampling, draws=asked)
                for channel in channels
            )
        rows.extend(_mean_rows(rows, condition, channels, means))
    return rows


def verdict_rows(scores: Sequence[ClipScore]) -> list[VerdictRow]:
    """Return one row a kind and condition, in order of appearance; unreadable clips are left out."""
    groups: dict[tuple[str, str], list[ClipScore]] = {}
    for score in scores:
        if score.verdict:
            groups.setdefault((score.clip.condition, score.clip.kind), []).append(score)
    return [
        VerdictRow(
            kind=kind,
            condition=condition,
            clips=len(members),
            verdicts=dict(sorted(Counter(score.verdict for score in members).items())),
            windows=sum(score.windows for score in members),
            alert_windows=sum(score.alert_windows for score in members),
        )
        for (condition, kind), members in groups.items()
    ]


def scored_arrays(
    scores: Sequence[ClipScore], channel: str
) -> tuple[npt.NDArray[np.bool_], Float64, list[str]]:
    """Return label, evidence and speaker of the clips for which the channel has a value."""
    valued = [(score, score.evidence_of(channel)) for score in scores]
    kept = [(score, value) for score, value in valued if value is not None]
    return (
        np.array([score.clip.is_fake for score, _ in kept], np.bool_),
        np.array([value for _, value in kept], np.float64),
        [score.clip.speaker for score, _ in kept],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _FakeGroup:
    kind: str
    generator: str = ""
    fakes: list[ClipScore]


def _fake_groups(members: Sequence[ClipScore]) -> Iterator[_FakeGroup]:
    fakes = [score for score in members if score.clip.is_fake]
    kinds = list(dict.fromkeys(score.clip.kind for score in fakes))
    for kind in kinds:
        yield _FakeGroup(kind=kind, fakes=[score for score in fakes if score.clip.kind == kind])
    for kind in kinds:
        of_kind = [score for score in fakes if score.clip.kind == kind]
        generators = sorted({score.clip.generator for score in of_kind if score.clip.generator})
        if len(generators) > 1:
            for generator in generators:
                of_generator = [score for score in of_kind if score.clip.generator == generator]
                yield _FakeGroup(kind=kind, generator=generator, fakes=of_generator)
    if fakes:
        yield _FakeGroup(kind=ALL_FAKES, fakes=fakes)
    unseen = [score for score in fakes if not score.clip.trained_on_speaker]
    if unseen and len(unseen) < len(fakes):
        yield _FakeGroup(kind=UNSEEN_FAKES, fakes=unseen)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Resampling:
    seed: int
    resamples: int


def _row(
    group: _FakeGroup,
    condition: str,
    channel: str,
    genuine: list[ClipScore],
    *,
    resampling: _Resampling,
    draws: tuple[int, int] | None,
) -> Row:
    fakes = group.fakes
    clips = [*genuine, *fakes]
    is_fake, evidence, speakers = scored_arrays(clips, channel)
    intervals = bootstrap_by_speaker(
        is_fake, evidence, speakers, resamples=resampling.resamples, seed=resampling.seed
    )
    at_median, at_worst = _auc_with_missing(clips, channel)
    return Row(
        kind=group.kind,
        generator=group.generator,
        condition=condition,
        channel=channel,
        fakes=len(fakes),
        genuine=len(genuine),
        fake_speakers=len({score.clip.speaker for score in fakes}),
        genuine_speakers=len({score.clip.speaker for score in genuine}),
        coverage=len(evidence) / len(clips),
        fake_coverage=int(is_fake.sum()) / len(fakes),
        auc=auc(is_fake, evidence),
        auc_interval=intervals.auc,
        average_precision=average_precision(is_fake, evidence) if not is_fake.all() else None,
        average_precision_interval=intervals.average_precision,
        equal_error_rate=equal_error_rate(is_fake, evidence),
        auc_missing_at_median=at_median,
        auc_missing_at_worst=at_worst,
        drawn=None
        if draws is None
        else auc_over_draws(
            is_fake, evidence, genuine=draws[0], fakes=draws[1], draws=DRAWS, seed=resampling.seed
        ),
    )


def _auc_with_missing(clips: Sequence[ClipScore], channel: str) -> tuple[float | None, float | None]:
    """Return the AUC over all clips, with values put in for the missing ones: median, and worst."""
    values = [score.evidence_of(channel) for score in clips]
    known = [value for value in values if value is not None]
    if not known:
        return None, None
    is_fake = [score.clip.is_fake for score in clips]
    middle, low, high = float(np.median(known)), min(known) - 1.0, max(known) + 1.0
    at_median = [middle if value is None else value for value in values]
    at_worst = [
        (low if fake else high) if value is None else value
        for value, fake in zip(values, is_fake, strict=True)
    ]
    return auc(is_fake, at_median), auc(is_fake, at_worst)


def _mean_rows(
    rows: Sequence[Row], condition: str, channels: Sequence[str], means: Mapping[str, tuple[str, ...]]
) -> list[Row]:
    made: list[Row] = []
    for name, kinds in means.items():
        for channel in channels:
            parts = [
                row
                for row in rows
                if row.condition == condition
                and row.channel == channel
                and row.kind in kinds
                and not row.generator
            ]
            if len(parts) != len(kinds):
                continue
            made.append(
                Row(
                    kind=name,
                    condition=condition,
                    channel=channel,
                    fakes=sum(row.fakes for row in parts),
                    genuine=parts[0].genuine,
                    fake_speakers=max(row.fake_speakers for row in parts),
                    genuine_speakers=parts[0].genuine_speakers,
                    coverage=_mean([row.coverage for row in parts]) or 0.0,
                    fake_coverage=_mean([row.fake_coverage for row in parts]) or 0.0,
                    auc=_mean([row.auc for row in parts]),
                    average_precision=_mean([row.average_precision for row in parts]),
                    equal_error_rate=_mean([row.equal_error_rate for row in parts]),
                    auc_missing_at_median=_mean([row.auc_missing_at_median for row in parts]),
                    auc_missing_at_worst=_mean([row.auc_missing_at_worst for row in parts]),
                )
            )
    return made


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None
