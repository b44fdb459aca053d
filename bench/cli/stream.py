"""``seamwatch bench stream``: verdicts, delays and drops of files that are sent as a live call."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from bench.cli.command import stated_command
from bench.cli.delivery import deliver, noted_interruption
from bench.cli.options import BenchOptions, bench_options
from bench.load.stream_figures import FileOutcome, finished, outcomes_of, outcomes_table, stream_figures
from bench.load.streaming import DIRECT, Heard, Monitor, monitor_behind, stream_in_turn
from bench.load.truth import media_files, truth_of
from bench.machine import load_average
from bench.network.namespaces import why_unavailable
from bench.network.profiles import PROFILES
from bench.report.result import new_result
from clients.names import safe_unique_names
from clients.publisher.prepare import prepare_clip
from realtime.errors import ConfigurationError
from training.cli.console import counting_bar

QUICK_FILES = 2
ROOT_NETWORKS = (DIRECT, "clean", "loss2", "jitter30")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setup:
    at_once: int
    threads: int
    seed: int


@click.command()
@click.argument(
    "clips", metavar="CLIP...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path)
)
@click.option(
    "--network",
    "networks",
    type=click.Choice([DIRECT, *PROFILES]),
    multiple=True,
    help="May be given several times; all but direct need root.  [default: direct, clean, loss2, jitter30 as "
    "root, else direct]",
)
@click.option("--to", "address", metavar="URL", help="A running monitor; by default one is started.")
@click.option("--token", envvar="SEAMWATCH_TOKEN", help="Its token.  [env: SEAMWATCH_TOKEN]")
@click.option("--at-once", type=click.IntRange(1, 64), default=2, show_default=True, help="Files at a time.")
@click.option("--threads", type=click.IntRange(1, 64), default=2, show_default=True, help="Of the monitor.")
@click.option("--height", type=click.IntRange(16, 2160), help="Scale the pictures to this height in px.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the networks.")
@bench_options()
def stream(
    *,
    clips: tuple[Path, ...],
    networks: tuple[str, ...],
    address: str | None,
    token: str | None,
    at_once: int,
    threads: int,
    height: int | None,
    seed: int,
    options: BenchOptions,
) -> None:
    """Send files to a monitor as a live call, and compare its verdicts with the truth.

    A CLIP is a file, or a folder of them. What is true of a file is read from the JSON that `seamwatch
    tamper` wrote beside it, or from the folder's manifest.csv; of others only verdicts and drops are told.
    """
    before = load_average()
    problem = why_unavailable()
    chosen, notes = _chosen(networks, address, None if problem is None else problem.message)
    files = media_files(clips)[: QUICK_FILES if options.quick else None]
    names = safe_unique_names(path.stem for path in files)
    truths = {name: truth_of(path) for name, path in zip(names, files, strict=True)}
    running = None if address is None else Monitor(url=address, token=token)
    setup = _Setup(at_once=at_once, threads=threads, seed=seed)
    outcomes: dict[str, list[FileOutcome]] = {}
    with noted_interruption() as interruption, tempfile.TemporaryDirectory(prefix="seamwatch-bench-") as made:
        folder = Path(made)
        prepared = _prepared(files, names, folder, height)
        for network in chosen[: 1 if options.quick else None]:
            heard: list[Heard] = []
            try:
                _stream(prepared, network, heard, running=running, setup=setup, folder=folder)
            except KeyboardInterrupt:
                outcomes[network] = outcomes_of(heard, finished(heard, truths))
                raise
            outcomes[network] = outcomes_of(heard, truths)
    deliver(
        new_result(
            "stream",
            f"{len(files)} files as a live call, {at_once} at a time",
            command=stated_command(),
            configuration={
                "files": len(files),
                "at once": at_once,
                "networks": list(outcomes),
                "threads": threads,
                "height": height,
                "seed": seed,
                "monitor": "started for it" if address is None else "running",
            },
            figures=[figure for name, found in outcomes.items() for figure in stream_figures(name, found)],
            tables=tuple(outcomes_table(name, found) for name, found in outcomes.items()),
            notes=notes,
            details={name: [asdict(outcome) for outcome in found] for name, found in outcomes.items()},
            load_before=before,
            quick=options.quick,
            interrupted=interruption.happened,
        ),
        options,
    )


def _chosen(
    networks: tuple[str, ...], address: str | None, problem: str | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the networks, and what is to be said about them.

    Args:
        networks: As asked for; empty for the default.
        address: A running monitor.
        problem: Why this machine can make no networks.

    Raises:
        ConfigurationError: If one that was asked for cannot be made.
    """
    if address is not None:
        if set(networks) - {DIRECT}:
            raise ConfigurationError(
                "A network can only be put before a monitor that this command starts.",
                fix="Leave --to or --network out.",
            )
        return (DIRECT,), ("The monitor ran already; its load and its network are not known here.",)
    if problem is None:
        return networks or ROOT_NETWORKS, ()
    if set(networks) - {DIRECT}:
        raise ConfigurationError(problem, fix=f"Use --network {DIRECT}, or run the command as root.")
    return (DIRECT,), (f"Without loss and jitter: {problem}",)


def _prepared(files: Sequence[Path], names: Sequence[str], folder: Path, height: int | None) -> list[Path]:
    """Encode the files once, so that sending them leaves the machine to the monitor."""
    prepared = []
    with counting_bar("encoding", len(files)) as update:
        for path, name in zip(files, names, strict=True):
            prepared.append(prepare_clip(path, folder / f"{name}.webm", height=height))
            update(advance=1)
    return prepared


def _stream(
    files: Sequence[Path],
    network: str,
    heard: list[Heard],
    *,
    running: Monitor | None,
    setup: _Setup,
    folder: Path,
) -> None:
    async def stream_all() -> None:
        async with AsyncExitStack() as closing:
            monitor = running
            if monitor is None:
                own = monitor_behind(
                    network,
                    participants=setup.at_once,
                    threads=setup.threads,
                    seed=setup.seed,
                    folder=folder,
                )
                monitor = await closing.enter_async_context(own)
            await stream_in_turn(
                files,
                monitor,
                at_once=setup.at_once,
                heard=heard.append,
                on_progress=lambda done: update(completed=done),
            )

    with counting_bar(f"streaming, network {network}", len(files)) as update:
        asyncio.run(stream_all())
