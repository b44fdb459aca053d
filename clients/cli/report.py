"""``seamwatch report``: a page on a live call, from what was kept of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from clients.cli.examples import examples
from clients.cli.server_options import default_store
from clients.printable import printable
from clients.report import write_report
from clients.report.call_records import read_call
from clients.report.call_report import call_report
from clients.report.facts import report_facts
from clients.report.place import require_report_folder
from realtime.errors import ConfigurationError
from realtime.evidence.provenance import program_version


@click.command(
    epilog=examples(
        "seamwatch report standup --out standup.html",
        "seamwatch report standup --evidence evidence --out standup.html",
        "seamwatch report standup --begun 2026-03-01 --json | jq .subjects",
    )
)
@click.argument("call")
@click.option(
    "--evidence",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The folder that the monitor's --keep-evidence named.",
)
@click.option(
    "--store",
    type=click.Path(dir_okay=False, path_type=Path),
    default=default_store,
    show_default="alerts.sqlite3 in the user's data folder",
    help="The alert store that the monitor's --store named. It is only read.",
)
@click.option(
    "--begun",
    metavar="TIME",
    help="When the call began, or the beginning of that, such as 2026-03-01, where its name came more than "
    "once.  [default: the newest]",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="OUT.html",
    help="The page to write: one file that needs no network.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the same facts as JSON, and nothing else.")
def report(
    *, call: str, evidence: Path | None, store: Path, begun: str | None, out: Path | None, as_json: bool
) -> None:
    """Report on a live call from what was kept of it: the alert store and, if named, the evidence.

    Evidence is verified on the way. What was changed is left out, and the report says so.
    """
    if out is None and not as_json:
        raise ConfigurationError("There is nothing to write.", fix="Add --out OUT.html, --json, or both.")
    if out is not None:
        require_report_folder(out)
    records = read_call(call, store=store, evidence=evidence, begun=begun)
    made = call_report(records, datetime.now(UTC), program=program_version())
    if as_json:
        click.echo(json.dumps(report_facts(made), allow_nan=False))
    if out is not None:
        write_report(made, out)
        click.echo(f"report: {printable(str(out))}", err=True)
