"""The group of all benches."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import click

from bench.cli.command import remember_arguments
from clients.cli.examples import examples
from realtime.errors import ConfigurationError

COMMANDS: Mapping[str, str] = {
    "stream": "Verdicts, delays and drops of files that are sent as a live call.",
    "capacity": "How many participants keep real time.",
    "latency": "From a window's last sample to its score on the WebSocket.",
    "accuracy": "How well fakes are told, and whether a verdict changed.",
    "network": "What arrives over bad networks.",
    "soak": "Whether memory and descriptors grow in hours of call.",
    "similarity": "An incremental update against recomputing everything.",
    "scan": "How fast a recording is judged.",
    "peers": "Other programs on the same clips.",
    "floor": "Decoding and colour conversion alone.",
    "encoders": "CPU time of all encoders.",
    "all": "All of them in turn, and one page.",
    "compare": "Two results of one bench: ratios and regressions.",
}
#: Module, and name in it, of commands whose own name is one of Python's.
RENAMED: Mapping[str, str] = {"all": "everything"}

#: Which extra brings a package that a bench may need.
EXTRAS: Mapping[str, str] = {
    "matplotlib": "bench",
    "scipy": "bench",
    "torch": "training",
    "onnxscript": "training",
}


class BenchGroup(click.Group):
    """A group whose commands are imported on use."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the arguments for the result's ``command``."""
        remember_arguments(ctx, args)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which the help shows them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command.

        Raises:
            ConfigurationError: If a package is missing that an extra brings.
        """
        if cmd_name not in COMMANDS:
            return None
        name = RENAMED.get(cmd_name, cmd_name)
        module = f"bench.cli.{name}"
        try:
            command = getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package not in EXTRAS:
                raise
            raise ConfigurationError(
                f"bench {cmd_name} needs {package}, which is not installed",
                fix=f"pip install 'seamwatch[{EXTRAS[package]}]'",
            ) from error
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.{name} is not a click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=BenchGroup,
    epilog=examples(
        "seamwatch bench latency --quick                  see that it works",
        "seamwatch bench latency --out results            measure, and keep the result",
        "seamwatch bench compare before.json after.json   see what changed",
    ),
)
def bench() -> None:
    """Measure speed, delay and accuracy on this host.

    Every bench prints a table; --out also writes JSON, Markdown and PNG. Ctrl-C keeps what was measured.
    """
