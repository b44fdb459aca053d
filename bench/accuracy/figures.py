"""The scored clips in the common form of results. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from bench.report.figure import Better, Figure
from bench.report.table import Table
from training.evaluate.clips import ClipScore, ClipStatus
from training.evaluate.tables import ALL_FAKES, Row, VerdictRow, channels_of, metric_rows, verdict_rows

SEED = 20261123
RESAMPLES = 1000
MOST_WINDOWS_IN_ALERT_PERCENT = 2.0
FAKE, SUSPICIOUS = "fake", "suspicious"


def accuracy_rows(scores: Sequence[ClipScore]) -> list[Row]:
    """Return the metrics by kind, condition and channel."""
    return metric_rows(scores, seed=SEED, resamples=RESAMPLES, means={}, draws=None)


def accuracy_figures(scores: Sequence[ClipScore], metrics: Sequence[Row]) -> list[Figure]:
    """Return what is worth following from release to release.

    Args:
        scores: The scored clips.
        metrics: Theirs, from ``accuracy_rows``.
    """
    rows = [row for row in metrics if row.kind == ALL_FAKES and not row.generator]
    figures = [
        _figure(f"all fakes, {row.condition}: AUC, {row.channel}", "%", 100 * row.auc, higher=True)
        for row in rows
        if row.auc is not None
    ]
    genuine = [score for score in scores if not score.clip.is_fake and score.verdict]
    fakes = [score for score in scores if score.clip.is_fake and score.verdict]
    if genuine:
        windows = sum(score.windows for score in genuine)
        in_alert = sum(score.alert_windows for score in genuine)
        figures.append(_figure("genuine files called fake", "files", _called(genuine, FAKE), bar=0.0))
        figures.append(
            _figure(
                "genuine windows in alert",
                "%",
                _percent(in_alert, windows),
                bar=MOST_WINDOWS_IN_ALERT_PERCENT,
            )
        )
    if fakes:
        told = _called(fakes, FAKE)
        flagged = told + _called(fakes, SUSPICIOUS)
        figures.append(_figure("fakes called fake", "%", _percent(told, len(fakes)), higher=True))
        figures.append(
            _figure("fakes called fake or suspicious", "%", _percent(flagged, len(fakes)), higher=True)
        )
    unreadable = sum(score.status is ClipStatus.UNREADABLE for score in scores)
    figures.append(_figure("files that could not be read", "files", unreadable, bar=0.0))
    return figures


def accuracy_tables(scores: Sequence[ClipScore], metrics: Sequence[Row]) -> list[Table]:
    """Return AUC and verdicts by kind and condition, and verdicts by speaker.

    Args:
        scores: The scored clips.
        metrics: Theirs, from ``accuracy_rows``.
    """
    return [_auc_table(scores, metrics), _verdict_table(verdict_rows(scores)), _speaker_table(scores)]


def _auc_table(scores: Sequence[ClipScore], metrics: Sequence[Row]) -> Table:
    channels = channels_of(scores)
    by_place: dict[tuple[str, str], dict[str, Row]] = {}
    for row in metrics:
        if not row.generator:
            by_place.setdefault((row.kind, row.condition), {})[row.channel] = row
    return Table(
        title="AUC in %, by kind",
        columns=("kind", "condition", "fakes", "genuine", *channels),
        rows=tuple(
            (*place, first.fakes, first.genuine, *(_auc(rows.get(channel)) for channel in channels))
            for place, rows in by_place.items()
            for first in (next(iter(rows.values())),)
        ),
        note="In brackets the 95 % interval over speakers.",
    )


def _verdict_table(rows: Sequence[VerdictRow]) -> Table:
    verdicts = sorted({verdict for row in rows for verdict in row.verdicts})
    return Table(
        title="Verdicts, files",
        columns=("kind", "condition", "files", *verdicts, "windows in alert, %"),
        rows=tuple(
            (
                row.kind,
                row.condition,
                row.clips,
                *(row.verdicts.get(verdict, 0) for verdict in verdicts),
                round(_percent(row.alert_windows, row.windows), 2),
            )
            for row in rows
        ),
    )


def _speaker_table(scores: Sequence[ClipScore]) -> Table:
    return Table(
        title="Verdicts by speaker, files",
        columns=("speaker", "genuine", "suspicious", "called fake", "fakes", "suspicious", "called fake"),
        rows=tuple(_speaker_rows(scores)),
        note="Speakers are numbered in the order of their names.",
    )


def _speaker_rows(scores: Sequence[ClipScore]) -> Iterator[tuple[int, ...]]:
    speakers = sorted({score.clip.speaker for score in scores})
    for number, speaker in enumerate(speakers, start=1):
        cells: list[int] = [number]
        for is_fake in (False, True):
            members = [
                score for score in scores if score.clip.speaker == speaker and score.clip.is_fake is is_fake
            ]
            counts = Counter(score.verdict for score in members)
            cells += [len(members), counts[SUSPICIOUS], counts[FAKE]]
        yield tuple(cells)


def _figure(name: str, unit: str, value: float, *, higher: bool = False, bar: float | None = None) -> Figure:
    better: Better = "higher" if higher else "lower"
    return Figure(name=name, unit=unit, values=(round(float(value), 3),), better=better, bar=bar)


def _called(scores: Sequence[ClipScore], verdict: str) -> int:
    return sum(score.verdict == verdict for score in scores)


def _percent(part: float, whole: float) -> float:
    return 100 * part / whole if whole else 0.0


def _auc(row: Row | None) -> str:
    if row is None or row.auc is None:
        return "-"
    if row.auc_interval is None:
        return f"{100 * row.auc:.1f}"
    low, high = row.auc_interval
    return f"{100 * row.auc:.1f} [{100 * low:.0f}, {100 * high:.0f}]"
