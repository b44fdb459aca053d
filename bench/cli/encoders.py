"""``seamwatch bench encoders``: CPU time of all encoders."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.command import stated_command
from bench.cli.delivery import deliver, noted_interruption
from bench.cli.options import BenchOptions, bench_options
from bench.encoder_cost import take_turns, variants_to_measure
from bench.encoder_figures import cost_figures, cost_table
from bench.encoder_variants import TURN_S, TurnCost
from bench.machine import load_average
from bench.report.result import new_result
from training.cli.console import counting_bar


@click.command()
@click.option(
    "--engines",
    "folders",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    multiple=True,
    help="Also measure a set from `seamwatch engines build`; may be given several times.",
)
@bench_options(runs=12)
def encoders(*, folders: tuple[Path, ...], options: BenchOptions) -> None:
    """Measure what all encoders together cost for one second of one participant.

    Only the engines run, each variant in a process of its own, in real time and in turns of two seconds; a
    run is one turn of each. Threads that burn time while they wait are counted.
    """
    kinds, packages = variants_to_measure(folders)
    before = load_average()
    costs: dict[str, list[TurnCost]] = {name: [] for name in kinds}
    with noted_interruption() as interruption, counting_bar("measuring", options.runs) as update:
        take_turns(kinds, options.runs, costs, lambda: update(advance=1))
    rounds = min(map(len, costs.values()))
    complete = {name: found[:rounds] for name, found in costs.items()}
    deliver(
        new_result(
            "encoders",
            "CPU time of all encoders for one second of one participant",
            command=stated_command(),
            configuration={"variants": list(kinds), "seconds a turn": TURN_S},
            figures=cost_figures(complete) if rounds else (),
            tables=(cost_table(complete),) if rounds else (),
            notes=(
                "Naive: the graphs as they ship, one face a call, and ONNX Runtime's own choice of threads.",
            ),
            load_before=before,
            packages=packages,
            quick=options.quick,
            interrupted=interruption.happened,
        ),
        options,
    )
