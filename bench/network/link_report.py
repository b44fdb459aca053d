"""The result of ``bench.lossy_link`` as JSON, as a Markdown table and on the screen."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import compress
from pathlib import Path
from statistics import median
from typing import Any

from rich.table import Table

#: Heading, place of the value, what it is multiplied by for the table, and whether the screen shows it.
COLUMNS = (
    ("A/V median, ms", "alignment", 1.0, False),
    ("A/V error p95, ms", "alignment_error_p95", 1.0, True),
    ("A/V error p95 with reports, ms", "alignment_error_with_reports_p95", 1.0, False),
    ("A/V error before reports, largest, ms", "alignment_error_before_reports", 1.0, False),
    ("video gap, ms", "video.gap", 1.0, True),
    ("freeze, ms", "video.freeze", 1.0, False),
    ("pictures missing, %", "video.missing", 100.0, False),
    ("corrupt pictures", "video.corrupt", 1.0, True),
    ("audio lost by the link, %", "audio.lost_by_link", 100.0, False),
    ("audio missing, %", "audio.missing", 100.0, True),
    ("audio wrong, %", "audio.wrong", 100.0, False),
    ("video delay p50, ms", "video.delay", 1.0, True),
    ("video delay p95, ms", "video.delay_p95", 1.0, False),
    ("audio delay p50, ms", "audio.delay", 1.0, True),
    ("audio delay p95, ms", "audio.delay_p95", 1.0, False),
    ("cores", "cores", 1.0, False),
    ("cores per second handed on", "cores_per_delivered", 1.0, False),
)

NOTES = (
    "Every cell is the median over the runs, with the lowest and the highest in brackets where there are "
    "several.",
    "A/V: sound behind its picture on the receiver's own timeline, per second; the meter resolves 0.8 ms, or "
    "2 ms where many pictures are missing, and says nothing where too many are.",
    "With and before reports: whether the receiver knew RTCP sender reports of both tracks. Before, from the "
    "first second of the clip on, it goes by arrivals and admits 20 ms. The other p95 is of all from 4 s on.",
    "What aiortc places hours away, as after an outage, counts as missing.",
    "Video gap: longest stretch of the timeline without a new, undamaged picture; pictures come every 42 ms "
    "and are shown on a grid of 40 ms, so 80 ms is none.",
    "Freeze: longest wait between two such pictures by the clock.",
    "Corrupt: pictures handed on as good whose number or cells are wrong. Audio wrong: sound handed on that "
    "is not the source's at that place.",
    "Delay: from entering the link, whose own 20 ms are in it, to being handed on. Seamwatch's includes its "
    "grid of 25 pictures a second and, for sound, resampling to 16 kHz; aiortc's is a bare frame.",
    "Cores: processor seconds a second of media of the receiving process without the meter; Seamwatch's "
    "includes resampling to 16 kHz. Per second handed on: divided by the fraction of the media that was "
    "handed on, the mean of sound and pictures, because what is lost costs nothing.",
    "ffmpeg 8.0 sends nothing again and makes no key frame on request: a lost packet costs all pictures to "
    "the next whole key frame, one a second. The publisher sends lost packets again.",
    "Loss, jitter and duplication begin 2 s after the first packet and concern UDP in both directions; "
    "what is judged begins 4 s into the clip. A seed fixes which packets are lost by number, not by content.",
)


def cells_of(runs: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield what a row says: one cell a column, over the runs of one receiver on one network."""
    for _, place, factor, _ in COLUMNS:
        found = [value_at(run["figures"], place) for run in runs]
        values = [value * factor for value in found if value is not None]
        if not values:
            yield "-"
            continue
        middle, low, high = median(values), min(values), max(values)
        text = _short(middle)
        yield text if len(values) == 1 or low == high else f"{text} ({_short(low)} to {_short(high)})"


def screen_table(result: dict[str, Any]) -> Table:
    """Return the table for the terminal."""
    table = Table(title="Lossy link")
    for heading in ("network", "source", "receiver"):
        table.add_column(heading)
    shown = [on_screen for _, _, _, on_screen in COLUMNS]
    for heading, _, _, _ in compress(COLUMNS, shown):
        table.add_column(heading, justify="right", overflow="fold")
    for row in result["rows"]:
        cells = compress(cells_of(row["runs"]), shown)
        table.add_row(row["title"], row["source"], row["receiver"], *cells)
    return table


def markdown(result: dict[str, Any]) -> str:
    """Return the page."""
    machine = result["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = [
        "# Calls over a lossy link",
        "",
        f"`{result['command']}`, {result['date']}.",
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"{machine['system']}, Python {machine['python']}; {versions}; ffmpeg {result['ffmpeg'] or 'none'}.",
        f"Clip of {result['seconds']} s, 640x480, 24 pictures a second, 1.4 Mbit/s; seeds "
        f"{', '.join(str(seed) for seed in result['seeds'])}; load average "
        f"{result['load_before']} before, {result['load_after']} after.",
        "",
    ]
    for source in sorted({row["source"] for row in result["rows"]}, reverse=True):
        lines += [f"## Source: {source}", ""]
        lines += _table(["network", "receiver", *(heading for heading, _, _, _ in COLUMNS)])
        for row in result["rows"]:
            if row["source"] == source:
                lines.append(_row([row["title"], row["receiver"], *cells_of(row["runs"])]))
        lines.append("")
    lines += [f"- {note}" for note in (*NOTES, *result["notes"])]
    return "\n".join([*lines, ""])


def write_results(result: dict[str, Any], stem: Path) -> None:
    """Write ``stem.json`` and ``stem.md``."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_suffix(".json").write_text(json.dumps(result, indent=2) + "\n")
    stem.with_suffix(".md").write_text(markdown(result))


def _table(headings: Sequence[str]) -> list[str]:
    return [_row(headings), "|" + "---|" * len(headings)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 999.5 else f"{value:.0f}"


def value_at(figures: dict[str, Any], place: str) -> float | None:
    """Return a figure of one run by its dotted place; None where the run could not tell."""
    value: Any = figures
    for key in place.split("."):
        value = value[key]
    return None if value is None else float(value)
