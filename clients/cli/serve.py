"""``seamwatch serve``: the monitor."""

from __future__ import annotations

import click

from clients.cli.alert_options import AlertRoutes, alert_options
from clients.cli.examples import examples
from clients.cli.server_options import ServerSettings, server_options


@click.command(
    epilog=examples(
        "seamwatch serve",
        "seamwatch serve --port 9000 --store alerts.sqlite3",
        "seamwatch serve --backend auto",
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
@alert_options(room=False)
@server_options
def serve(*, token: str | None, alerts: AlertRoutes, server: ServerSettings) -> None:
    """Run the monitor: calls come in over WHIP, verdicts go out on a page and a WebSocket.

    Ctrl-C and SIGTERM end it cleanly with exit code 0.
    """
    server.run(
        token or None,
        lambda url: alerts.say(f"Seamwatch is running on {url} (Ctrl-C ends it)"),
        followers=alerts.companions(server.store),
    )
