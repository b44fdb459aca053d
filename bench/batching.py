"""Do batches make a window late? Rising load before engines of known cost, and before the real ones.

    python -m bench.batching --out bench/results

The first part runs in virtual time and gives the same result everywhere; the second takes real time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import track

from bench.batching_engines import WAYS, measure_engines, real_engines
from bench.batching_virtual import ENGINES, measure_virtual
from bench.machine import command_line, describe_machine

VIRTUAL_COLUMNS = (
    *("participants", "policy", "requests", "wait_p50_ms", "wait_p95_ms", "wait_max_ms"),
    *(
        "result_p50_ms",
        "result_p95_ms",
        "requests_a_run",
        "most_a_run",
        "dropped",
        "finished_late",
        "in_time_before_and_not_now",
    ),
)
REAL_COLUMNS = (
    *("participants", "policy", "windows", "latency_p50_ms", "latency_p95_ms", "latency_max_ms"),
    *("wait_p95_ms", "requests_a_run", "most_a_run", "dropped_windows", "finished_late", "cpu_ms_a_window"),
)


def markdown(result: Mapping[str, Any]) -> str:
    """Return the tables."""
    machine = result["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = [
        "# Micro-batches under rising load",
        "",
        f"`{result['command']}`, {result['date']}.",
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"{machine['system']}, Python {machine['python']}; {versions}.",
    ]
    for name, rows in result["virtual"].items():
        lines += [
            "",
            f"## {name[0].upper()}{name[1:]} (virtual time)",
            "",
            f"Each participant sends a window every 400 ms for {result['virtual_seconds']:g} s. A request",
            "must have its result 250 ms after it came; later it is dropped, or counts as finished late. The",
            "last column counts requests that are in time with the first policy and not with this one.",
            "",
            *_table(VIRTUAL_COLUMNS, rows),
        ]
    lines += [
        "",
        "## The real engines on this machine",
        "",
        f"{result['threads']} analysis threads (a thread a participant for one owner and batches). Each",
        "participant sends every 400 ms what a call sends: pictures, faces, sound, then its window, which is",
        f"dropped where it could not be done within 1 s; {result['seconds']:g} s a row. Waits and batches",
        "are those of the roles with a batch axis; `directly` has neither queue nor deadline.",
        "",
        *_table(REAL_COLUMNS, result["engines"]),
        "",
    ]
    return "\n".join(lines)


def _table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    cells = [[_text(row[column]) for column in columns] for row in rows]
    header = [column.replace("_", " ") for column in columns]
    return [f"| {' | '.join(line)} |" for line in (header, ["---"] * len(columns), *cells)]


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{count} {name}" for name, count in value.items() if count) or "0"
    return f"{value:g}" if isinstance(value, float) else str(value)


@click.command()
@click.option("--virtual-seconds", type=click.FloatRange(1, 600), default=20, show_default=True)
@click.option("--seconds", type=click.FloatRange(0.4, 60), default=6, show_default=True)
@click.option("--participants", type=click.IntRange(1, 64), multiple=True, default=(1, 2, 4, 8, 16))
@click.option("--threads", type=click.IntRange(1, 64), default=2, show_default=True)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for JSON and Markdown.")
def main(
    *, virtual_seconds: float, seconds: float, participants: tuple[int, ...], threads: int, out: Path | None
) -> None:
    """Measure waiting times, batch sizes and drops under rising load."""
    console = Console(stderr=True)
    engines = real_engines()
    for way in WAYS:
        measure_engines(engines, way, 1, threads, 0.4)
    cases = [(count, way) for count in participants for way in WAYS]
    result = {
        "command": command_line("bench.batching"),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "threads": threads,
        "virtual_seconds": virtual_seconds,
        "seconds": seconds,
        "virtual": {engine.name: measure_virtual(engine, virtual_seconds) for engine in ENGINES},
        "engines": [
            measure_engines(engines, way, count, threads, seconds)
            for count, way in track(cases, "Measuring", console=console)
        ],
    }
    for engine in engines.values():
        engine.close()
    click.echo(json.dumps(result, indent=2))
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "batching.json").write_text(json.dumps(result, indent=2) + "\n")
        (out / "batching.md").write_text(markdown(result))


if __name__ == "__main__":
    main()
