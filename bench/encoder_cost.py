"""CPU time of all encoders together for one second of one participant, as the live path calls them.

    python -m bench.encoder_cost --out bench/results

Every variant has a process of its own. They take turns of two seconds, in real time: between its calls an
engine waits as long as in a call, and what its threads burn while they wait counts. Only the engines are run:
no decoding, no resizing, no log-mel.
"""

from __future__ import annotations

import importlib.util
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import click

from bench.encoder_cost_report import markdown, write_results
from bench.encoder_figures import NEEDED_MS, NEEDED_RATIO
from bench.encoder_variants import DEFAULT, NAIVE, OPENVINO, TURN_S, TurnCost, running_variant
from bench.machine import PACKAGES, command_line, describe_machine
from engines.spec import Role
from realtime.config import MonitorConfig
from realtime.encoders.workload import live_load
from training.cli.console import counting_bar


def variants_to_measure(folders: Sequence[Path]) -> tuple[dict[str, Path | None], list[str]]:
    """Return what is measured, by name, and the packages whose versions matter.

    Args:
        folders: Sets from ``seamwatch engines build``, besides the variants that are always measured.
    """
    kinds: dict[str, Path | None] = {NAIVE: None, DEFAULT: None}
    packages = list(PACKAGES)
    if importlib.util.find_spec(OPENVINO) is not None:
        kinds[OPENVINO] = None
        packages.append(OPENVINO)
    return kinds | {folder.resolve().name: folder for folder in folders}, packages


def take_turns(
    kinds: Mapping[str, Path | None],
    rounds: int,
    costs: Mapping[str, list[TurnCost]],
    on_round: Callable[[], None],
) -> dict[str, dict[Role, str]]:
    """Let every variant play one turn a round.

    Args:
        kinds: As ``variants_to_measure`` returns them.
        rounds: How many.
        costs: Filled for each variant, also where the rounds are interrupted.
        on_round: Called after each round.

    Returns:
        What runs each role, by variant.
    """
    with ExitStack() as running:
        variants = {name: running.enter_context(running_variant(name, path)) for name, path in kinds.items()}
        for turn in range(rounds):
            for name, variant in variants.items():
                costs[name].append(variant.play(turn))
            on_round()
        return {name: variant.ids for name, variant in variants.items()}


def summary(costs: Mapping[str, Sequence[TurnCost]]) -> dict[str, object]:
    """Return the figures of all variants, and whether the two bounds hold.

    Args:
        costs: One entry a turn for each variant, naive and default among them.
    """
    ratios = [
        naive.total_ms / default.total_ms for naive, default in zip(costs[NAIVE], costs[DEFAULT], strict=True)
    ]
    default_ms = statistics.median(cost.total_ms for cost in costs[DEFAULT])
    return {
        "variants": {
            name: {
                "total_ms": spread([cost.total_ms for cost in found]),
                "by_role_ms": {
                    role.value: spread([cost.by_role_ms[role] for cost in found])
                    for role in found[0].by_role_ms
                },
            }
            for name, found in costs.items()
        },
        "naive_by_default": spread(ratios),
        "bounds": {
            f"Naive by default at least {NEEDED_RATIO:g}": statistics.median(ratios) >= NEEDED_RATIO,
            f"Default under {NEEDED_MS:g} ms": default_ms < NEEDED_MS,
        },
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median, lowest and highest value."""
    found = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: round(value, 2) for name, value in found.items()}


@click.command()
@click.option("--rounds", type=click.IntRange(3, 60), default=12, show_default=True, help="Turns a variant.")
@click.option(
    "--engines",
    "folders",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    multiple=True,
    help="Also measure a set from `seamwatch engines build`; may be given several times.",
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for JSON and Markdown.")
def main(*, rounds: int, folders: tuple[Path, ...], out: Path | None) -> None:
    """Measure what all encoders together cost for one second of one participant."""
    kinds, packages = variants_to_measure(folders)
    costs: dict[str, list[TurnCost]] = {name: [] for name in kinds}
    with counting_bar("measuring", rounds) as update:
        engines = take_turns(kinds, rounds, costs, lambda: update(advance=1))
    load = live_load(MonitorConfig())
    result = {
        "command": command_line("bench.encoder_cost"),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe_machine(packages),
        "rounds": rounds,
        "turn_s": TURN_S,
        "runs_per_s": {role.value: role_load.runs_per_s for role, role_load in load.items()},
        "shapes": {
            role.value: {name: list(array.shape) for name, array in role_load.inputs.items()}
            for role, role_load in load.items()
        },
        "engines": engines,
        **summary(costs),
    }
    click.echo(markdown(result))
    if out is not None:
        write_results(result, out / "encoder_cost")


if __name__ == "__main__":
    main()
