"""Figures, tables and the plot of the similarity bench."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from bench.report.figure import Figure
from bench.report.table import Table
from bench.similarity.slope import growth

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

Measured = Mapping[int, Sequence[Mapping[str, float]]]
"""What each seed measured, by memory length."""

BAR_SIZE: Final = 1024
BAR_TIMES: Final = 200.0
BAR_GROWTH: Final = 1.1
#: From here on the part of an update that grows with the memory is to be seen beside the one that does not.
LONG_SIZE: Final = 512

NOTES: Final = (
    "From scratch, scores: the T x T identity matrix (one matrix product), numpy.percentile over all of its "
    "cells, and the mean similarity of lips and voice at 15 lags over the memory. With all matrices: also "
    "the T x T matrix of lips and voice at lag zero, which no score needs and which the program fills only "
    "where somebody looks at it. The embeddings lie ready in one array each; float32, BLAS with one thread. "
    "An update gives the same, matrices in place, the percentile to less than 2/4096.",
    "Judge: everything behind the encoders for one window: both rings, gating, scores, identity memory, "
    "sequential test, alert machine. One seed a run, each in a process of its own.",
)


def medians(measured: Measured, name: str) -> dict[int, float]:
    """Return the median over the seeds by memory length."""
    return {size: statistics.median(run[name] for run in runs) for size, runs in sorted(measured.items())}


def figures(measured: Measured) -> tuple[Figure, ...]:
    """Return the figures that releases are compared by; one value a seed."""
    found: list[Figure] = []
    if BAR_SIZE in measured:
        runs = measured[BAR_SIZE]
        for what, suffix, bar in (("scores", "", BAR_TIMES), ("scores and all matrices", "_matrices", None)):
            ratios = tuple(run[f"recompute{suffix}_us"] / run[f"update{suffix}_us"] for run in runs)
            found.append(
                Figure(
                    name=f"Update by recomputation at T = {BAR_SIZE}: {what}",
                    unit="x",
                    values=ratios,
                    better="higher",
                    bar=bar,
                )
            )
        found.append(
            Figure(
                name=f"Judge at T = {BAR_SIZE}",
                unit="us a window",
                values=tuple(run["judge_us"] for run in runs),
                better="lower",
            )
        )
    long_sizes = [size for size in sorted(measured) if size >= LONG_SIZE]
    if len(long_sizes) > 1:
        seeds = min(len(measured[size]) for size in long_sizes)
        for name, label, bar in (
            ("update_us", "an update", BAR_GROWTH),
            ("update_matrices_us", "an update of all matrices", None),
            ("judge_us", "the judge", BAR_GROWTH),
        ):
            slopes = tuple(
                growth(long_sizes, [measured[size][seed][name] for size in long_sizes])
                for seed in range(seeds)
            )
            found.append(
                Figure(
                    name=f"Growth of {label} with T from {LONG_SIZE} on",
                    unit="power of T",
                    values=slopes,
                    better="lower",
                    bar=bar,
                )
            )
    growths = [run["bytes_later"] - run["bytes_full"] for runs in measured.values() for run in runs]
    found.append(
        Figure(
            name="Memory gained by T further updates, the worst run",
            unit="bytes",
            values=(max(growths),),
            better="lower",
            bar=4096.0,
        )
    )
    return tuple(found)


def table(measured: Measured) -> Table:
    """Return the medians over the seeds for every memory length."""
    columns = {
        "update": "update_us",
        "from scratch": "recompute_us",
        "update, all": "update_matrices_us",
        "from scratch, all": "recompute_matrices_us",
        "judge": "judge_us",
    }
    found = {label: medians(measured, name) for label, name in columns.items()}
    memory = medians(measured, "bytes_later")
    rows = tuple(
        (
            size,
            *(found[label][size] for label in columns),
            found["from scratch"][size] / found["update"][size],
            found["from scratch, all"][size] / found["update, all"][size],
            memory[size] / 2**20,
        )
        for size in sorted(measured)
    )
    return Table(
        title="Cost of one window (us, medians)",
        columns=("T", *columns, "ratio", "ratio, all", "rings MiB"),
        rows=rows,
    )


def plot(picture: Picture, measured: Measured) -> None:
    """Draw cost against T in double logarithms, with lines of growth 1 and 2 through the last points."""
    axes = picture.subplots()
    sizes = sorted(measured)
    for name, label in (
        ("recompute_matrices_us", "from scratch, with all matrices"),
        ("recompute_us", "from scratch, scores"),
        ("update_matrices_us", "update, with all matrices"),
        ("update_us", "update, scores"),
        ("judge_us", "everything behind the encoders"),
    ):
        costs = medians(measured, name)
        lows = [costs[size] - min(run[name] for run in measured[size]) for size in sizes]
        highs = [max(run[name] for run in measured[size]) - costs[size] for size in sizes]
        axes.errorbar(sizes, [costs[size] for size in sizes], yerr=[lows, highs], marker="o", label=label)
    last = sizes[-1]
    for name, power in (("update_matrices_us", 1), ("recompute_matrices_us", 2)):
        top = medians(measured, name)[last]
        axes.plot(
            sizes,
            [top * (size / last) ** power for size in sizes],
            "k:",
            linewidth=1,
            label=f"growth {power}",
        )
    axes.set(xscale="log", yscale="log", xlabel="windows in memory, T", ylabel="us a window")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.legend(fontsize="small")
