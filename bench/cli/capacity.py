"""``seamwatch bench capacity``: how many participants keep real time, and where the time goes."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import click

from bench.cli.command import stated_command
from bench.cli.delivery import deliver, noted_interruption
from bench.cli.options import BenchOptions, bench_options
from bench.load.call import SETTLE_S
from bench.load.capacity import CapacityMeasurement, Conditions, Load, measure_capacity
from bench.load.capacity_figures import capacity_figures, details, profile_table, trials_table
from bench.load.judgement import MAX_GROWTH_S, MAX_P95_MS, MIN_SCORED
from bench.load.options import load_options, prepared, talk_option
from bench.load.people import people
from bench.load.schedule import Talk
from bench.load.streams import BITS_PER_PIXEL, Codec, Size
from bench.machine import load_average
from bench.monitor.process import available_cores, divide_cores, pin
from bench.report.result import new_result


@click.command()
@load_options
@talk_option
@click.option(
    "--cores",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processor cores that the monitor is kept on; everything else gets the others.",
)
@click.option(
    "--first", type=click.IntRange(min=1), default=4, show_default=True, help="Participants to begin with."
)
@click.option(
    "--most",
    type=click.IntRange(min=1),
    help="Participants to end with at the latest.  [default: 64, quick 2]",
)
@click.option("--profile/--no-profile", "profiled", default=True, help="Also tell where the time goes.")
@click.option(
    "--serve-option",
    "monitor_options",
    multiple=True,
    metavar="OPTION",
    help="Passed on to `seamwatch serve`, such as --serve-option=--backend=auto; may be given several times.",
)
@bench_options(seconds=20, quick_seconds=5, least_seconds=5)
def capacity(
    *,
    sizes: tuple[Size, ...],
    codecs: tuple[Codec, ...],
    talks: tuple[Talk, ...],
    clips_dir: Path | None,
    cache: Path,
    cores: int,
    first: int,
    most: int | None,
    profiled: bool,
    monitor_options: tuple[str, ...],
    options: BenchOptions,
) -> None:
    """Measure how many participants a monitor takes before it drops something or falls behind.

    Participants send encoded media over real WebRTC, from a process of their own; the face of one of them is
    exchanged during the call. A count holds when all of it is scored in time and nothing is dropped.
    """
    before = load_average()
    usable = available_cores()
    conditions = Conditions(
        people=people(clips_dir),
        cores=divide_cores(usable, cores),
        seconds=options.seconds,
        monitor_options=monitor_options,
    )
    largest = most or (2 if options.quick else 64)
    loads = [Load(size=size, codec=codec, talk=talk) for size, codec, talk in product(sizes, codecs, talks)]
    measurements: list[CapacityMeasurement] = []
    with noted_interruption() as interruption:
        try:
            for load in loads[:1] if options.quick else loads:
                streams = prepared(conditions.people, load.size, load.codec, cache)
                measurements.append(CapacityMeasurement(load=load))
                measure_capacity(
                    measurements[-1],
                    conditions,
                    streams,
                    first=min(first, largest),
                    most=largest,
                    profiled=profiled,
                    tell=lambda words: click.echo(words, err=True),
                )
        finally:
            pin(0, usable)
    found = [measured for measured in measurements if measured.trials]
    deliver(
        new_result(
            "capacity",
            f"Participants in real time on {cores} core{'s' if cores > 1 else ''}",
            command=stated_command(),
            configuration={
                "loads": [str(measured.load) for measured in found],
                "cores of the monitor": cores,
                "seconds a call": options.seconds,
                "first": first,
                "most": largest,
                "options of serve": list(monitor_options),
                "material": conditions.people.description,
            },
            figures=[figure for measured in found for figure in capacity_figures(measured, cores)],
            tables=(
                trials_table(found),
                *(
                    profile_table(f"{measured.load}: where the time goes at half capacity", measured.profile)
                    for measured in found
                    if measured.profile is not None
                ),
            ),
            notes=(
                f"A count holds when at least {MIN_SCORED:.0%} of real time is scored for every participant, "
                f"nothing is dropped, no score says overload, the last scores are at most {MAX_GROWTH_S:g} s "
                f"later than the first ones, and p95 is under {MAX_P95_MS:g} ms. The first {SETTLE_S:g} s "
                "after everybody has come do not count. A capacity is the largest count that held; one that "
                "did not hold was not tried again.",
                f"25 pictures a second, {BITS_PER_PIXEL:g} bits per pixel; Opus in packets of 20 ms.",
                *(
                    f"{measured.load}: no more than {measured.capacity} were tried."
                    for measured in found
                    if measured.limited
                ),
                *(
                    ("The publishers share the monitor's cores: the capacity is that of both together.",)
                    if conditions.cores.shared
                    else ()
                ),
            ),
            details={"calls": [details(measured) for measured in found]},
            load_before=before,
            quick=options.quick,
            interrupted=interruption.happened,
        ),
        options,
        name="_".join(("capacity", *_name_parts(found))),
    )


def _name_parts(found: list[CapacityMeasurement]) -> tuple[str, ...]:
    """Return what sets the files of a single load apart."""
    if len(found) != 1:
        return ()
    load = found[0].load
    return f"{load.size[0]}x{load.size[1]}", load.codec, load.talk
