"""``seamwatch bench peers``: other programs, and plainer variants of this one, on the same clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from bench.cli.command import stated_command
from bench.cli.delivery import deliver, noted_interruption
from bench.cli.options import BenchOptions, bench_options
from bench.machine import load_average
from bench.peers.material import chosen_clips
from bench.peers.process import load_adapter
from bench.peers.registry import OTHERS, OWN, PeerChoice, chosen_peers
from bench.peers.running import ClipScore, PeerUnavailableError, clip_scores
from bench.peers.summary import PeerRun, figures, missing, table
from bench.report.result import new_result
from training.cli.console import counting_bar
from training.data.clip import Clip

CLIPS, QUICK_CLIPS = 40, 4
NOTES = (
    "Every program runs alone, in a process of its own, with one thread where it heeds OMP_NUM_THREADS; "
    "loading its models does not count unless it loads them for every clip.",
    "Higher scores speak for a fake. Clips: genuine ones of the test split and fakes by generators, of "
    "2.5 to 20 s. An AUC over so few clips tells programs apart only where the intervals do.",
)


@click.command()
@click.option(
    "--clips-dir",
    required=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Recorded clips with a manifest.csv.",
)
@click.option(
    "--clips", type=click.IntRange(2, 1000), help=f"How many.  [default: {CLIPS}, quick {QUICK_CLIPS}]"
)
@click.option(
    "--python",
    "pythons",
    multiple=True,
    metavar="PEER=PATH",
    help=f"The Python that has what a program needs; programs: {', '.join(OTHERS)}.",
)
@click.option(
    "--peer", "said", multiple=True, metavar="PEER.NAME=VALUE", help="Where its checkout and weights are."
)
@click.option(
    "--only",
    multiple=True,
    type=click.Choice((*OWN, *OTHERS)),
    help="Run this one and no others; may be given several times.",
)
@bench_options()
def peers(
    *,
    clips_dir: Path,
    clips: int | None,
    pythons: tuple[str, ...],
    said: tuple[str, ...],
    only: tuple[str, ...],
    options: BenchOptions,
) -> None:
    """Compare cost and ranking with other programs. Nothing is fetched; bench/peers.md says how."""
    before = load_average()
    choices = [choice for choice in chosen_peers(pythons, said) if not only or choice.key in only]
    material = chosen_clips(clips_dir, clips or (QUICK_CLIPS if options.quick else CLIPS))
    runs: dict[str, PeerRun] = {}
    with noted_interruption() as interruption:
        for choice in choices:
            scores: list[ClipScore] = []
            runs[choice.key] = PeerRun(name=_name(choice), unavailable=None, scores=scores)
            reason = _run(choice, material, scores)
            runs[choice.key] = PeerRun(name=_name(choice), unavailable=reason, scores=scores)
    deliver(
        new_result(
            "peers",
            f"Other programs on {len(material)} clips",
            command=stated_command(),
            configuration={"clips": len(material), "threads": 1},
            figures=figures(runs, material),
            tables=tuple(
                found
                for found in (table(list(runs.values()), material), missing(list(runs.values())))
                if found.rows
            ),
            notes=NOTES,
            details={
                "clips": [{"file": clip.name, "fake": not clip.is_real} for clip in material],
                "scores": {key: [asdict(score) for score in run.scores] for key, run in runs.items()},
            },
            load_before=before,
            quick=options.quick,
            interrupted=interruption.happened,
        ),
        options,
    )


def _name(choice: PeerChoice) -> str:
    return str(load_adapter(choice.adapter, dict(choice.options)).name)


def _run(choice: PeerChoice, clips: Sequence[Clip], scores: list[ClipScore]) -> str | None:
    """Collect the scores; return why there are none, if so."""
    with counting_bar(_name(choice), len(clips)) as update:
        try:
            for score in clip_scores(choice, [clip.path for clip in clips]):
                scores.append(score)
                update(advance=1)
        except PeerUnavailableError as error:
            return str(error)
    return None
