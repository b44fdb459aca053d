"""Puts a whole monitor together: models, hub, store, sessions, server."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from engines.processors import usable_processors
from realtime.alerts.alert_runs import AlertRuns, Origin
from realtime.alerts.feedback_file import FeedbackFile
from realtime.alerts.store import AlertStore
from realtime.calibration_file import configuration_sha256, models_of
from realtime.config import MonitorConfig
from realtime.decisions import AS_SHIPPED, DecisionChoice, Decisions
from realtime.encoders.scheduler import EngineScheduler
from realtime.encoders.suite import EncoderSuite, load_encoders
from realtime.evidence.keeping import ALERTS_ONLY, Keeping, open_keeper
from realtime.evidence.provenance import provenance_of
from realtime.evidence.record import Provenance
from realtime.identity.references import References
from realtime.ingest.aiortc_private.peer import require_supported_aiortc
from realtime.monitor import Monitor
from realtime.observe.metrics import MonitorMetrics
from realtime.retention import enforce_age_limits
from realtime.server.app import create_app
from realtime.server.auth import Auth
from realtime.server.hub import EventHub
from realtime.server.runner import serve

log = structlog.get_logger(__name__)

#: Work that goes on beside the server: joining calls, delivering alerts.
Companion = Callable[[Monitor, EventHub], Coroutine[Any, Any, None]]


async def run_server(
    *,
    host: str,
    port: int,
    token: str | None,
    viewer_token: str | None = None,
    store_path: Path | None,
    models_dir: Path | None,
    engines_dir: Path | None,
    static_dir: Path,
    thumbnails: bool,
    max_participants: int,
    threads: int,
    ready: Callable[[str], None],
    companions: Sequence[Companion] = (),
    followers: Sequence[Companion] = (),
    keeping: Keeping = ALERTS_ONLY,
    feedback: FeedbackFile | None = None,
    references: References | None = None,
    deciding: DecisionChoice = AS_SHIPPED,
    own_signals: bool = True,
) -> None:
    """Serve until cancelled, until SIGINT or SIGTERM, or until a companion ends.

    Args:
        host: Address or name to bind; another one than loopback requires a token.
        port: Port to bind; 0 for a free one.
        token: What programs and browsers of operators must present; None on loopback only.
        viewer_token: What those of viewers must present; None lets no viewers in.
        store_path: SQLite file of the alerts; None keeps them in memory.
        models_dir: Root of the model store; None for the user's.
        engines_dir: A set of engines, as written by ``seamwatch engines build``; None to run the models of
            the store and the checkpoint that ships in ONNX Runtime.
        static_dir: Folder of the page.
        thumbnails: Whether the newest picture of each participant is kept in memory for the page.
        max_participants: Participants accepted at a time.
        threads: Worker threads for analysis.
        ready: Called with the URL once the port is open.
        companions: Work that goes on beside the server; the end of one ends the server. They are cancelled
            before the server closes.
        followers: The same, but cancelled after it has closed and the last participant has been judged.
        keeping: What is kept on disk, and for how long.
        feedback: Where false alarms go for calibration; None for nowhere but the alert store.
        references: Who participants should be; read before the port opens.
        deciding: Calibration and rate of false alarms.
        own_signals: Whether the signals end the server; else they are left to the caller, who cancels.

    Raises:
        ConfigurationError: The address cannot be bound, or needs a token, or aiortc does not fit.
        ModelStoreError: A model is missing or damaged.
        EngineError: An engine cannot be loaded, or the set is for another host.
        MediaError: A reference cannot be read, or does not show one person well enough.
        AlertStoreError: The store cannot be opened.
        EvidenceError: The evidence folder cannot be used.
        CalibrationError: The calibration cannot be read, or does not fit the engines.
    """
    auth = Auth.for_bind(host, token, viewer_token)
    if feedback is not None:
        feedback.prepare()
    metrics = MonitorMetrics()
    with loaded_analysis(
        metrics,
        models_dir=models_dir,
        engines_dir=engines_dir,
        references=references,
        deciding=deciding,
        cores=usable_processors(),
    ) as analysis:
        async with (
            AlertStore(store_path, max_age_s=keeping.seconds) as store,
            open_keeper(keeping, analysis.provenance, metrics) as keeper,
        ):
            hub = EventHub(store, metrics)
            runs = None if feedback is None else AlertRuns(analysis.origin())
            monitor = Monitor(
                analysis.encoders,
                analysis.config,
                hub,
                metrics,
                clock_ns=time.monotonic_ns,
                max_participants=max_participants,
                threads=threads,
                thumbnails=thumbnails,
                evidence=keeper,
                runs=runs,
                references=references,
                decisions=analysis.decisions,
            )
            await serve(
                create_app(monitor, hub, auth=auth, static_dir=static_dir, feedback=feedback, runs=runs),
                host=host,
                port=port,
                on_started=ready,
                companions=[partial(companion, monitor, hub) for companion in companions],
                followers=[
                    *(partial(follower, monitor, hub) for follower in followers),
                    partial(enforce_age_limits, hub, keeper, feedback),
                ],
                own_signals=own_signals,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What all participants of a process are analysed and judged with.

    Attributes:
        config: Settings of the pure core.
        encoders: The models.
        decisions: How participants are decided on.
    """

    config: MonitorConfig
    encoders: EncoderSuite
    decisions: Decisions

    def provenance(self) -> Provenance:
        """Return what the evidence is made by."""
        return provenance_of(self.encoders, self.config)

    def origin(self) -> Origin:
        """Return what makes the observations of the sequential test."""
        return Origin(
            models=models_of(self.encoders.ids), configuration_sha256=configuration_sha256(self.config)
        )


@contextmanager
def loaded_analysis(
    metrics: MonitorMetrics,
    *,
    models_dir: Path | None,
    engines_dir: Path | None,
    references: References | None,
    deciding: DecisionChoice,
    cores: int,
) -> Iterator[Analysis]:
    """Load models, calibration and references, and hold the models for the length of a ``with`` block.

    Args:
        metrics: Counts what the engines do.
        models_dir: Root of the model store; None for the user's.
        engines_dir: A set of engines; None for the models as they are.
        references: Read here; None without any.
        deciding: Calibration and rate of false alarms.
        cores: Processors that the engines share.

    Raises:
        SeamwatchError: See ``run_server``.
    """
    require_supported_aiortc()
    config = deciding.configured(MonitorConfig())
    scheduler = EngineScheduler(clock_ns=time.monotonic_ns, cores=cores, observer=metrics)
    encoders = load_encoders(config, models_dir=models_dir, engines_dir=engines_dir, scheduler=scheduler)
    try:
        decisions = deciding.loaded(encoders.ids, config)
        _tell_basis(decisions)
        if references is not None:
            references.read(encoders, config.faces)
        yield Analysis(config=config, encoders=encoders, decisions=decisions)
    finally:
        encoders.close()


def _tell_basis(decisions: Decisions) -> None:
    """Log what the promised rate of false alarms rests on."""
    known = decisions.support("")
    if known is None:
        log.warning(
            "alarms_without_calibration", fix="Run `seamwatch calibrate` with the engines that you use."
        )
    else:
        log.info(
            "false_alarm_rate",
            per_hour=round(known.asked_per_hour, 4),
            verifiable_per_hour=round(known.verifiable_per_hour, 4),
            basis=known.statement,
        )
