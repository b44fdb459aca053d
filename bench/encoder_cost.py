"""CPU time of all encoders together for one second of one participant, as the live path calls them.

    python -m bench.encoder_cost --out bench/results

Every variant has a process of its own. They take turns of two seconds, in real time: between its calls an
engine waits as long as in a call, and what its threads burn while they wait counts. Only the engines are run:
no decoding, no resizing, no log-mel.
"""

from __future__ import annotations

import importlib.util
import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track

from bench.encoder_cost_report import markdown, write_results
from bench.encoder_variants import DEFAULT, NAIVE, OPENVINO, TURN_S, TurnCost, running_variant
from bench.machine import PACKAGES, command_line, describe_machine
from realtime.config import MonitorConfig
from realtime.encoders.workload import live_load

NEEDED_RATIO, NEEDED_MS = 3.0, 120.0


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
    kinds: dict[str, Path | None] = {NAIVE: None, DEFAULT: None}
    packages = list(PACKAGES)
    if importlib.util.find_spec(OPENVINO) is not None:
        kinds[OPENVINO] = None
        packages.append(OPENVINO)
    kinds |= {folder.resolve().name: folder for folder in folders}
    with ExitStack() as running:
        variants = {name: running.enter_context(running_variant(name, path)) for name, path in kinds.items()}
        costs: dict[str, list[TurnCost]] = {name: [] for name in variants}
        for turn in track(range(rounds), "Measuring", console=Console(stderr=True)):
            for name, variant in variants.items():
                costs[name].append(variant.play(turn))
        engines = {name: variant.ids for name, variant in variants.items()}
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
