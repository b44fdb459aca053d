"""Puts a monitor of several processes together: the front with port, store and hub, and its workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from realtime.alerts.alert_runs import AlertRuns
from realtime.alerts.feedback_file import FeedbackFile
from realtime.alerts.store import AlertStore
from realtime.delivery.companion import Delivery
from realtime.evidence.keeping import Keeping, open_keeper
from realtime.observe.metrics import MonitorMetrics
from realtime.retention import enforce_age_limits
from realtime.server.app import create_app
from realtime.server.auth import Auth
from realtime.server.hub import EventHub
from realtime.server.runner import serve
from realtime.workers.pool import WorkerPool
from realtime.workers.protocol import WorkerSettings


async def run_front(
    *,
    workers: int,
    settings: WorkerSettings,
    host: str,
    port: int,
    token: str | None,
    viewer_token: str | None,
    store_path: Path | None,
    static_dir: Path,
    ready: Callable[[str], None],
    followers: Sequence[Delivery],
    keeping: Keeping,
    feedback: FeedbackFile | None,
    own_signals: bool = True,
) -> None:
    """Serve until cancelled, or until SIGINT or SIGTERM; the port opens when every worker watches.

    Args:
        workers: How many.
        settings: How they watch.
        host: As ``realtime.compose.run_server``, and so is everything below.
        port: Port to bind; 0 for a free one.
        token: What operators must present; None on loopback only.
        viewer_token: What viewers must present; None lets no viewers in.
        store_path: SQLite file of the alerts; None keeps them in memory.
        static_dir: Folder of the page.
        ready: Called with the URL once the port is open.
        followers: Cancelled after the server has closed and the last participant has been judged.
        keeping: What is kept on disk, and for how long.
        feedback: Where false alarms go for calibration; None for nowhere but the alert store.
        own_signals: Whether the signals end the server; else they are left to the caller, who cancels.

    Raises:
        SeamwatchError: As ``realtime.compose.run_server``, out of a worker as well.
    """
    auth = Auth.for_bind(host, token, viewer_token)
    if feedback is not None:
        feedback.prepare()
    metrics = MonitorMetrics()
    async with AlertStore(store_path, max_age_s=keeping.seconds) as store:
        hub = EventHub(store, metrics)
        async with (
            WorkerPool(workers, settings, hub) as pool,
            open_keeper(keeping, pool.provenance, metrics) as pool.evidence,
        ):
            if feedback is not None:
                pool.runs = AlertRuns(pool.origin())
            await serve(
                create_app(
                    pool,
                    hub,
                    auth=auth,
                    static_dir=static_dir,
                    feedback=feedback,
                    runs=pool.runs,
                    metrics_page=pool.metrics_page,
                ),
                host=host,
                port=port,
                on_started=ready,
                followers=[
                    *(partial(follower, pool, hub) for follower in followers),
                    partial(enforce_age_limits, hub, pool.evidence, feedback),
                ],
                own_signals=own_signals,
            )
