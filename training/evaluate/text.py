"""An evaluation for people: Markdown in a file, a table in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from training.evaluate.report import Evaluation
from training.evaluate.resampling import Interval
from training.evaluate.tables import Row, VerdictRow

VERDICTS = ("fake", "suspicious", "genuine", "insufficient")

_HOW_TO_READ = """\
AUC, AP (average precision, fakes positive) and EER (equal error rate) in %, over the clips for which the
channel has a value; in brackets the 95 % interval from resampling speakers with all of their clips.
"Coverage" is the share of clips with a value. The last two columns count all clips: those without a value at
the median of the others, and at the wrong end (a fake as most genuine, a genuine clip as most fake).
`intra`, `cross` and `combined` are the paper's scores, `live` the lowest live decision value, `two_sided`
how untypical of genuine reference clips the clip is in either direction (sum of -log p over its
statistics)."""


def markdown(evaluation: Evaluation) -> str:
    """Return the report as Markdown."""
    facts = evaluation.facts
    rows = _by_row_name(evaluation.rows)
    channels = list(dict.fromkeys(row.channel for row in evaluation.rows))
    parts = [
        "# Evaluation",
        _pipe_table(
            ("", ""),
            [
                ("command", f"`{facts.command}`"),
                ("machine", facts.machine),
                ("versions", ", ".join(f"{name} {version}" for name, version in facts.versions.items())),
                ("engines", ", ".join(f"{role}: {name}" for role, name in evaluation.engines.items())),
                *((name, str(value)) for name, value in evaluation.settings.items()),
            ],
        ),
        *(["\n".join(f"- {note}" for note in evaluation.notes)] if evaluation.notes else []),
        "## AUC by kind and channel",
        _pipe_table(
            ("kind", "condition", "fakes", "genuine", *channels),
            [
                (*name, str(first.fakes), str(first.genuine), *(_auc_cell(row) for row in by_channel))
                for name, first, by_channel in _pivot(rows, channels)
            ],
        ),
        "## All metrics",
        _HOW_TO_READ,
        _pipe_table(
            (
                "kind",
                "condition",
                "channel",
                "AUC",
                "AP",
                "EER",
                "fakes (speakers)",
                "genuine (speakers)",
                "coverage",
                "fakes covered",
                "AUC, missing at median",
                "AUC, missing at worst",
            ),
            [_full_cells(row) for row in evaluation.rows],
        ),
        *_draw_lines(evaluation.rows),
        "## Verdicts at the shipped thresholds",
        _pipe_table(
            ("kind", "condition", "clips", *(f"{verdict} %" for verdict in VERDICTS), "windows in alert %"),
            [_verdict_cells(row) for row in evaluation.verdicts],
        ),
    ]
    if evaluation.unreadable:
        parts += ["## Clips that could not be read"]
        parts.append(
            "\n".join(f"- `{score.clip.path}`: {'; '.join(score.reasons)}" for score in evaluation.unreadable)
        )
    return "\n\n".join(parts) + "\n"


def terminal_view(evaluation: Evaluation) -> RenderableType:
    """Return the AUC by kind and channel, without intervals, and the verdicts, as tables."""
    channels = list(dict.fromkeys(row.channel for row in evaluation.rows))
    areas = Table("Kind", "Condition", "Fakes", "Genuine", *channels, title="AUC %", box=None)
    kinds = [row for row in evaluation.rows if not row.generator]
    for name, first, by_channel in _pivot(_by_row_name(kinds), channels):
        areas_of_row = (_percent(None if row is None else row.auc) for row in by_channel)
        cells = (*name, str(first.fakes), str(first.genuine), *areas_of_row)
        areas.add_row(*(Text(cell) for cell in cells))
    verdicts = Table(
        "Kind", "Condition", "Clips", *VERDICTS, "windows in alert", title="Verdicts %", box=None
    )
    for verdict_row in evaluation.verdicts:
        verdicts.add_row(*(Text(cell) for cell in _verdict_cells(verdict_row)))
    return Group(areas, "", verdicts)


def _by_row_name(rows: Sequence[Row]) -> Mapping[tuple[str, str], Mapping[str, Row]]:
    grouped: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        grouped.setdefault((_row_name(row), row.condition), {})[row.channel] = row
    return grouped


def _pivot(
    rows: Mapping[tuple[str, str], Mapping[str, Row]], channels: Sequence[str]
) -> list[tuple[tuple[str, str], Row, list[Row | None]]]:
    return [
        (name, next(iter(by_channel.values())), [by_channel.get(channel) for channel in channels])
        for name, by_channel in rows.items()
    ]


def _row_name(row: Row) -> str:
    return f"{row.kind}: {row.generator}" if row.generator else row.kind


def _full_cells(row: Row) -> tuple[str, ...]:
    return (
        _row_name(row),
        row.condition,
        row.channel,
        _with_interval(row.auc, row.auc_interval),
        _with_interval(row.average_precision, row.average_precision_interval),
        _percent(row.equal_error_rate),
        f"{row.fakes} ({row.fake_speakers})",
        f"{row.genuine} ({row.genuine_speakers})",
        _percent(row.coverage),
        _percent(row.fake_coverage),
        _percent(row.auc_missing_at_median),
        _percent(row.auc_missing_at_worst),
    )


def _verdict_cells(row: VerdictRow) -> tuple[str, ...]:
    return (
        row.kind,
        row.condition,
        str(row.clips),
        *(_percent(row.verdicts.get(verdict, 0) / row.clips) for verdict in VERDICTS),
        _percent(row.alert_windows / row.windows if row.windows else None),
    )


def _draw_lines(rows: Sequence[Row]) -> list[str]:
    drawn = [(row, row.drawn) for row in rows if row.drawn is not None]
    if not drawn:
        return []
    lines = [
        f"- {row.channel}: AUC {_percent(draw.mean)} ± {_percent(draw.deviation)} over {draw.draws} draws of "
        f"{draw.genuine} genuine clips and {draw.fakes} fakes"
        for row, draw in drawn
    ]
    return ["## Random draws", "\n".join(lines)]


def _auc_cell(row: Row | None) -> str:
    return "" if row is None else _with_interval(row.auc, row.auc_interval)


def _with_interval(value: float | None, interval: Interval | None) -> str:
    if value is None or interval is None:
        return _percent(value)
    return f"{_percent(value)} [{_percent(interval[0])}, {_percent(interval[1])}]"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _pipe_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
