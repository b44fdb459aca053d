"""``seamwatch join``: the monitor as a visible participant of other people's calls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console

from clients.cli.alert_options import AlertRoutes, alert_options
from clients.cli.examples import examples
from clients.cli.live_board import message_line
from clients.cli.server_options import ServerSettings, server_options
from clients.joining.attendance import Attendance
from clients.joining.calls_file import read_calls
from clients.joining.kinds import open_adapter
from clients.joining.target import MONITOR_NAME, JoinTarget, join_target
from realtime.compose import Companion
from realtime.errors import ConfigurationError
from realtime.monitor import Monitor
from realtime.server.hub import EventHub
from realtime.server.subscription import SubscriptionEnded
from realtime.server.wire import AlertMessage, Call, Participant


def attending(calls: Sequence[Attendance]) -> Companion:
    """Return the work of staying in several calls; it ends when all of them have ended.

    A call that refuses the monitor leaves the others alone; its error comes out at the end.
    """

    async def attend_all(monitor: Monitor, hub: EventHub) -> None:
        outcomes = await asyncio.gather(
            *(call.attend(monitor, hub) for call in calls), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    return attend_all


async def narrate(_monitor: Monitor, hub: EventHub) -> None:
    """Print on stderr what happens in the calls: joined and lost, who is there, and alerts."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with hub.subscription() as subscription:
        try:
            async for message in subscription.messages():
                if isinstance(message, Call | Participant | AlertMessage):
                    line = message_line(message)
                    if line is not None:
                        console.print(line)
        except SubscriptionEnded:
            await asyncio.Event().wait()


def _targets(url: str | None, config: Path | None, **one: str | None) -> list[JoinTarget]:
    if (url is None) == (config is None):
        raise ConfigurationError(
            "Name one call, or a file of calls.", fix="Give a URL or --config FILE, not both."
        )
    if config is not None:
        given = [name for name in ("pin", "join_token", "name") if one[name] is not None]
        if given:
            raise ConfigurationError(
                "--pin, --token and --name belong to one call.", fix="Write them into the file of calls."
            )
        targets = read_calls(config)
    else:
        assert url is not None
        targets = [
            join_target(
                url,
                call=one["name"],
                display_name=one["display_name"] or MONITOR_NAME,
                pin=one["pin"],
                token=one["join_token"],
            )
        ]
    names = [target.call for target in targets]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigurationError(
            f"Two calls are named {twice}.", fix="Give them different names: name = ... in the file."
        )
    return targets


@click.command(
    epilog=examples(
        "seamwatch join janus://call.example:8188/room/1234",
        "seamwatch join janus://call.example:8188/room/1234 --pin 4321 --say-hello",
        "seamwatch join whep+https://media.example/whep/alice --token s3cret",
        "SEAMWATCH_JOIN_TOKEN=... seamwatch join livekit+wss://call.example",
        "seamwatch join peerjs://call.example:9000/?id=seamwatch",
        "seamwatch join janus://call.example:8188/room/1234 --reference alice=alice.jpg",
        "seamwatch join --config calls.toml --alerts stdout --alerts room",
    )
)
@click.argument("url", required=False)
@click.option(
    "--config", type=click.Path(dir_okay=False, path_type=Path), help="A TOML file that names several calls."
)
@click.option("--pin", help="The room's PIN.")
@click.option(
    "--token",
    "join_token",
    envvar="SEAMWATCH_JOIN_TOKEN",
    help="The call's access token (LiveKit, WHEP).  [env: SEAMWATCH_JOIN_TOKEN]",
)
@click.option("--name", help="Name of the call on the page and in alerts; by default from the URL.")
@click.option(
    "--display-name",
    default=MONITOR_NAME,
    show_default=True,
    help="The name under which the monitor is seen in the call.",
)
@click.option(
    "--say-hello", is_flag=True, help="Post one line into the call's chat that says what the monitor does."
)
@click.option(
    "--server-token",
    envvar="SEAMWATCH_TOKEN",
    help="What operators must present to the page and the alerts.  [env: SEAMWATCH_TOKEN]",
)
@alert_options(room=True)
@server_options
def join(
    *,
    url: str | None,
    config: Path | None,
    pin: str | None,
    join_token: str | None,
    name: str | None,
    display_name: str,
    say_hello: bool,
    server_token: str | None,
    alerts: AlertRoutes,
    server: ServerSettings,
) -> None:
    """Join a call as a visible participant that publishes nothing, and watch everybody in it.

    URL says where: janus://HOST:8188/room/1234, whep+https://HOST/PATH, livekit+wss://HOST, or
    peerjs://HOST:9000/?id=NAME. The page, the WebSocket and the metrics are served as by `seamwatch serve`.

    A call that is lost is joined again; participants that come back within a minute keep their state. The
    command ends when the call is over, or politely with Ctrl-C.
    """
    targets = _targets(url, config, pin=pin, join_token=join_token, name=name, display_name=display_name)
    calls = [
        Attendance(target, open_adapter=open_adapter, clock_ns=time.monotonic_ns, say_hello=say_hello)
        for target in targets
    ]
    rooms = {call.target.call: call.post for call in calls}
    rates = {
        target.call: target.false_alarms_per_hour
        for target in targets
        if target.false_alarms_per_hour is not None
    }
    replace(server, deciding=replace(server.deciding, rates_per_hour=rates)).run(
        server_token or None,
        lambda page: alerts.say(f"Seamwatch is running on {page} (Ctrl-C leaves the call)"),
        companions=[attending(calls)],
        followers=[
            narrate,
            *alerts.companions(server.store, rooms),
        ],
    )
