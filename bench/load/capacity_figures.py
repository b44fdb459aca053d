"""The figures and tables of ``seamwatch bench capacity``. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from bench.load.call import participant_name
from bench.load.capacity import TAMPERED, CapacityMeasurement
from bench.load.judgement import CallFigures
from bench.load.profile import Profile
from bench.report.figure import Figure
from bench.report.table import Table

PER_CORE_BARS = {(640, 360): 10.0, (1280, 720): 5.0}
LATENCY_BAR_MS = 150.0
FLOOR_BARS = {(1280, 720): 2.0}


def capacity_figures(measured: CapacityMeasurement, cores: int) -> Iterator[Figure]:
    """Yield the figures of one load.

    Args:
        measured: What was found.
        cores: Of the monitor.
    """
    load, capacity = measured.load, measured.capacity
    if capacity is not None:
        yield Figure(
            name=f"{load}: participants per core",
            unit="",
            values=(capacity / cores,),
            better="higher",
            bar=PER_CORE_BARS.get(load.size),
        )
    held = measured.at_capacity
    if held is not None:
        yield Figure(
            name=f"{load}: only the tampered one flagged, at capacity",
            unit="",
            values=(float(verdicts_intact(held)),),
            better="higher",
            bar=1.0,
        )
    half = measured.half
    if half is None:
        return
    yield Figure(
        name=f"{load}: last sample to score on the WebSocket, p95, at half capacity",
        unit="ms",
        values=(half.latency_p95_ms,),
        better="lower",
        bar=LATENCY_BAR_MS,
    )
    yield Figure(
        name=f"{load}: CPU time per participant-second, at half capacity",
        unit="ms",
        values=(half.monitor_ms,),
        better="lower",
    )
    if measured.floor is not None:
        yield Figure(
            name=f"{load}: decoding and colour conversion alone",
            unit="ms",
            values=(measured.floor.total_ms,),
            better="neither",
        )
        yield Figure(
            name=f"{load}: whole cost by that floor",
            unit="",
            values=(half.monitor_ms / measured.floor.total_ms,),
            better="lower",
            bar=FLOOR_BARS.get(load.size),
        )


def verdicts_intact(figures: CallFigures) -> bool:
    """Return whether the tampered participant, and nobody else, reached an alert."""
    return figures.flagged == (participant_name(TAMPERED),)


def trials_table(measurements: Sequence[CapacityMeasurement]) -> Table:
    """Return the calls of all loads, half capacity last."""
    rows: list[tuple[str | float | int, ...]] = []
    for measured in measurements:
        calls = [*measured.trials, *([] if measured.half is None else [measured.half])]
        rows += [_row(str(measured.load), call) for call in calls]
    return Table(
        title="Calls",
        columns=(
            *("load", "participants", "held", "scored", "p50 ms", "p95 ms", "monitor ms", "publishers ms"),
            *("MiB", "statuses", "verdicts", "flagged", "after s"),
        ),
        rows=tuple(rows),
        note="ms of the monitor and the publishers: CPU time per participant-second. Latencies: from a "
        "window's last sample to its score at a subscriber. Flagged: participants that reached an alert; "
        f"{participant_name(TAMPERED)} alone is tampered with. After: from the tampering to the alert.",
    )


def profile_table(title: str, profile: Profile) -> Table:
    """Return where the time goes."""
    rows: list[tuple[str | float | int, ...]] = []
    for group, group_ms in profile.groups_ms().items():
        rows.append((group, "", round(group_ms, 2), f"{100 * group_ms / profile.total_ms:.0f} %"))
        lines = [line for line in profile.lines if line.group == group]
        rows += [("", line.stage, round(line.cpu_ms, 2), "") for line in lines if len(lines) > 1]
    rows.append(("everything", "", round(profile.total_ms, 2), "100 %"))
    missing = ", ".join(profile.missing)
    return Table(
        title=title,
        columns=("part", "stage", "ms per participant-second", "share"),
        rows=tuple(rows),
        note=f"Not told apart, as these functions do not exist: {missing}." if missing else "",
    )


def details(measured: CapacityMeasurement) -> dict[str, Any]:
    """Return everything that was found, as JSON values."""
    return asdict(measured)


def _row(load: str, call: CallFigures) -> tuple[str | float | int, ...]:
    return (
        load,
        call.participants,
        "; ".join(call.shortcomings) or "yes",
        round(call.scored_per_real_time, 3),
        round(call.latency_p50_ms, 1),
        round(call.latency_p95_ms, 1),
        round(call.monitor_ms, 1),
        round(call.publisher_ms, 1),
        round(call.resident_mib),
        _counted(call.statuses),
        _counted(call.verdicts),
        ", ".join(call.flagged) or "nobody",
        "" if call.detection_s is None else round(call.detection_s, 1),
    )


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
