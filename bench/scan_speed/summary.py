"""Figures and table of the scan bench."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.report.figure import Figure
from bench.report.table import Table

BAR_TIMES: Final = 15.0
NOTES: Final = (
    "Cold: from the start of a process, with the loading of the program and its models. Warm: every further "
    "scan in it. Floor: reading, decoding and converting every picture to RGB, and nothing else; the scan "
    "itself converts only parts of pictures.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """One process that dealt with a recording several times.

    Attributes:
        codec: Of the recording.
        threads: Of the models; 0 for the floor.
        duration_s: Length of the recording.
        wall_s: Time of each time; the first is cold.
        cpu_s: Processor time of each time.
        verdict: On the recording; empty for the floor.
    """

    codec: str
    threads: int
    duration_s: float
    wall_s: Sequence[float]
    cpu_s: Sequence[float]
    verdict: str = ""

    @property
    def cold_times(self) -> float:
        """How many times faster than real time, the start of the program included."""
        return self.duration_s / self.wall_s[0]

    @property
    def warm_times(self) -> tuple[float, ...]:
        """The same for every further time."""
        return tuple(self.duration_s / wall_s for wall_s in self.wall_s[1:])

    @property
    def warm_cpu_ms(self) -> float:
        """Processor time for a second of media, median."""
        return 1000.0 * statistics.median(self.cpu_s[1:]) / self.duration_s


def figures(scans: Sequence[Timed]) -> tuple[Figure, ...]:
    """Return the speeds of every codec at every number of threads."""
    found: list[Figure] = []
    for scan in scans:
        place = f"{scan.codec}, threads {scan.threads}"
        found += [
            Figure(
                name=f"Warm: {place}",
                unit="x real time",
                values=scan.warm_times,
                better="higher",
                bar=BAR_TIMES,
            ),
            Figure(name=f"Cold: {place}", unit="x real time", values=(scan.cold_times,), better="higher"),
        ]
    return tuple(found)


def table(scans: Sequence[Timed], floors: Sequence[Timed]) -> Table:
    """Return every process as a row, with its cost over the floor of the same recording."""
    floor_ms = {floor.codec: floor.warm_cpu_ms for floor in floors}
    rows: list[tuple[str | float | int, ...]] = [
        (
            scan.codec,
            scan.threads or "floor",
            scan.cold_times,
            statistics.median(scan.warm_times),
            scan.warm_cpu_ms,
            scan.warm_cpu_ms / floor_ms[scan.codec] if scan.codec in floor_ms else "-",
            scan.verdict or "-",
        )
        for scan in (*floors, *scans)
    ]
    return Table(
        title="Times real time, and processor time for a second of media",
        columns=("codec", "threads", "cold", "warm", "CPU ms a second", "by floor", "verdict"),
        rows=tuple(rows),
    )
