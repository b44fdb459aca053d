"""``python -m bench.engine_latency DIR...``: latency and throughput of built engines by batch size."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.machine import describe_machine
from engines.backends.base import BuildRequest, Inputs
from engines.base import Engine
from engines.build.evidence import has_free_batch, made_up
from engines.build.opening import OpenedSet, open_engines
from engines.errors import SeamwatchError
from engines.spec import Role

WARM_UP_RUNS: Final = 10
MIN_RUNS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Time of one engine at one batch size; copies to and from the device are in it."""

    engine: str
    role: str
    batch: int
    runs: int
    p50_ms: float
    p99_ms: float
    rows_per_s: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure sets of engines; return 1 if one cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine_latency", description=__doc__)
    parser.add_argument("sets", nargs="+", type=Path, metavar="DIR", help="as seamwatch engines build writes")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each engine and batch size")
    parser.add_argument("--output", type=Path, help="also write the figures as JSON")
    options = parser.parse_args(arguments)
    console = Console(highlight=False)
    measured: list[Latency] = []
    try:
        for folder in options.sets:
            opened = open_engines(folder)
            try:
                measured += _measure(opened, options.seconds)
            finally:
                opened.close()
    except SeamwatchError as error:
        console.print(str(error), style="red", soft_wrap=True)
        return 1
    console.print(_table(measured))
    if options.output is not None:
        record = {"machine": describe_machine(), "latencies": [asdict(one) for one in measured]}
        options.output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


def batch_sizes(largest: int) -> list[int]:
    """Return the powers of two up to the largest batch, and that one."""
    return sorted({1 << k for k in range(largest.bit_length()) if 1 << k <= largest} | {largest})


def _measure(opened: OpenedSet, seconds: float) -> Iterator[Latency]:
    for role, engine in opened.engines.items():
        lengths = opened.record.windows.lengths(role)
        request = BuildRequest(
            role=role, graph=b"", spec=engine.spec, precision="fp32", max_batch=1, lengths=lengths
        )
        largest = opened.record.max_batch if has_free_batch(request) else 1
        for batch in batch_sizes(largest):
            yield _time(role, engine, _inputs(request, batch), batch, seconds)


def _inputs(request: BuildRequest, batch: int) -> Inputs:
    one = next(made_up(request))
    if not has_free_batch(request):
        return one
    return {name: np.repeat(array, batch, axis=0) for name, array in one.items()}


def _time(role: Role, engine: Engine, inputs: Inputs, batch: int, seconds: float) -> Latency:
    for _ in range(WARM_UP_RUNS):
        engine.run(inputs)
    taken_ns: list[int] = []
    end = time.perf_counter() + seconds
    while len(taken_ns) < MIN_RUNS or time.perf_counter() < end:
        before = time.perf_counter_ns()
        engine.run(inputs)
        taken_ns.append(time.perf_counter_ns() - before)
    return Latency(
        engine=engine.spec.id,
        role=role.value,
        batch=batch,
        runs=len(taken_ns),
        p50_ms=float(np.percentile(taken_ns, 50)) / 1e6,
        p99_ms=float(np.percentile(taken_ns, 99)) / 1e6,
        rows_per_s=batch * len(taken_ns) / (sum(taken_ns) / 1e9),
    )


def _table(measured: Sequence[Latency]) -> Table:
    table = Table(title="Latency with copies, and throughput")
    for column in ("engine", "role"):
        table.add_column(column, overflow="fold")
    for column in ("batch", "p50 ms", "p99 ms", "rows/s"):
        table.add_column(column, justify="right", no_wrap=True)
    for one in measured:
        figures = (f"{one.batch}", f"{one.p50_ms:.2f}", f"{one.p99_ms:.2f}", f"{one.rows_per_s:.0f}")
        table.add_row(one.engine, one.role, *figures)
    return table


if __name__ == "__main__":
    sys.exit(main())
