"""``seamwatch models``: list, fetch and verify the models."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Table

from clients.cli.errors import EXIT_UNREADABLE, show_error
from engines.store.catalogue import PinnedModel
from engines.store.sources import Source
from engines.store.store import FileState, ModelStatus, ModelStore, PullResult

_STYLES = {FileState.PRESENT: "green", FileState.MISSING: "yellow", FileState.DAMAGED: "red"}


@click.group()
def models() -> None:
    """List, fetch and verify the models.

    They lie in the user's cache folder, or in the folder named by SEAMWATCH_MODELS.
    """


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array on stdout.")
def list_models(as_json: bool) -> None:
    """Show the models and what the store holds of them."""
    store = ModelStore()
    rows = store.status()
    if as_json:
        click.echo(json.dumps([_as_json(row) for row in rows], indent=2))
        return
    table = Table("Model", "Role", "Size", "Licence", "State", box=None)
    for row in rows:
        model = row.model
        table.add_row(
            model.name,
            model.role,
            f"{model.size_bytes / 1e6:.1f} MB",
            model.licence,
            f"[{_STYLES[row.state]}]{row.state}[/]",
        )
    console = Console()
    console.print(table)
    console.print(f"Store: {store.root}", highlight=False, markup=False, soft_wrap=True)


@models.command()
@click.argument("names", nargs=-1)
@click.option(
    "--from",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with the model files; it is asked before any other source.",
)
def pull(names: tuple[str, ...], folder: Path | None) -> None:
    """Fetch the models that are missing or damaged (all, or NAMES)."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[source]}"),
        console=console,
        transient=True,
    ) as bar:
        task = bar.add_task("", total=None, source="")

        def show(model: PinnedModel, source: Source, received: int) -> None:
            bar.update(
                task,
                description=model.name,
                source=source.label,
                completed=received,
                total=model.size_bytes,
            )

        results = ModelStore().pull(names or None, folder=folder, progress=show)
    for result in results:
        _report(result)
    missing = [result.model.name for result in results if result.state is not FileState.PRESENT]
    if missing:
        show_error(
            f"No source delivered {', '.join(missing)}.",
            fix="Connect to the network, or pass a folder that holds the files with --from.",
        )
        sys.exit(EXIT_UNREADABLE)


@models.command()
def verify() -> None:
    """Check every model file against its pinned hash; exit code 3 if one is missing or damaged."""
    rows = ModelStore().verify()
    for row in rows:
        click.echo(f"{row.model.name}: {row.state}")
    bad = [row.model.name for row in rows if row.state is not FileState.PRESENT]
    if bad:
        show_error(f"The store lacks a sound file of {', '.join(bad)}.", fix="Run `seamwatch models pull`.")
        sys.exit(EXIT_UNREADABLE)


def _as_json(row: ModelStatus) -> dict[str, object]:
    model = row.model
    return {
        "name": model.name,
        "role": model.role.value,
        "file": str(row.path),
        "sha256": model.sha256,
        "size_bytes": model.size_bytes,
        "licence": model.licence,
        "sources": [source.label for source in model.sources],
        "state": row.state.value,
    }


def _report(result: PullResult) -> None:
    """Say on stderr which source answered for a model, and which did not and why."""
    name = result.model.name
    if not result.attempts:
        click.echo(f"{name}: present", err=True)
    for attempt in result.attempts:
        outcome = f"not from {attempt.source}: {attempt.failure}"
        if attempt.failure is None:
            outcome = f"fetched from {attempt.source}"
        click.echo(f"{name}: {outcome} ({attempt.seconds:.1f} s)", err=True)
