"""How a command shows the messages of a call: as on the wire, or as a live table with alert lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click
from rich.console import Console
from rich.live import Live

from clients.cli.broadcast import OnMessage
from clients.cli.live_board import LiveBoard, message_line
from realtime.server.wire import AlertMessage, ErrorMessage, Message

REFRESH_HZ = 4


def print_json(message: Message) -> None:
    """Print a message as it is on the wire, on one line."""
    click.echo(message.model_dump_json())


@contextmanager
def json_view() -> Iterator[OnMessage]:
    """Print every message as one line of JSON."""
    yield print_json


@contextmanager
def table_view(participants: Sequence[str]) -> Iterator[OnMessage]:
    """Keep a table of the participants up to date and print alerts and errors above it.

    The table appears with the first message, so that nothing is drawn where no monitor answers.
    """
    board = LiveBoard(list(participants))
    console = Console(highlight=False)
    live = Live(board.table(), console=console, refresh_per_second=REFRESH_HZ)

    def show(message: Message) -> None:
        live.start()
        if isinstance(message, AlertMessage | ErrorMessage):
            console.print(message_line(message), soft_wrap=True)
        board.apply(message)
        live.update(board.table())

    try:
        yield show
    finally:
        shown = live.is_started
        live.stop()
        if shown and not console.is_terminal:
            console.line()
