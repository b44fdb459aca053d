"""What a worker's monitor talks to in place of hub and evidence folder: the front, over the channel."""

from __future__ import annotations

import structlog

from realtime.alerts.alert_runs import AlertRun
from realtime.evidence.bundle import EvidenceItem
from realtime.observe.metrics import MonitorMetrics
from realtime.server.wire import AlertDraft, Matrices, Participant, ReceptionUpdate, ScoreUpdate
from realtime.workers.channel import CONGESTED_BYTES, FULL_BYTES, Channel
from realtime.workers.protocol import Evidence, Run

_STAGE = "worker_channel"

log = structlog.get_logger(__name__)


class FrontHub:
    """Implements ``realtime.server.ports.HubPort``.

    Participants and alerts always go out. Scores, receptions and matrices are left out, and counted, while
    the front does not take what was sent before.

    Args:
        channel: To the front.
        metrics: Counts what is left out.

    Attributes:
        wants_matrices: As the front said last.
        store_error: Always None: the store is the front's, and so is its health.
    """

    def __init__(self, channel: Channel, metrics: MonitorMetrics) -> None:
        self._channel = channel
        self._metrics = metrics
        self.wants_matrices = False
        self.store_error = None

    def publish_participant(self, event: Participant) -> None:
        """Tell that a participant joined or left."""
        self._channel.tell(event)

    def publish_score(self, score: ScoreUpdate) -> None:
        """Tell the newest score of a participant."""
        self._tell_replaceable(score, "score")

    def publish_reception(self, reception: ReceptionUpdate) -> None:
        """Tell the newest reception of a participant."""
        self._tell_replaceable(reception, "reception")

    def publish_matrices(self, matrices: Matrices) -> None:
        """Tell the newest matrices of a participant."""
        self._tell_replaceable(matrices, "matrices")

    async def publish_alert(self, draft: AlertDraft) -> int:
        """Have an alert stored and told, and return its sequence number.

        Raises:
            AlertStoreError: The front could not store it.
            WorkerLostError: The front has ended.
        """
        seq: int = await self._channel.ask(draft)
        return seq

    def _tell_replaceable(self, message: ScoreUpdate | ReceptionUpdate | Matrices, reason: str) -> None:
        if self._channel.waiting_bytes > CONGESTED_BYTES:
            self._metrics.drop(_STAGE, reason)
        else:
            self._channel.tell(message)


class FrontEvidence:
    """Implements ``realtime.evidence.keeper.EvidenceTaker``: the front has the folder and its one chain.

    Args:
        channel: To the front.
        metrics: Counts what is left out.
        keeps_media: Whether evidence may hold small pictures of faces and the loudness of voices.

    Attributes:
        failing: Always False: the folder is the front's, and so is its health.
    """

    failing = False

    def __init__(self, channel: Channel, metrics: MonitorMetrics, *, keeps_media: bool) -> None:
        self._channel = channel
        self._metrics = metrics
        self.keeps_media = keeps_media

    def offer(self, item: EvidenceItem) -> None:
        """Hand evidence to the front; it is dropped, counted and told where too much waits already."""
        if self._channel.waiting_bytes > FULL_BYTES:
            self._metrics.drop(_STAGE, "evidence")
            self._channel.tell(Evidence(item=None))
        else:
            self._channel.tell(Evidence(item=item))


class FrontRuns:
    """Implements ``realtime.alerts.alert_runs.RunTaker``: the front, which takes feedback, remembers.

    Args:
        channel: To the front.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def remember(self, seq: int, run: AlertRun) -> None:
        """Hand the run of a stored alert to the front."""
        self._channel.tell(Run(seq=seq, run=run))
