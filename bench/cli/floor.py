"""``seamwatch bench floor``: decoding and colour conversion alone."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import click

from bench.cli.command import stated_command
from bench.cli.delivery import deliver, noted_interruption
from bench.cli.options import BenchOptions, bench_options
from bench.load.capacity import Load, schedule_of
from bench.load.floor import FloorCost, measure_floor
from bench.load.options import load_options, prepared
from bench.load.people import people
from bench.load.streams import BITS_PER_PIXEL, Codec, Size, StreamLibrary
from bench.machine import load_average
from bench.monitor.process import available_cores, divide_cores, pin
from bench.report.figure import Figure
from bench.report.result import new_result


@click.command()
@load_options
@click.option("--participants", type=click.IntRange(1, 64), default=4, show_default=True)
@bench_options(runs=5, seconds=20, quick_seconds=3)
def floor(
    *,
    sizes: tuple[Size, ...],
    codecs: tuple[Codec, ...],
    clips_dir: Path | None,
    cache: Path,
    participants: int,
    options: BenchOptions,
) -> None:
    """Measure what decoding and conversion to RGB cost by themselves, in one thread.

    The streams are those that `bench capacity` sends, decoded as fast as it goes, picture by picture in turn.
    No monitor can cost less; its whole cost by this floor is what compares hosts.
    """
    before = load_average()
    usable = available_cores()
    cast = people(clips_dir)
    loads = [Load(size=size, codec=codec, talk="all") for size, codec in product(sizes, codecs)]
    costs: dict[str, list[FloorCost]] = {}
    with noted_interruption() as interruption:
        try:
            for load in loads[:1] if options.quick else loads:
                library = StreamLibrary(prepared(cast, load.size, load.codec, cache))
                schedule = schedule_of(load, cast, participants)
                pin(0, divide_cores(usable, 1).monitor)
                for _ in range(options.runs):
                    cost = measure_floor(library, schedule, load.codec, round(options.seconds))
                    costs.setdefault(f"{load.size[0]}x{load.size[1]} {load.codec}", []).append(cost)
                pin(0, usable)
        finally:
            pin(0, usable)
    deliver(
        new_result(
            "floor",
            f"Decoding and colour conversion alone, {participants} participants in turn",
            command=stated_command(),
            configuration={
                "loads": list(costs),
                "participants": participants,
                "seconds a run": options.seconds,
                "material": cast.description,
            },
            figures=[figure for name, found in costs.items() for figure in _figures(name, found)],
            notes=(
                "CPU time per participant-second, of one thread kept on one core; 25 pictures a second, "
                f"{BITS_PER_PIXEL:g} bits per pixel.",
            ),
            load_before=before,
            quick=options.quick,
            interrupted=interruption.happened,
        ),
        options,
    )


def _figures(name: str, costs: list[FloorCost]) -> list[Figure]:
    parts = {
        "decoding": tuple(cost.decoding_ms for cost in costs),
        "colour conversion": tuple(cost.colour_ms for cost in costs),
        "both": tuple(cost.total_ms for cost in costs),
    }
    return [
        Figure(name=f"{name}: {part}", unit="ms", values=values, better="lower")
        for part, values in parts.items()
    ]
