"""What the commands about engines print: tables for people, objects for machines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clients.printable import printable
from engines.build.builder import BuildResult
from engines.build.parity import Distances, Parity
from engines.build.record import EngineRecord
from engines.build.report import ClipComparison
from engines.build.sets import StoredSet, misfits, read_set
from engines.errors import EngineError
from engines.spec import Role

FITS = "fits"


def parity_table(engines: Mapping[Role, EngineRecord], parities: Mapping[Role, Parity]) -> Table:
    """Return cosine distances of each engine to its references, a row for each comparison."""
    table = Table("Engine", "Against", "Inputs", box=None)
    for column in ("Outputs", "Mean", "p99", "Max", "Limit"):
        table.add_column(column, justify="right")
    table.add_column("Result")
    for role, parity in parities.items():
        for one in parity.comparisons:
            table.add_row(
                f"{role.value} {engines[role].precision}",
                one.reference,
                one.inputs,
                str(one.outputs),
                *(f"{value:.0e}" for value in (one.mean, one.p99, one.max)),
                "" if one.tolerance is None else f"{one.tolerance:.0e}",
                _result(one),
            )
    return table


def clips_table(clips: Sequence[ClipComparison]) -> Table:
    """Return what the engines change in the scores and verdicts of clips."""
    table = Table("Clip", "Reference", "Engines", "Largest change", "Result", box=None)
    for one in clips:
        table.add_row(
            escape(printable(one.clip)),
            f"{one.reference_verdict} {_score(one.reference_score)}",
            f"{one.verdict} {_score(one.score)}",
            "" if one.largest_change is None else f"{one.largest_change:.0e}",
            "[green]same verdict[/]" if one.passed else "[red]another verdict[/]",
        )
    return table


def listing_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return one row for each set."""
    table = Table(box=None)
    table.add_column("Set", no_wrap=True)
    for column in ("Backend", "Precision", "Device", "Batch", "State"):
        table.add_column(column)
    for row in rows:
        cells = [str(row[key]) for key in ("name", "backend", "precision", "device", "max_batch")]
        style = "green" if row["state"] == FITS else "yellow"
        table.add_row(*(escape(printable(cell)) for cell in cells), f"[{style}]{row['state']}[/]")
    return table


def show_contracts(console: Console, stored: StoredSet) -> None:
    """Print the contract of every engine of a set."""
    record = stored.record
    windows = record.windows
    _line(console, f"{stored.folder}: built {record.built_at} by seamwatch {record.seamwatch}")
    _line(console, f"  checkpoint {record.checkpoint.name}, batches up to {record.max_batch}")
    _line(
        console,
        f"  windows of {windows.length_ticks} ticks every {windows.hop_ticks}, lags to {windows.band_ticks}",
    )
    for role, engine in stored.engines.items():
        _line(console, f"{role.value}: {engine.model}, {engine.backend} {engine.precision}", style="bold")
        _line(console, f"  frontend {engine.frontend.id} version {engine.frontend.version}")
        for kind, tensors in (("input", engine.inputs), ("output", engine.outputs)):
            for name, tensor in tensors.items():
                _line(console, f"  {kind} {name}: {tensor.spec()}")
        _line(console, f"  for {engine.device_fingerprint}")


def show_build(console: Console, result: BuildResult, reason: str) -> None:
    """Print what a build did."""
    stored = result.stored
    _line(console, reason)
    console.print(parity_table(stored.engines, parities_of(stored)))
    show_notes(console, stored)
    if result.reused:
        _line(console, f"from the cache: {', '.join(role.value for role in result.reused)}")
    _line(console, f"{'written to' if result.written else 'unchanged in'} {stored.folder}")


def show_notes(console: Console, stored: StoredSet) -> None:
    """Print what a person should know about the engines of a set, each remark once."""
    roles: defaultdict[str, list[str]] = defaultdict(list)
    for role, record in stored.engines.items():
        for note in (*record.notes, *record.parity.notes):
            roles[note].append(role.value)
    for note, names in roles.items():
        _line(console, f"{', '.join(names)}: {note}")


def parities_of(stored: StoredSet) -> dict[Role, Parity]:
    """Return the comparisons that were recorded when a set was built."""
    return {role: record.parity for role, record in stored.engines.items()}


def build_json(result: BuildResult, reason: str) -> dict[str, Any]:
    """Return what a build did, for machines."""
    return {
        **set_json(result.stored),
        "reason": reason,
        "reused": [role.value for role in result.reused],
        "written": result.written,
    }


def set_json(stored: StoredSet) -> dict[str, Any]:
    """Return all records of a set, for machines."""
    return {
        "folder": str(stored.folder),
        **stored.record.model_dump(mode="json"),
        "engines": {role.value: record.model_dump(mode="json") for role, record in stored.engines.items()},
        "rebuild": stored.rebuild_command,
    }


def listing_row(folder: Path) -> dict[str, Any]:
    """Return what is said about a set in a list, also if it is damaged."""
    row: dict[str, Any] = {"name": folder.name, "folder": str(folder)}
    try:
        stored = read_set(folder)
    except EngineError as error:
        unknown = dict.fromkeys(("backend", "precision", "device", "max_batch", "built_at"), "")
        return {**row, **unknown, "state": "damaged", "reasons": [str(error)]}
    reasons = misfits(stored)
    records = stored.engines.values()
    return {
        **row,
        "backend": _joined(record.backend for record in records),
        "precision": _joined(record.precision for record in records),
        "device": _joined(record.device for record in records),
        "max_batch": stored.record.max_batch,
        "built_at": stored.record.built_at,
        "state": "does not fit" if reasons else FITS,
        "reasons": reasons,
    }


def _joined(values: Iterable[str]) -> str:
    return ", ".join(sorted(set(values)))


def _line(console: Console, text: str, style: str | None = None) -> None:
    console.print(printable(text), style=style, markup=False, highlight=False, soft_wrap=True)


def _result(one: Distances) -> str:
    if one.tolerance is None:
        return "told"
    return "[green]passed[/]" if one.passed else "[red]too far[/]"


def _score(score: float | None) -> str:
    return "" if score is None else f"{score:.3f}"
