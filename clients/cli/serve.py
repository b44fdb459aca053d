"""``seamwatch serve``: the monitor."""

from __future__ import annotations

import logging
from dataclasses import replace

import click
from click.core import ParameterSource

from clients.cli.alert_options import AlertRoutes, alert_options
from clients.cli.examples import examples
from clients.cli.server_options import ServerSettings, server_options
from engines.processors import usable_processors

MAX_WORKERS = 64


@click.command(
    epilog=examples(
        "seamwatch serve",
        "seamwatch serve --port 9000 --store alerts.sqlite3",
        "seamwatch serve --backend auto",
        "seamwatch serve --workers 4 --max-participants 40",
        "seamwatch serve --reference alice=alice.jpg",
        "seamwatch serve --alerts https://alerts.example/seamwatch --webhook-key key.pem",
        "SEAMWATCH_TOKEN=s3cret seamwatch serve --host 0.0.0.0",
        "SEAMWATCH_TOKEN=s3cret SEAMWATCH_VIEWER_TOKEN=l00k seamwatch serve --host 0.0.0.0",
    )
)
@click.option(
    "--token",
    envvar="SEAMWATCH_TOKEN",
    help="What operators must present; required when other machines can connect.  [env: SEAMWATCH_TOKEN]",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1, max=MAX_WORKERS),
    default=1,
    show_default=True,
    help="Processes that watch, each with calls of its own; --threads is then for each of them.",
)
@alert_options(room=False)
@server_options
@click.pass_context
def serve(
    context: click.Context, *, token: str | None, workers: int, alerts: AlertRoutes, server: ServerSettings
) -> None:
    """Run the monitor: calls come in over WHIP, verdicts go out on a page and a WebSocket.

    Ctrl-C and SIGTERM end it cleanly with exit code 0.
    """

    def ready(url: str) -> None:
        alerts.say(f"Seamwatch is running on {url} (Ctrl-C ends it)")

    followers = alerts.companions(server.store)
    if workers == 1:
        server.run(token or None, ready, followers=followers)
        return
    if context.get_parameter_source("threads") is ParameterSource.DEFAULT:
        server = replace(server, threads=max(1, min(server.threads, usable_processors() // workers)))
    said = context.find_root().params
    server.run_workers(
        workers,
        token or None,
        ready,
        followers=followers,
        log_format="json" if said["log_format"] == "json" else "console",
        log_level=logging.getLevelNamesMapping()[said["log_level"].upper()],
    )
