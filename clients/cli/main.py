"""The ``seamwatch`` command: global options, and sub-commands that are imported only when they run.

Commands are named by strings: ``bench`` stands above this package, which may not import it.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
import os
from collections.abc import Mapping
from typing import Any

import click

from clients.cli.errors import reported_errors
from clients.cli.examples import examples
from realtime.observe.logging import configure_logging

#: Must be set before numpy is imported. Its products are small here: a second BLAS thread only spins, and
#: takes from decoding and the models what it costs.
BLAS_THREADS = "OPENBLAS_NUM_THREADS"

COMMANDS: Mapping[str, tuple[str, str, str]] = {
    "scan": ("clients.cli.scan", "scan", "Judge recorded files."),
    "join": ("clients.cli.join", "join", "Join a call and watch everybody in it."),
    "serve": ("clients.cli.serve", "serve", "Run the monitor that live calls are sent to."),
    "stream": ("clients.cli.stream", "stream", "Send files to a monitor as a live call."),
    "watch": ("clients.cli.watch", "watch", "Print a monitor's alerts as they come."),
    "report": ("clients.cli.report", "report", "Write a page on a call from what was kept of it."),
    "evidence": ("clients.cli.evidence", "evidence", "Verify, list and pack the evidence of alerts."),
    "calibrate": (
        "clients.cli.calibrate",
        "calibrate",
        "Learn from genuine recordings when to raise an alarm.",
    ),
    "webhook": ("clients.cli.webhook", "webhook", "Send alerts to other programs, signed, and receive them."),
    "demo": ("clients.cli.demo", "demo", "Run the monitor and stream a demo call into it."),
    "models": ("clients.cli.models", "models", "List, fetch and verify the models."),
    "engines": ("clients.cli.engines", "engines", "Build engines for this host, and prove them."),
    "data": ("training.cli.data", "data", "Prepare clips for training."),
    "train": ("training.cli.train", "train", "Train encoders on real clips."),
    "export": ("training.cli.export", "export", "Turn a training run into a checkpoint."),
    "tamper": ("training.cli.tamper", "tamper", "Make tampered clips from real ones."),
    "evaluate": ("training.cli.evaluate", "evaluate", "Measure how well fakes are told from real clips."),
    "bench": ("bench.cli", "bench", "Measure speed, delay and accuracy on this host."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported on use and whose exceptions become messages."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which the help shows them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        os.environ.setdefault(BLAS_THREADS, "1")
        module, attribute, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.{attribute} is not a click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, (_, _, help_line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command and report what it raises."""
        with reported_errors(details=ctx.params.get("log_level") == "debug"):
            return super().invoke(ctx)


def _print_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    try:
        version = importlib.metadata.version("seamwatch")
    except importlib.metadata.PackageNotFoundError:
        version = "(not installed)"
    click.echo(f"seamwatch {version}")
    ctx.exit()


@click.group(
    cls=LazyGroup,
    epilog=examples(
        "seamwatch demo                                   see it work",
        "seamwatch scan interview.mp4 --report out.html   judge a recording",
        "seamwatch serve                                  watch live calls",
        "seamwatch watch ws://127.0.0.1:8080              print alerts",
    ),
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "SEAMWATCH"},
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"], case_sensitive=False),
    default="warning",
    show_default=True,
    help="How much is logged on stderr.",
)
@click.option(
    "--log-format",
    type=click.Choice(["console", "json"], case_sensitive=False),
    default="console",
    show_default=True,
    help="How a log line is written.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
def main(log_level: str, log_format: str) -> None:
    """Seamwatch finds where a face or a voice stops being consistent with itself, while the call runs.

    Every option can also be set in the environment, for example SEAMWATCH_SERVE_PORT=9000.

    Exit codes: 0 done, 1 something failed, 2 usage, 3 a file could not be read, 130 interrupted.
    """
    configure_logging(
        "json" if log_format == "json" else "console", level=logging.getLevelNamesMapping()[log_level.upper()]
    )


if __name__ == "__main__":
    main()
