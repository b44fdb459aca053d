"""What the front and a worker say to each other, besides the messages of the wire schema.

A worker tells ``Participant``, ``ScoreUpdate``, ``ReceptionUpdate`` and ``Matrices`` as they are, and asks
with an ``AlertDraft`` for the number under which it was stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from realtime.alerts.alert_runs import AlertRun, Origin
from realtime.decisions import DecisionChoice
from realtime.evidence.bundle import EvidenceItem
from realtime.evidence.record import Provenance
from realtime.identity.references import References
from realtime.observe.logging import LogFormat
from realtime.server.ports import Health
from realtime.server.wire import EncoderInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """How every worker watches.

    Attributes:
        models_dir: Root of the model store; None for the user's.
        engines_dir: A set of engines; None for the models as they are.
        thumbnails: Whether the newest picture of each participant is kept in memory.
        max_participants: Participants let in at a time, over all workers.
        threads: Processor threads that the models of one worker may use.
        references: Who participants should be.
        deciding: Calibration and rate of false alarms.
        keep_evidence: Whether evidence is wanted.
        keep_media: Whether it may hold pictures and loudness.
        keep_runs: Whether what led to alerts is wanted, for feedback.
        log_format: How a log line is written.
        log_level: Least severe level that is logged.
    """

    models_dir: Path | None
    engines_dir: Path | None
    thumbnails: bool
    max_participants: int
    threads: int
    references: References
    deciding: DecisionChoice
    keep_evidence: bool
    keep_media: bool
    keep_runs: bool
    log_format: LogFormat
    log_level: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Front to worker, first of all; answered by ``Started`` once the models are loaded.

    Attributes:
        settings: How to watch.
        number: The worker's number, from 1 on.
        workers: How many there are.
    """

    settings: WorkerSettings
    number: int
    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A worker watches now.

    Attributes:
        encoders: Engine per encoder.
        provenance: What makes its evidence; None where none is wanted.
        origin: What makes its observations.
    """

    encoders: Mapping[str, EncoderInfo]
    provenance: Provenance | None
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """Front to worker: an offer; answered by a ``Publication``."""

    call: str
    participant: str
    offer_sdp: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """Front to worker: a trickle ICE fragment; answered by the fragment to answer with."""

    resource_id: str
    fragment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpublish:
    """Front to worker: end a session; answered by whether there was one."""

    resource_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnail:
    """Front to worker; answered by a JPEG or None."""

    call: str
    participant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Collect:
    """Front to worker; answered by its Prometheus metrics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Front to worker: judge what came in, then end; answered when all of it is told."""


Request = Start | Publish | Restart | Unpublish | Thumbnail | Collect | Close


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Worker to front, every second; answered by ``Wishes``."""

    health: Health


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the subscribers want of a worker now."""

    matrices: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Worker to front: evidence to keep; None for some that was dropped on the way."""

    item: EvidenceItem | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Worker to front: what led to a stored alert."""

    seq: int
    run: AlertRun
