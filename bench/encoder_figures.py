"""The cost of encoders in the common form of results. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from bench.encoder_variants import DEFAULT, NAIVE, TurnCost
from bench.report.figure import Figure
from bench.report.table import Table

NEEDED_RATIO, NEEDED_MS = 3.0, 120.0


def cost_figures(costs: Mapping[str, Sequence[TurnCost]]) -> list[Figure]:
    """Return the figures; one value a round.

    Args:
        costs: One entry a round for each variant, naive and default among them.
    """
    figures = [
        Figure(
            name=f"all encoders, {name}",
            unit="ms/s",
            values=tuple(round(cost.total_ms, 2) for cost in found),
            better="lower",
            bar=NEEDED_MS if name == DEFAULT else None,
        )
        for name, found in costs.items()
    ]
    ratios = [
        naive.total_ms / default.total_ms for naive, default in zip(costs[NAIVE], costs[DEFAULT], strict=True)
    ]
    figures.append(
        Figure(
            name="naive by default",
            unit="",
            values=tuple(round(ratio, 3) for ratio in ratios),
            better="higher",
            bar=NEEDED_RATIO,
        )
    )
    return figures


def cost_table(costs: Mapping[str, Sequence[TurnCost]]) -> Table:
    """Return the medians by role and variant."""
    roles = next(iter(costs.values()))[0].by_role_ms
    return Table(
        title="By role, CPU ms a second, median",
        columns=("role", *costs),
        rows=tuple(
            (
                role.value,
                *(
                    round(statistics.median(cost.by_role_ms[role] for cost in found), 2)
                    for found in costs.values()
                ),
            )
            for role in roles
        ),
        note="A role's row counts its calls; what threads burn between calls is in the figures only.",
    )
