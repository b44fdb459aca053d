"""``seamwatch serve``: the monitor."""

from __future__ import annotations

import os
from pathlib import Path

import click
import platformdirs

from clients import web
from clients.cli.engine_options import engine_options, engines_folder
from clients.cli.examples import examples
from clients.cli.running import run_until_interrupted
from realtime.compose import run_server
from realtime.errors import ConfigurationError
from realtime.server.auth import require_token


def default_store() -> Path:
    """Return where alerts are kept when nothing else is said."""
    return platformdirs.user_data_path("seamwatch") / "alerts.sqlite3"


def prepared_store(path: Path) -> Path:
    """Return the store's path with its folder made.

    Raises:
        ConfigurationError: If the folder cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"Alerts cannot be kept in {path}.", fix="Name a file in a folder that you may write to."
        ) from error
    return path


@click.command(
    epilog=examples(
        "seamwatch serve",
        "seamwatch serve --port 9000 --store alerts.sqlite3",
        "seamwatch serve --backend auto",
        "SEAMWATCH_TOKEN=s3cret seamwatch serve --host 0.0.0.0",
    )
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Port to listen on."
)
@click.option(
    "--token",
    envvar="SEAMWATCH_TOKEN",
    help="What clients must present; required when other machines can connect.  [env: SEAMWATCH_TOKEN]",
)
@click.option(
    "--store",
    type=click.Path(dir_okay=False, path_type=Path),
    default=default_store,
    show_default="alerts.sqlite3 in the user's data folder",
    help="The SQLite file that keeps the alerts.",
)
@click.option(
    "--models-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the models; by default in the user's cache folder.",
)
@engine_options
@click.option(
    "--thumbnails/--no-thumbnails",
    default=True,
    show_default=True,
    help="Whether the page may ask for small pictures of the participants.",
)
@click.option(
    "--max-participants",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="How many participants are let in at a time.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=lambda: min(4, os.cpu_count() or 1),
    show_default="processors, at most 4",
    help="Processor threads that the models may use.",
)
def serve(
    *,
    host: str,
    port: int,
    token: str | None,
    store: Path,
    models_dir: Path | None,
    engines: Path | None,
    backend: str | None,
    thumbnails: bool,
    max_participants: int,
    threads: int,
) -> None:
    """Run the monitor: calls come in over WHIP, verdicts go out on a page and a WebSocket.

    Ctrl-C and SIGTERM end it cleanly with exit code 0.
    """
    token = token or None
    require_token(host, token)
    engines_dir = engines_folder(engines, backend, models_dir=models_dir)
    run_until_interrupted(
        run_server(
            host=host,
            port=port,
            token=token,
            store_path=prepared_store(store),
            models_dir=models_dir,
            engines_dir=engines_dir,
            static_dir=web.FOLDER,
            thumbnails=thumbnails,
            max_participants=max_participants,
            threads=threads,
            ready=lambda url: click.echo(f"Seamwatch is running on {url} (Ctrl-C ends it)"),
        )
    )
