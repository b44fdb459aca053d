"""``seamwatch bench all``: every bench in turn, each in a process of its own, and one page."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from bench.cli.compare import read_result
from bench.cli.delivery import noted_interruption
from bench.report.index_page import Outcome, index_page
from clients.cli.errors import EXIT_INTERRUPTED
from realtime.errors import ConfigurationError

#: Cheap ones first; those that need a machine at rest are not started behind one another's load.
ORDER = (
    "floor",
    "encoders",
    "similarity",
    "scan",
    "latency",
    "capacity",
    "network",
    "stream",
    "accuracy",
    "soak",
    "peers",
)
INDEX = "index.md"
_CLIPS_DIR = "clips_dir"
_WROTE = re.compile(r"wrote (.+\.json)$")
_ERROR = re.compile(r"error: (.+)$", re.IGNORECASE)


@click.command("all")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help=f"Folder of all results and of {INDEX}.",
)
@click.option("--quick", is_flag=True, help="A smoke run of each; none of the figures means anything.")
@click.option(
    "--clips-dir",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Recorded clips with a manifest.csv, for the benches that send people.",
)
@click.option(
    "--tamper-dir",
    "tamper_dirs",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    multiple=True,
    help="Folder from `seamwatch tamper`, for benches that need ground truth; may be given several times.",
)
@click.option(
    "--skip", "skipped", type=click.Choice(ORDER), multiple=True, help="May be given several times."
)
@click.pass_context
def everything(
    ctx: click.Context,
    *,
    out: Path,
    quick: bool,
    clips_dir: Path | None,
    tamper_dirs: tuple[Path, ...],
    skipped: tuple[str, ...],
) -> None:
    """Run every bench with its defaults, one after the other, and write one page over all results."""
    outcomes: list[Outcome] = []
    with noted_interruption() as interruption:
        for name in ORDER:
            if name in skipped:
                outcomes.append(Outcome(bench=name, problem="skipped as asked"))
                continue
            try:
                command = _command(ctx, name)
                arguments = arguments_for(command, clips_dir=clips_dir, tamper_dirs=tamper_dirs)
            except ConfigurationError as error:
                outcomes.append(Outcome(bench=name, problem=f"skipped: {error.message}; {error.fix}"))
                continue
            click.echo(f"bench {name}", err=True)
            _run([name, *arguments, *["--quick"] * quick, "--out", str(out)], outcomes)
    out.mkdir(parents=True, exist_ok=True)
    page = index_page(outcomes)
    (out / INDEX).write_text(page, encoding="utf-8")
    click.echo(page)
    if interruption.happened:
        raise SystemExit(EXIT_INTERRUPTED)


def arguments_for(
    command: click.Command, *, clips_dir: Path | None, tamper_dirs: Sequence[Path]
) -> list[str]:
    """Return what a bench is called with, besides the shared options.

    Raises:
        ConfigurationError: If it needs files that were not given.
    """
    arguments: list[str] = []
    for parameter in command.params:
        if parameter.name == _CLIPS_DIR and clips_dir is not None:
            arguments += ["--clips-dir", str(clips_dir)]
        if isinstance(parameter, click.Argument) and parameter.required:
            if not tamper_dirs:
                raise ConfigurationError(
                    "it needs clips with ground truth", fix="name some with --tamper-dir"
                )
            arguments += map(str, tamper_dirs if parameter.nargs == -1 else tamper_dirs[: parameter.nargs])
    return arguments


def _command(ctx: click.Context, name: str) -> click.Command:
    group = ctx.parent.command if ctx.parent is not None else None
    command = group.get_command(ctx, name) if isinstance(group, click.Group) else None
    if command is None:
        raise ConfigurationError(f"there is no bench {name}", fix="run it as `seamwatch bench all`")
    return command


def _run(arguments: Sequence[str], outcomes: list[Outcome]) -> None:
    """Run one bench; what it wrote is added to the outcomes, also where it is interrupted."""
    begun_s = time.monotonic()
    # Ctrl-C reaches this process only, which passes it on once.
    process = subprocess.Popen(
        [sys.executable, "-m", "clients.cli.main", "bench", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    lines: list[str] = []
    try:
        for line in process.stderr:
            click.echo(line, err=True, nl=False)
            lines.append(line.strip())
    except KeyboardInterrupt:
        process.send_signal(signal.SIGTERM)
        lines += process.communicate()[1].splitlines()
        raise
    finally:
        process.wait()
        outcomes.append(outcome_of(arguments[0], lines, process.returncode, time.monotonic() - begun_s))


def outcome_of(bench: str, lines: Sequence[str], exit_code: int, seconds: float) -> Outcome:
    """Return what became of a bench, from what it said on stderr.

    Args:
        bench: Its name.
        lines: What it said.
        exit_code: How it ended.
        seconds: How long it took.
    """
    files = [Path(found.group(1)) for line in lines if (found := _WROTE.search(line))]
    errors = [found.group(1) for line in lines if (found := _ERROR.search(line))]
    problem = ""
    if exit_code == EXIT_INTERRUPTED:
        problem = "interrupted"
    elif exit_code:
        problem = f"ended with {exit_code}: {errors[-1] if errors else 'see its messages'}"
    return Outcome(
        bench=bench,
        seconds=seconds,
        results=tuple((file.stem, read_result(file)) for file in files),
        problem=problem,
    )
