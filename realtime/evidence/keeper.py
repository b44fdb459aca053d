"""Writes evidence beside a running monitor: off its event loop, bounded, and never in its way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import structlog

from realtime.errors import EvidenceError
from realtime.evidence.bundle import EvidenceItem, bundle_files
from realtime.evidence.folder import EvidenceFolder
from realtime.evidence.record import Provenance
from realtime.observe.metrics import MonitorMetrics

log = structlog.get_logger(__name__)

#: Bundles that wait or are being written. The newest is dropped when there are more.
MAX_WAITING = 8


class EvidenceTaker(Protocol):
    """Takes the evidence of alerts."""

    @property
    def keeps_media(self) -> bool:
        """Whether evidence may hold small pictures of faces and the loudness of voices."""

    @property
    def failing(self) -> bool:
        """Whether evidence cannot be kept now."""

    def offer(self, item: EvidenceItem) -> None:
        """Take evidence, at once."""


class EvidenceKeeper:
    """One writer thread around an evidence folder.

    Args:
        folder: Where bundles go; the keeper opens and closes it.
        provenance: What makes the evidence.
        metrics: Counts what is written, what fails and what is dropped.
        keep_for_s: Age at which a bundle is deleted.
        keeps_media: Whether evidence may hold small pictures of faces and the loudness of voices.

    Attributes:
        failing: Whether the newest attempt to write or delete failed.
    """

    def __init__(
        self,
        folder: EvidenceFolder,
        provenance: Provenance,
        metrics: MonitorMetrics,
        *,
        keep_for_s: float,
        keeps_media: bool = False,
    ) -> None:
        self._folder = folder
        self._provenance = provenance
        self._metrics = metrics
        self._keep_for_s = keep_for_s
        self.keeps_media = keeps_media
        self._room = threading.BoundedSemaphore(MAX_WAITING)
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="evidence")
        self._lost = 0
        self._lock = threading.Lock()
        self.failing = False

    async def open(self) -> None:
        """Take the folder and delete what is too old.

        Raises:
            EvidenceError: It cannot be used.
        """
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._writer, self._folder.open)
        except BaseException:
            await self.aclose()
            raise
        await self.expire()

    def offer(self, item: EvidenceItem) -> None:
        """Have evidence written; it is dropped and counted where too much waits already."""
        if not self._room.acquire(blocking=False):
            self.drop()
            return
        self._writer.submit(self._keep, item)

    def drop(self) -> None:
        """Count evidence that was made and cannot be taken; the next bundle tells of it."""
        self._lose("dropped")
        log.warning("evidence_dropped")

    async def expire(self) -> None:
        """Delete what is too old."""
        await asyncio.get_running_loop().run_in_executor(
            self._writer, self._tried, lambda: self._folder.expire(self._keep_for_s)
        )

    async def aclose(self) -> None:
        """Write what waits, and give the folder back."""
        await asyncio.to_thread(self._writer.shutdown)
        self._folder.close()

    def _keep(self, item: EvidenceItem) -> None:
        try:
            if self._tried(lambda: self._write(item)):
                self.failing = False
                self._metrics.evidence.labels(outcome="written").inc()
                log.info("evidence_written", head=self._folder.head)
            else:
                self._lose("failed")
        finally:
            self._room.release()

    def _write(self, item: EvidenceItem) -> None:
        with self._lock:
            lost, self._lost = self._lost, 0
        try:
            self._folder.add(
                bundle_files(item, self._provenance),
                call=str(item.alert["call"]),
                state=item.snapshot.alert.state.value,
                lost_before=lost,
            )
        except BaseException:
            with self._lock:
                self._lost += lost
            raise

    def _tried(self, work: Callable[[], object]) -> bool:
        try:
            work()
        except EvidenceError:
            self.failing = True
            log.exception("evidence_failing")
            return False
        except Exception:
            self.failing = True
            log.exception("evidence_failed_unexpectedly")
            return False
        return True

    def _lose(self, outcome: str) -> None:
        with self._lock:
            self._lost += 1
        self._metrics.evidence.labels(outcome=outcome).inc()
