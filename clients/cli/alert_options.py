"""Where alerts go besides the WebSocket: the options of the commands that run a monitor."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click
import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clients.cli.schema_option import RENDERS, schema_option
from realtime.delivery.companion import Delivery, deliver_alerts
from realtime.delivery.keys import read_key
from realtime.delivery.line_writer import write_line
from realtime.delivery.outlet import Destination, LineOutlet, Render, as_on_the_wire
from realtime.delivery.webhook import webhook_destination, webhook_url
from realtime.errors import ConfigurationError

#: Posts a line into a call's chat or data channel and tells whether it was taken.
Post = Callable[[str], Awaitable[bool]]

STDOUT = "stdout"
ROOM = "room"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRoutes:
    """Where alerts go besides the WebSocket.

    Attributes:
        stdout: To standard output, which then carries nothing else.
        room: Into the call that they are about.
        webhooks: To these addresses.
        keys: Sign what goes there.
        render: The shape of what goes to all of them.
    """

    stdout: bool
    room: bool
    webhooks: tuple[httpx.URL, ...]
    keys: tuple[Ed25519PrivateKey, ...]
    render: Render = as_on_the_wire

    def companions(self, store: Path, rooms: Mapping[str, Post] | None = None) -> list[Delivery]:
        """Return the work that delivers alerts beside the monitor, for ``realtime.compose.run_server``.

        It comes last among the companions, so that it still delivers what the others bring about.

        Args:
            store: The alert store.
            rooms: For each call what posts into it.
        """
        destinations = [
            webhook_destination(url, self.keys, store_path=store, render=self.render) for url in self.webhooks
        ]
        if self.stdout:
            destinations.append(_stdout(self.render))
        if self.room:
            destinations += [_room(call, post, self.render) for call, post in (rooms or {}).items()]
        return [deliver_alerts(destinations)] if destinations else []

    def say(self, line: str) -> None:
        """Print a line for people, on stderr where standard output is for alerts."""
        click.echo(line, err=self.stdout)


def alert_options(*, room: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what adds ``--alerts`` and its like to a command, which gets them together as ``alerts``.

    Args:
        room: Whether the command is in calls into which alerts can be posted.
    """

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def gathered(
            *, alerts: Sequence[str], webhook_key: Sequence[Path], schema: str, **options: Any
        ) -> Any:
            routes = alert_routes(alerts, webhook_key, room=room, render=RENDERS[schema])
            return command(alerts=routes, **options)

        to_webhooks = click.option(
            "--webhook-key",
            multiple=True,
            type=click.Path(dir_okay=False, path_type=Path),
            help="Private key that signs webhooks; several while a key is exchanged.",
        )
        to_all = click.option(
            "--alerts",
            multiple=True,
            metavar=_form(room=room),
            help="Where alerts go besides the WebSocket; may be given several times.",
        )
        return to_all(to_webhooks(schema_option("what goes to --alerts")(gathered)))

    return add


def alert_routes(
    wanted: Sequence[str], key_files: Sequence[Path], *, room: bool, render: Render = as_on_the_wire
) -> AlertRoutes:
    """Read what was asked for.

    Args:
        wanted: ``stdout``, ``room`` or addresses of webhooks.
        key_files: Private keys.
        room: Whether there are calls into which alerts can be posted.
        render: The shape of alerts.

    Raises:
        ConfigurationError: A destination is not known, not allowed or not possible here, or a key is missing.
    """
    places = list(dict.fromkeys(wanted))
    if ROOM in places and not room:
        raise ConfigurationError(
            "There is no room to post alerts into.", fix="Use --alerts room with `seamwatch join`."
        )
    addresses = [place for place in places if place not in {STDOUT, ROOM}]
    if any("://" not in address for address in addresses):
        raise ConfigurationError("One of --alerts is not known.", fix=f"Use {_form(room=room)}.")
    if addresses and not key_files:
        raise ConfigurationError(
            "Webhooks are signed, which needs a key.",
            fix="Make one with `seamwatch webhook key --out key.pem` and add: --webhook-key key.pem",
        )
    return AlertRoutes(
        stdout=STDOUT in places,
        room=ROOM in places,
        webhooks=tuple(webhook_url(address) for address in addresses),
        keys=tuple(read_key(path) for path in key_files),
        render=render,
    )


def _stdout(render: Render) -> Destination:
    async def write(line: str) -> bool:
        return await write_line(sys.stdout.fileno(), line)

    outlet = LineOutlet(write, patient=True, render=render)
    return Destination(kind="stdout", open_outlet=lambda: nullcontext(outlet))


def _room(call: str, post: Post, render: Render) -> Destination:
    outlet = LineOutlet(post, render=render)
    return Destination(kind="room", open_outlet=lambda: nullcontext(outlet), call=call)


def _form(*, room: bool) -> str:
    return f"{STDOUT}|{ROOM}|https://..." if room else f"{STDOUT}|https://..."
