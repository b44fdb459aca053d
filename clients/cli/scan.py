"""``seamwatch scan``: the pipeline of a live call over files, as fast as the machine goes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from clients.cli.decision_options import decision_options
from clients.cli.engine_options import engine_options, engines_folder, threads_option
from clients.cli.errors import EXIT_FAULT, EXIT_UNREADABLE, show_error
from clients.cli.evidence_options import evidence_options
from clients.cli.examples import examples
from clients.cli.reference_options import scan_reference_option
from clients.cli.scan_evidence import scan_evidence
from clients.cli.scan_output import graph_line, json_line, people_view, unreadable_result
from clients.cli.schema_option import GRAPH, require_json, schema_option
from clients.printable import printable
from clients.report import write_report
from clients.report.place import require_report_folder
from clients.report.scan_report import scan_report
from realtime.config import MonitorConfig
from realtime.decisions import DecisionChoice
from realtime.encoders.suite import load_encoders
from realtime.errors import MediaError
from realtime.evidence.keeping import Keeping
from realtime.evidence.provenance import program_version, provenance_of
from realtime.evidence.reading import check_path
from realtime.identity.references import embedded_reference
from realtime.scan import ScanResult, scan_config, scan_file

OnProgress = Callable[[float, float], None]


@contextmanager
def _progress_bar(file: str) -> Iterator[OnProgress]:
    """Show how far a file is, on stderr and only where a person sees it."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task(printable(Path(file).name), total=None)

        def update(done_s: float, duration_s: float) -> None:
            progress.update(task, completed=done_s, total=duration_s if duration_s > 0 else None)

        yield update


def _checked(path: Path) -> Path:
    if not path.exists():
        raise MediaError(f"{path} does not exist.", fix="Check the path.")
    if path.is_dir():
        raise MediaError(f"{path} is a folder.", fix="Name the files in it.")
    return path


@click.command(
    epilog=examples(
        "seamwatch scan interview.mp4",
        "seamwatch scan *.mp4 --report report.html",
        "seamwatch scan call.webm --json | jq .verdict",
        "seamwatch scan call.webm --backend openvino",
        "seamwatch scan call.webm --reference alice.jpg",
    )
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a file, and nothing else.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="OUT.html",
    help="Also write a self-contained page with timelines and matrices.",
)
@scan_reference_option
@decision_options
@schema_option("what --json prints")
@evidence_options
@engine_options
@threads_option
def scan(
    *,
    files: tuple[Path, ...],
    as_json: bool,
    schema: str,
    report: Path | None,
    engines: Path | None,
    backend: str | None,
    threads: int,
    keeping: Keeping,
    reference: Path | None,
    deciding: DecisionChoice,
) -> None:
    """Judge recorded files: does the face stay the same person, do the lips fit the voice?

    Reads any container and codec that FFmpeg reads. A file that cannot be read does not stop the others; the
    exit code is then 3.
    """
    require_json(schema, as_json=as_json)
    if report is not None:
        require_report_folder(report)
    config = deciding.configured(MonitorConfig())
    engines_dir = engines_folder(engines, backend, threads=threads)
    encoders = load_encoders(config, engines_dir=engines_dir, threads=threads)
    decisions = deciding.loaded(encoders.ids, config)
    known = None if reference is None else embedded_reference(reference, encoders, config.faces)
    results: list[ScanResult] = []
    all_readable = True
    with scan_evidence(keeping, encoders, config) as evidence:
        for path in files:
            error: MediaError | None = None
            keep = None if evidence is None else evidence.for_file(path)
            try:
                with _progress_bar(str(path)) as on_progress:
                    result = scan_file(
                        _checked(path),
                        encoders,
                        config,
                        on_progress,
                        keep,
                        calibration=decisions.calibration,
                        reference=known,
                        keep_media=keeping.media,
                    )
            except MediaError as raised:
                error = raised
                all_readable = False
                result = unreadable_result(str(path), encoders.ids)
                show_error(raised.message, fix=raised.fix)
            results.append(result)
            if as_json:
                click.echo(graph_line(result, path) if schema == GRAPH else json_line(result, error))
    if not as_json:
        Console(highlight=False).print(people_view(results))
    if report is not None:
        provenance = provenance_of(encoders, scan_config(config))
        now = datetime.now(UTC)
        page = scan_report(
            results,
            now,
            program=program_version(),
            provenance=provenance,
            evidence=None if keeping.evidence is None else check_path(keeping.evidence),
            written=() if evidence is None else evidence.written,
        )
        write_report(page, report)
        click.echo(f"report: {printable(str(report))}", err=True)
    if not all_readable:
        sys.exit(EXIT_UNREADABLE)
    if evidence is not None and evidence.failed:
        sys.exit(EXIT_FAULT)
