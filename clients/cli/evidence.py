"""``seamwatch evidence``: check, list and hand on what was kept of alerts."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clients.cli.errors import EXIT_FAULT, EXIT_UNREADABLE, show_error
from clients.cli.examples import examples
from clients.printable import printable
from realtime.errors import ConfigurationError, EvidenceError
from realtime.evidence.reading import CheckedEvidence, check_path
from realtime.evidence.reading import pack as pack_bundle
from realtime.evidence.verify import CheckedBundle, Finding

_PATH = click.Path(path_type=Path)
_HASH_LENGTH = 64


@click.group(
    epilog=examples(
        "seamwatch serve --keep-evidence evidence",
        "seamwatch evidence list evidence",
        "seamwatch evidence verify evidence",
        "seamwatch evidence pack evidence/standup/000002-alert",
    )
)
def evidence() -> None:
    """Verify, list and pack the evidence of alerts, as --keep-evidence keeps it."""


@evidence.command(
    epilog=examples(
        "seamwatch evidence verify evidence",
        "seamwatch evidence verify 000002-alert.zip --json | jq .good",
        "seamwatch evidence verify evidence --head 5d0a...   (as noted earlier)",
    )
)
@click.argument("paths", metavar="FOLDER...", nargs=-1, required=True, type=_PATH)
@click.option(
    "--head", metavar="HASH", help="A head hash that was noted before: nothing up to it may have changed."
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object for each path, and nothing else."
)
def verify(*, paths: Sequence[Path], head: str | None, as_json: bool) -> None:
    """Check evidence folders, single bundles or packed ones: files, chain, and scores from the embeddings.

    Exit code 1 if anything is wrong, 3 if a path holds no evidence that can be read.
    """
    if head is not None and (len(head) != _HASH_LENGTH or set(head) - set("0123456789abcdef")):
        raise ConfigurationError("The head is no SHA-256.", fix="Give the 64 digits that were noted.")
    all_good = all_readable = True
    for path in paths:
        try:
            checked = check_path(path)
        except EvidenceError as error:
            all_readable = False
            show_error(error.message, fix=error.fix)
            continue
        missed = _missed_head(checked, head)
        all_good &= checked.good and missed is None
        if as_json:
            click.echo(json.dumps(_verified(checked, missed), allow_nan=False))
        else:
            _show_verified(Console(highlight=False, soft_wrap=True), checked, missed)
    if not all_readable:
        sys.exit(EXIT_UNREADABLE)
    if not all_good:
        sys.exit(EXIT_FAULT)


@evidence.command("list")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a bundle, and nothing else.")
def list_(*, folder: Path, as_json: bool) -> None:
    """List the bundles of an evidence folder, and its head hash."""
    checked = check_path(folder)
    if as_json:
        for bundle in checked.bundles:
            click.echo(json.dumps(_listed(bundle), allow_nan=False))
        return
    table = Table(box=None)
    table.add_column("Bundle", no_wrap=True)
    for column in ("Written", "Participant", "At", "State", "Why", ""):
        table.add_column(column, overflow="fold")
    for bundle in checked.bundles:
        row = _listed(bundle)
        at = row["time_s"]
        cells = (
            row["bundle"],
            str(row["written_at"] or "")[:19],
            row["participant"],
            f"{at:.1f} s" if isinstance(at, int | float) else "",
            row["state"],
            ", ".join(row["reasons"]),
        )
        state = "[green]good[/]" if row["good"] else "[red]wrong[/]"
        table.add_row(*(escape(printable(str(cell or ""))) for cell in cells), state)
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    _show_head(console, checked)
    if checked.chain_findings:
        click.echo("something is wrong: seamwatch evidence verify tells what", err=True)


@evidence.command(epilog=examples("seamwatch evidence pack evidence/standup/000002-alert --out for-anna.zip"))
@click.argument("folder", metavar="FOLDER", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The zip file, which must not exist.  [default: the folder's name, here]",
)
def pack(*, folder: Path, out: Path | None) -> None:
    """Put one bundle into a zip file for somebody else, with the chain, which names nobody."""
    place = Path(f"{folder.resolve().name}.zip") if out is None else out
    pack_bundle(folder, place)
    click.echo(printable(str(place)))


def _missed_head(checked: CheckedEvidence, head: str | None) -> str | None:
    """Return what a noted head says against the evidence, in words; None if nothing."""
    if head is None:
        return None
    if checked.chain is None:
        return "there is no chain that the noted head could be looked up in"
    return None if head in checked.chain.heads else "the noted head is not in the chain: it was changed since"


def _verified(checked: CheckedEvidence, missed: str | None) -> dict[str, Any]:
    chain = checked.chain
    return {
        "path": str(checked.path),
        "good": checked.good and missed is None,
        "head": None if chain is None else chain.head,
        "chain": [_found(finding) for finding in checked.chain_findings]
        + ([{"file": "chain.jsonl", "fault": missed}] if missed else []),
        "expired": 0 if chain is None else len(chain.expired),
        "bundles": [
            {**_listed(bundle), "findings": [_found(finding) for finding in bundle.findings]}
            for bundle in checked.bundles
        ],
    }


def _found(finding: Finding) -> dict[str, str]:
    return {"file": finding.file, "fault": finding.fault}


def _listed(bundle: CheckedBundle) -> dict[str, Any]:
    manifest = bundle.manifest
    alert = {} if bundle.record is None else bundle.record.alert
    reasons = alert.get("reasons")
    return {
        "bundle": bundle.name,
        "good": not bundle.findings,
        "sha256": bundle.sha256,
        "written_at": None if manifest is None else manifest.written_at,
        "lost_before": None if manifest is None else manifest.lost_before,
        "call": alert.get("call"),
        "participant": alert.get("participant"),
        "time_s": alert.get("time_s"),
        "state": alert.get("state"),
        "reasons": [str(reason) for reason in reasons] if isinstance(reasons, list) else [],
    }


def _show_verified(console: Console, checked: CheckedEvidence, missed: str | None) -> None:
    good = checked.good and missed is None
    _line(console, f"{checked.path}: {'good' if good else 'WRONG'}", style="green" if good else "bold red")
    for finding in checked.chain_findings:
        _line(console, f"  {finding.file}: {finding.fault}")
    if missed:
        _line(console, f"  chain.jsonl: {missed}")
    for bundle in checked.bundles:
        if not bundle.findings:
            _line(console, f"  {bundle.name}: unchanged, and its scores follow from its embeddings")
        for finding in bundle.findings:
            _line(console, f"  {bundle.name}: {finding.file} {finding.fault}")
        if bundle.manifest is not None and bundle.manifest.lost_before:
            _line(console, f"  {bundle.name}: {bundle.manifest.lost_before} before it could not be kept")
    if checked.chain is not None and checked.chain.expired:
        _line(console, f"  {len(checked.chain.expired)} deleted as too old")
    _show_head(console, checked)


def _show_head(console: Console, checked: CheckedEvidence) -> None:
    if checked.chain is not None:
        _line(console, f"head: {checked.chain.head} (note it elsewhere; --head compares with it later)")
    elif checked.bundles:
        _line(console, f"no chain here; SHA-256 of the manifest: {checked.bundles[0].sha256}")


def _line(console: Console, text: str, style: str | None = None) -> None:
    console.print(printable(text), style=style, markup=False, highlight=False, soft_wrap=True)
