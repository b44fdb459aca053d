"""Writes the result of ``bench.live_call`` as JSON and as a Markdown table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

ROWS = (
    ("latency p50, ms", ("latency_ms", "p50")),
    ("latency p95, ms", ("latency_ms", "p95")),
    ("latency p99, ms", ("latency_ms", "p99")),
    ("latency max, ms", ("latency_ms", "max")),
    ("WebSocket round trip p95, ms", ("websocket_round_trip_p95_ms",)),
    ("scores per real time, worst participant", ("scored_per_real_time",)),
    ("scores late at the end against the start, s", ("falling_behind_s",)),
    ("pictures waiting, max of all participants", ("pictures_waiting_max",)),
    ("audio waiting, max of all participants, s", ("audio_waiting_s_max",)),
    ("monitor, cores", ("monitor_cores",)),
    ("monitor, cores per participant", ("monitor_cores_per_participant",)),
)


def write_results(result: dict[str, Any], stem: Path) -> None:
    """Write ``stem.json`` and ``stem.md``."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_suffix(".json").write_text(json.dumps(result, indent=2) + "\n")
    stem.with_suffix(".md").write_text(markdown(result))


def markdown(result: dict[str, Any]) -> str:
    """Return the table: a row a figure, min, median and max over the runs."""
    runs, machine = result["runs"], result["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = [
        f"# Live call: {runs[0]['participants']} participants at {result['size']}",
        "",
        f"`{result['command']}`, {result['date']}, {len(runs)} runs of {result['seconds_a_run']:.0f} s.",
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"{machine['system']}, Python {machine['python']}; {versions}.",
        f"Material: {result['material']}",
        "",
        "| figure | min | median | max |",
        "|---|---|---|---|",
    ]
    for title, path in ROWS:
        values = [_at(run, path) for run in runs]
        lines.append(f"| {title} | {min(values):g} | {median(values):g} | {max(values):g} |")
    lines += ["", f"Dropped: {_total(runs, 'dropped')}. Statuses: {_total(runs, 'statuses')}.", ""]
    return "\n".join(lines)


def _at(run: dict[str, Any], path: Sequence[str]) -> float:
    value: Any = run
    for key in path:
        value = value[key]
    return float(value)


def _total(runs: Sequence[dict[str, Any]], key: str) -> str:
    total: dict[str, float] = {}
    for run in runs:
        for name, value in run[key].items():
            total[name] = total.get(name, 0) + value
    return ", ".join(f"{name} {value:g}" for name, value in sorted(total.items())) or "nothing"
