"""Does a bad network change what the monitor says? The same files, live, over several links.

    seamwatch tamper CLIPS --split validation --compression clean --out validation
    python -m bench.lossy_verdicts validation --network clean --network clean --network loss2

Each ``--network`` is one pass over all files with a seed of its own; every pass is compared with the first,
so that a second perfect one tells how much two passes differ anyway. Needs what ``bench.lossy_link`` needs.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from bench.machine import command_line, describe_machine
from bench.network.namespaces import why_unavailable
from bench.network.profiles import PROFILES
from bench.network.verdicts import LiveVerdict, live_verdicts, verdicts_afterwards
from clients.publisher.prepare import prepare_clip
from realtime.errors import SeamwatchError
from realtime.interrupt import sigterm_as_interrupt
from training.evaluate.clips import EvaluationClip
from training.evaluate.datasets import tamper

HOW = {
    "live": "sent by `seamwatch stream` to `seamwatch serve`",
    "afterwards": "received over WHIP and analysed by the monitor's pipeline when they were over",
}


def changes(clips: Sequence[EvaluationClip], passes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the files on which a later pass says something else than the first."""
    found = []
    for index, clip in enumerate(clips):
        said = [one["verdicts"][index]["verdict"] for one in passes]
        if len(set(said)) > 1:
            reasons = [one["verdicts"][index]["reasons"] for one in passes]
            found.append({"file": clip.path.name, "kind": clip.kind, "verdicts": said, "reasons": reasons})
    return found


def markdown(result: dict[str, Any]) -> str:
    """Return the page: verdicts per pass, and every file whose verdict changed."""
    passes, machine = result["passes"], result["machine"]
    kinds = result["kinds"]
    lines = [
        "# Verdicts over a lossy link",
        "",
        f"`{result['command']}`, {result['date']}.",
        f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}; load average "
        f"{result['load_before']} before, {result['load_after']} after.",
        f"{len(result['files'])} files, {result['at_once']} at a time, {HOW[result['analysis']]}.",
        "",
        "| network | seed | kind | files | genuine | suspicious | fake | insufficient | other than first |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    first = [entry["verdict"] for entry in passes[0]["verdicts"]]
    for one in passes:
        for kind in sorted(set(kinds)):
            chosen = [index for index, own in enumerate(kinds) if own == kind]
            said = [one["verdicts"][index]["verdict"] for index in chosen]
            counts = Counter(said)
            other = sum(verdict != first[index] for verdict, index in zip(said, chosen, strict=True))
            cells = [one["title"], one["seed"], kind, len(chosen)]
            cells += [counts[name] for name in ("genuine", "suspicious", "fake", "insufficient")]
            lines.append("| " + " | ".join(str(cell) for cell in [*cells, other]) + " |")
    lines += ["", f"Files whose verdict is not the same in all passes: {len(result['changes'])}.", ""]
    lines += [
        f"- {change['file']}: "
        + "; ".join(
            f"{verdict} ({', '.join(reasons)})" if reasons else verdict
            for verdict, reasons in zip(change["verdicts"], change["reasons"], strict=True)
        )
        for change in result["changes"]
    ]
    return "\n".join([*lines, ""])


@click.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@click.option("--network", "networks", type=click.Choice(list(PROFILES)), multiple=True, required=True)
@click.option("--condition", "conditions", multiple=True, help='Such as "call, clean"; by default all files.')
@click.option(
    "--analysis",
    type=click.Choice(["live", "afterwards"]),
    default="live",
    show_default=True,
    help="By a running monitor, or by its pipeline once a file is over: a slow machine does not disturb it.",
)
@click.option("--at-once", type=click.IntRange(1, 16), default=2, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the first pass.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for JSON and Markdown.")
def main(
    *,
    folder: Path,
    networks: tuple[str, ...],
    conditions: tuple[str, ...],
    analysis: str,
    at_once: int,
    seed: int,
    out: Path | None,
) -> None:
    """Stream the files of a tamper benchmark into a monitor over several networks, and compare verdicts."""
    problem = why_unavailable()
    if problem is not None:
        raise click.ClickException(str(problem))
    console, before = Console(stderr=True), _load()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    passes: list[dict[str, Any]] = []
    try:
        clips = [clip for clip in tamper(folder).clips if not conditions or clip.condition in conditions]
        with (
            sigterm_as_interrupt(),
            tempfile.TemporaryDirectory(prefix="seamwatch-verdicts-") as prepared,
            Progress(*columns, console=console) as progress,
        ):
            files = []
            for index, clip in enumerate(progress.track(clips, description="Preparing")):
                files.append(prepare_clip(clip.path, Path(prepared) / f"p{index}.webm"))
            for number, name in enumerate(networks):
                title = PROFILES[name].title
                bar = progress.add_task(f"{title}, seed {seed + number}", total=len(clips))
                show = partial(_show, progress, bar)
                verdicts = _one_pass(
                    files, name, seed=seed + number, at_once=at_once, analysis=analysis, on_progress=show
                )
                passes.append(
                    {
                        "network": name,
                        "title": title,
                        "seed": seed + number,
                        "verdicts": [asdict(verdict) for verdict in verdicts],
                    }
                )
    except KeyboardInterrupt:
        console.print("Interrupted; processes and namespaces are gone.")
        sys.exit(130)
    except SeamwatchError as error:
        raise click.ClickException(str(error)) from error
    except ExceptionGroup as group:
        expected, _ = group.split(SeamwatchError)
        if expected is None:
            raise
        raise click.ClickException(str(expected.exceptions[0])) from group
    result = {
        "command": command_line("bench.lossy_verdicts"),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "load_before": before,
        "load_after": _load(),
        "analysis": analysis,
        "at_once": at_once,
        "files": [clip.path.name for clip in clips],
        "kinds": [clip.kind for clip in clips],
        "passes": passes,
        "changes": changes(clips, passes),
    }
    click.echo(markdown(result))
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "lossy_verdicts.json").write_text(json.dumps(result, indent=2) + "\n")
        (out / "lossy_verdicts.md").write_text(markdown(result))


def _one_pass(
    files: Sequence[Path],
    name: str,
    *,
    seed: int,
    at_once: int,
    analysis: str,
    on_progress: Callable[[int], None],
) -> list[LiveVerdict]:
    impairment = replace(PROFILES[name].impairment, spared_ns=0)
    if analysis == "afterwards":
        return asyncio.run(
            verdicts_afterwards(files, impairment, seed=seed, at_once=at_once, on_progress=on_progress)
        )
    with tempfile.TemporaryDirectory(prefix="seamwatch-verdicts-") as store:
        return asyncio.run(
            live_verdicts(
                files,
                impairment,
                seed=seed,
                at_once=at_once,
                folder=Path(store),
                on_progress=on_progress,
            )
        )


def _show(progress: Progress, bar: TaskID, done: int) -> None:
    progress.update(bar, completed=done)


def _load() -> str:
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


if __name__ == "__main__":
    main()
