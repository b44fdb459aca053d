"""``--schema``: the shape of verdicts that other programs read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import click

from realtime.delivery.graph import as_graph
from realtime.delivery.outlet import Render, as_on_the_wire
from realtime.errors import ConfigurationError

SEAMWATCH, GRAPH = "seamwatch", "graph"

#: How an alert is written under each schema.
RENDERS: Mapping[str, Render] = MappingProxyType({SEAMWATCH: as_on_the_wire, GRAPH: as_graph})


def schema_option(of_what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what adds ``--schema`` to a command, which gets its name as ``schema``.

    Args:
        of_what: What has the shape, for the help text.
    """
    return click.option(
        "--schema",
        type=click.Choice([SEAMWATCH, GRAPH]),
        default=SEAMWATCH,
        show_default=True,
        help=f"Shape of {of_what}: Seamwatch's own, or that of Microsoft Graph's synthetic media detection.",
    )


def require_json(schema: str, *, as_json: bool) -> None:
    """Refuse a schema for what people read.

    Raises:
        ConfigurationError: Another schema than Seamwatch's own was asked for without ``--json``.
    """
    if schema != SEAMWATCH and not as_json:
        raise ConfigurationError("--schema is about JSON.", fix="Add --json.")
