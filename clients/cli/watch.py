"""``seamwatch watch``: a monitor's alerts as they come."""

from __future__ import annotations

from contextlib import aclosing

import click
from rich.console import Console

from clients.cli.call_view import print_json
from clients.cli.endpoints import Endpoints, endpoints
from clients.cli.examples import examples
from clients.cli.live_board import message_line
from clients.cli.running import run_until_interrupted
from clients.cli.schema_option import GRAPH, RENDERS, require_json, schema_option
from clients.subscriber import Subscriber
from realtime.errors import ConfigurationError
from realtime.server.wire import AlertMessage, ErrorMessage, Message


def _is_wanted(message: Message, *, scores: bool) -> bool:
    return scores or isinstance(message, AlertMessage | ErrorMessage)


async def _watch(
    where: Endpoints,
    token: str | None,
    call: str | None,
    after: int | None,
    *,
    as_json: bool,
    scores: bool,
    schema: str,
) -> None:
    console = Console(highlight=False, soft_wrap=True)
    subscriber = Subscriber(where.alerts, token=token, call=call, after=after)
    async with aclosing(subscriber.messages()) as messages:
        async for message in messages:
            if not _is_wanted(message, scores=scores):
                continue
            if isinstance(message, AlertMessage) and as_json:
                click.echo(RENDERS[schema](message))
            elif as_json:
                print_json(message)
            elif (line := message_line(message)) is not None:
                console.print(line)


@click.command(
    epilog=examples(
        "seamwatch watch ws://127.0.0.1:8080",
        "seamwatch watch ws://127.0.0.1:8080 --call board --after 0",
        "seamwatch watch ws://127.0.0.1:8080 --json | jq .participant",
        "seamwatch watch ws://127.0.0.1:8080 --json --schema graph | jq .reportSyntheticMedia",
    )
)
@click.argument("address", metavar="URL", default="ws://127.0.0.1:8080")
@click.option("--call", help="Only this call.")
@click.option(
    "--after", type=click.IntRange(min=0), help="Also show stored alerts after this number; 0: all."
)
@click.option(
    "--scores", is_flag=True, help="Also show running scores, who joins and leaves, and the state of calls."
)
@click.option("--token", envvar="SEAMWATCH_TOKEN", help="The monitor's token.  [env: SEAMWATCH_TOKEN]")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the messages as they are, one JSON object a line."
)
@schema_option("the alerts that --json prints")
def watch(
    *,
    address: str,
    call: str | None,
    after: int | None,
    scores: bool,
    token: str | None,
    as_json: bool,
    schema: str,
) -> None:
    """Print a monitor's alerts as they come, one a line; Ctrl-C ends it with exit code 0."""
    require_json(schema, as_json=as_json)
    if schema == GRAPH and scores:
        raise ConfigurationError("Graph has no running scores.", fix="Leave out --scores or --schema.")
    run_until_interrupted(
        _watch(endpoints(address), token or None, call, after, as_json=as_json, scores=scores, schema=schema)
    )
