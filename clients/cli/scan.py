"""``seamwatch scan``: the pipeline of a live call over files, as fast as the machine goes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from clients.cli.engine_options import engine_options, engines_folder
from clients.cli.errors import EXIT_FAULT, EXIT_UNREADABLE, show_error
from clients.cli.evidence_options import evidence_options
from clients.cli.examples import examples
from clients.cli.scan_evidence import scan_evidence
from clients.cli.scan_output import json_line, people_view, unreadable_result
from clients.printable import printable
from clients.report import write_report
from realtime.config import MonitorConfig
from realtime.encoders.suite import load_encoders
from realtime.errors import ConfigurationError, MediaError
from realtime.evidence.keeping import Keeping
from realtime.scan import ScanResult, scan_file

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


def _require_report_folder(report: Path) -> None:
    folder = report.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK) or report.is_dir():
        raise ConfigurationError(
            f"The report cannot be written to {report}.",
            fix="Name a file in a folder that exists and that you may write to.",
        )


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
@evidence_options
@engine_options
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=lambda: min(4, os.cpu_count() or 1),
    show_default="processors, at most 4",
    help="Processor threads that the models may use.",
)
def scan(
    *,
    files: tuple[Path, ...],
    as_json: bool,
    report: Path | None,
    engines: Path | None,
    backend: str | None,
    threads: int,
    keeping: Keeping,
) -> None:
    """Judge recorded files: does the face stay the same person, do the lips fit the voice?

    Reads any container and codec that FFmpeg reads. A file that cannot be read does not stop the others; the
    exit code is then 3.
    """
    if report is not None:
        _require_report_folder(report)
    config = MonitorConfig()
    engines_dir = engines_folder(engines, backend, threads=threads)
    encoders = load_encoders(config, engines_dir=engines_dir, threads=threads)
    results: list[ScanResult] = []
    all_readable = True
    with scan_evidence(keeping, encoders, config) as evidence:
        for path in files:
            error: MediaError | None = None
            keep = None if evidence is None else evidence.for_file(path)
            try:
                with _progress_bar(str(path)) as on_progress:
                    result = scan_file(_checked(path), encoders, config, on_progress, keep)
            except MediaError as raised:
                error = raised
                all_readable = False
                result = unreadable_result(str(path), encoders.ids)
                show_error(raised.message, fix=raised.fix)
            results.append(result)
            if as_json:
                click.echo(json_line(result, error))
    if not as_json:
        Console(highlight=False).print(people_view(results))
    if report is not None:
        write_report(results, report)
        click.echo(f"report: {printable(str(report))}", err=True)
    if not all_readable:
        sys.exit(EXIT_UNREADABLE)
    if evidence is not None and evidence.failed:
        sys.exit(EXIT_FAULT)
