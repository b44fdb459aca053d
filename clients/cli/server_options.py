"""The options of the commands that run a monitor: where it listens, what it keeps, how much it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click
import platformdirs

from clients import web
from clients.cli.decision_options import decision_options
from clients.cli.engine_options import engine_options, engines_folder
from clients.cli.evidence_options import evidence_options
from clients.cli.reference_options import reference_options, tell_unused
from clients.cli.running import run_until_interrupted
from engines.processors import usable_processors
from realtime.alerts.feedback_file import FeedbackFile
from realtime.compose import Companion, run_server
from realtime.decisions import DecisionChoice
from realtime.delivery.companion import Delivery
from realtime.errors import ConfigurationError
from realtime.evidence.keeping import Keeping
from realtime.identity.references import References
from realtime.observe.logging import LogFormat
from realtime.server.auth import require_tokens
from realtime.workers.front import run_front
from realtime.workers.protocol import WorkerSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """How a monitor is run.

    Attributes:
        host: Address to listen on.
        port: Port to listen on; 0 for a free one.
        store: The SQLite file that keeps the alerts.
        models_dir: Root of the model store; None for the user's.
        engines: ``--engines``.
        backend: ``--backend``.
        thumbnails: Whether the page may ask for small pictures.
        max_participants: Participants let in at a time.
        threads: Processor threads that the models may use.
        viewer_token: What viewers must present; None lets no viewers in.
        feedback: Where false alarms go for calibration; None for nowhere but the alert store.
        keeping: What is kept on disk, and for how long.
        references: Who participants should be.
        deciding: Calibration and rate of false alarms.
    """

    host: str
    port: int
    store: Path
    models_dir: Path | None
    engines: Path | None
    backend: str | None
    thumbnails: bool
    max_participants: int
    threads: int
    viewer_token: str | None
    feedback: Path | None
    keeping: Keeping
    references: References
    deciding: DecisionChoice

    def run_workers(
        self,
        workers: int,
        token: str | None,
        ready: Callable[[str], None],
        *,
        followers: Sequence[Delivery],
        log_format: LogFormat,
        log_level: int,
    ) -> None:
        """Run a monitor of several processes until it is interrupted.

        Args:
            workers: Processes that watch, each with calls of its own.
            token: What operators must present; None on loopback only.
            ready: Called with the URL once the port is open.
            followers: Work that goes on until everything has ended.
            log_format: How the workers write a log line.
            log_level: Least severe level that they log.

        Raises:
            SeamwatchError: It cannot be run.
        """
        viewer_token = self.viewer_token or None
        require_tokens(self.host, token, viewer_token)
        settings = WorkerSettings(
            models_dir=self.models_dir,
            engines_dir=engines_folder(self.engines, self.backend, models_dir=self.models_dir),
            thumbnails=self.thumbnails,
            max_participants=self.max_participants,
            threads=self.threads,
            references=self.references,
            deciding=self.deciding,
            keep_evidence=self.keeping.evidence is not None,
            keep_media=self.keeping.media,
            keep_runs=self.feedback is not None,
            log_format=log_format,
            log_level=log_level,
        )
        run_until_interrupted(
            run_front(
                workers=workers,
                settings=settings,
                host=self.host,
                port=self.port,
                token=token,
                viewer_token=viewer_token,
                store_path=_prepared(self.store),
                static_dir=web.FOLDER,
                ready=ready,
                followers=followers,
                keeping=self.keeping,
                feedback=None
                if self.feedback is None
                else FeedbackFile(self.feedback, keep_for_s=self.keeping.seconds),
            )
        )
        tell_unused(self.references)

    def run(
        self,
        token: str | None,
        ready: Callable[[str], None],
        *,
        companions: Sequence[Companion] = (),
        followers: Sequence[Companion] = (),
    ) -> None:
        """Run the monitor until it is interrupted or a companion ends.

        Args:
            token: What operators must present; None on loopback only.
            ready: Called with the URL once the port is open.
            companions: Work that goes on beside the server, and ends before it.
            followers: Work that goes on until everything has ended.

        Raises:
            SeamwatchError: It cannot be run.
        """
        viewer_token = self.viewer_token or None
        require_tokens(self.host, token, viewer_token)
        engines_dir = engines_folder(self.engines, self.backend, models_dir=self.models_dir)
        run_until_interrupted(
            run_server(
                host=self.host,
                port=self.port,
                token=token,
                viewer_token=viewer_token,
                store_path=_prepared(self.store),
                models_dir=self.models_dir,
                engines_dir=engines_dir,
                static_dir=web.FOLDER,
                thumbnails=self.thumbnails,
                max_participants=self.max_participants,
                threads=self.threads,
                ready=ready,
                companions=companions,
                followers=followers,
                keeping=self.keeping,
                feedback=None
                if self.feedback is None
                else FeedbackFile(self.feedback, keep_for_s=self.keeping.seconds),
                references=self.references,
                deciding=self.deciding,
            )
        )
        tell_unused(self.references)


def server_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which gets them together as ``server``."""

    @wraps(command)
    def gathered(**options: Any) -> Any:
        fields = {name: options.pop(name) for name in ServerSettings.__dataclass_fields__}
        return command(server=ServerSettings(**fields), **options)

    with_options: Callable[..., Any] = engine_options(
        evidence_options(reference_options(decision_options(gathered)))
    )
    for add_option in reversed(_OPTIONS):
        with_options = add_option(with_options)
    return with_options


def default_store() -> Path:
    """Return where alerts are kept when nothing else is said."""
    return platformdirs.user_data_path("seamwatch") / "alerts.sqlite3"


def _prepared(path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"Alerts cannot be kept in {path}.", fix="Name a file in a folder that you may write to."
        ) from error
    return path


_OPTIONS: tuple[Callable[[Callable[..., Any]], Callable[..., Any]], ...] = (
    click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on."),
    click.option(
        "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Port to listen on."
    ),
    click.option(
        "--store",
        type=click.Path(dir_okay=False, path_type=Path),
        default=default_store,
        show_default="alerts.sqlite3 in the user's data folder",
        help="The SQLite file that keeps the alerts.",
    ),
    click.option(
        "--models-dir",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder of the models; by default in the user's cache folder.",
    ),
    click.option(
        "--thumbnails/--no-thumbnails",
        default=True,
        show_default=True,
        help="Whether the page may ask for small pictures of the participants.",
    ),
    click.option(
        "--max-participants",
        type=click.IntRange(min=1),
        default=8,
        show_default=True,
        help="How many participants are let in at a time.",
    ),
    click.option(
        "--threads",
        type=click.IntRange(min=1),
        default=lambda: min(4, usable_processors()),
        show_default="processors, at most 4",
        help="Processor threads that the models may use.",
    ),
    click.option(
        "--viewer-token",
        envvar="SEAMWATCH_VIEWER_TOKEN",
        help="A second token, for viewers: they see verdicts and alerts, but no pictures, and can neither "
        "publish nor answer alerts.  [env: SEAMWATCH_VIEWER_TOKEN]",
    ),
    click.option(
        "--feedback",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Append what an operator marks as a false alarm to this file, one JSON object a line: scores "
        "and the observations of up to two minutes, without names, faces or voices, for `seamwatch calibrate "
        "--feedback`. Old lines go as --keep-for says.  [default: only the alert store remembers it]",
    ),
)
