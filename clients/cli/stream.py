"""``seamwatch stream``: files as the participants of a live call."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from clients.cli.broadcast import (
    Fault,
    Part,
    Sending,
    broadcast,
    exit_code_for,
    report_faults,
)
from clients.cli.call_view import json_view, table_view
from clients.cli.endpoints import Endpoints, endpoints
from clients.cli.examples import examples
from clients.names import safe_unique_names
from realtime.errors import ConfigurationError
from realtime.server.ports import NAME_RULE, is_name

SMALLEST_PX, LARGEST_PX = 16, 4096


class PictureSize(click.ParamType[tuple[int, int]]):
    """A picture size such as 640x480, both sides even."""

    name = "WxH"

    def convert(
        self, value: str | tuple[int, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Return width and height in pixels."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d{1,4})x(\d{1,4})", value.strip().lower())
        sides = (int(match[1]), int(match[2])) if match else (0, 0)
        if not all(SMALLEST_PX <= side <= LARGEST_PX and side % 2 == 0 for side in sides):
            self.fail(f"{value} is not a picture size; give even sides such as 640x480.", param, ctx)
        return sides


async def _stream(
    parts: Sequence[Part], where: Endpoints, sending: Sending, *, as_json: bool
) -> Sequence[Fault]:
    with json_view() if as_json else table_view([part.name for part in parts]) as show:
        return await broadcast(parts, where, sending, show)


@click.command(
    epilog=examples(
        "seamwatch stream anna.mp4 ben.mp4",
        "seamwatch stream talk.mp4 --to https://monitor.example:8443 --call board --token s3cret",
        "seamwatch stream talk.mp4 --json | jq .score",
    )
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--to",
    "address",
    metavar="URL",
    default="http://127.0.0.1:8080",
    show_default=True,
    help="The monitor.",
)
@click.option("--call", default="stream", show_default=True, help="Name of the call.")
@click.option("--loop", is_flag=True, help="Start files again when they end; Ctrl-C ends the call.")
@click.option("--size", type=PictureSize(), help="Scale the pictures.")
@click.option("--token", envvar="SEAMWATCH_TOKEN", help="The monitor's token.  [env: SEAMWATCH_TOKEN]")
@click.option("--json", "as_json", is_flag=True, help="Print the monitor's messages, one JSON object a line.")
def stream(
    *,
    files: tuple[Path, ...],
    address: str,
    call: str,
    loop: bool,
    size: tuple[int, int] | None,
    token: str | None,
    as_json: bool,
) -> None:
    """Send files to a monitor as a live call over WebRTC, in real time, and show what it says.

    Every file is a participant, named after the file.
    """
    where = endpoints(address)
    names = safe_unique_names(path.stem for path in files)
    parts = [Part(name=name, path=path) for name, path in zip(names, files, strict=True)]
    sending = Sending(call=call, loop=loop, token=token or None, size=size)
    if not is_name(call):
        raise ConfigurationError(f"There can be no call named {call}.", fix=NAME_RULE)
    faults = asyncio.run(_stream(parts, where, sending, as_json=as_json))
    report_faults(faults)
    if not as_json:
        click.echo(f"{len(parts) - len(faults)} of {len(parts)} files sent to their end.")
    if faults:
        sys.exit(exit_code_for(faults))
