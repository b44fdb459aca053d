"""``seamwatch data``: real and fake clips to features for training and evaluation."""

from __future__ import annotations

import json
from pathlib import Path

import click

from engines.processors import usable_processors
from realtime.interrupt import sigterm_as_interrupt
from training.cli.console import counting_bar, printable
from training.data.layouts import LAYOUTS, read_clips
from training.data.prepare import SKIPPED_NAME, PrepareReport, prepare
from training.tamper.compression import PROFILES


@click.group()
def data() -> None:
    """Prepare clips for training and evaluation."""


@data.command("prepare")
@click.argument("sources", metavar="SRC...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder of the shards; a folder begun earlier is continued.",
)
@click.option(
    "--layout",
    type=click.Choice(list(LAYOUTS)),
    show_default="found out",
    help="How the sources are laid out.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=usable_processors,
    show_default="processors",
    help="Number of processes.",
)
@click.option(
    "--faces",
    is_flag=True,
    help="Also keep aligned faces, 5 a second, for the models of the paper; give it again to continue.",
)
@click.option(
    "--through",
    multiple=True,
    type=click.Choice(list(PROFILES)),
    help="Re-encode each clip through one of these profiles first (give it several times).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def prepare_command(
    *,
    sources: tuple[Path, ...],
    out: Path,
    layout: str | None,
    workers: int,
    faces: bool,
    through: tuple[str, ...],
    as_json: bool,
) -> None:
    """Turn clips into training shards: lips, mouth, voice, speech activity, identity and quality.

    SRC is a folder or a manifest.csv. Clips that DIR already holds are left alone, so the same command
    continues after an interruption. Clips without a usable face, picture or sound are listed with the reason
    on stderr and in DIR/skipped.csv.
    """
    clips = [clip for source in sources for clip in read_clips(source, layout)]
    with sigterm_as_interrupt(), counting_bar("preparing", len(clips)) as update:
        report = prepare(
            clips,
            out,
            workers=workers,
            faces=faces,
            through=through,
            on_progress=lambda done, of: update(completed=done, total=of),
        )
    for name, reason in report.skipped:
        click.echo(f"skipped {printable(name)}: {printable(reason)}", err=True)
    click.echo(json.dumps(_as_json(report, out)) if as_json else _as_text(report, out))


def _as_json(report: PrepareReport, out: Path) -> dict[str, object]:
    return {
        "out": str(out),
        "prepared": report.prepared,
        "unchanged": report.unchanged,
        "seconds": round(report.seconds, 2),
        "shards": report.shards,
        "skipped": [{"file": name, "reason": reason} for name, reason in report.skipped],
    }


def _as_text(report: PrepareReport, out: Path) -> str:
    skipped = f", {len(report.skipped)} skipped ({SKIPPED_NAME})" if report.skipped else ""
    return (
        f"{report.prepared} clips prepared ({report.seconds / 60:.1f} min), "
        f"{report.unchanged} unchanged{skipped}; {report.shards} shards in {printable(str(out))}"
    )
