"""What is kept on disk, and for how long."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from realtime.errors import ConfigurationError
from realtime.evidence.folder import EvidenceFolder
from realtime.evidence.keeper import EvidenceKeeper
from realtime.evidence.record import Provenance
from realtime.observe.metrics import MonitorMetrics

DAY_S = 86_400.0
DEFAULT_KEEP_DAYS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What an operator allows to be kept.

    Attributes:
        evidence: Folder for the evidence of alerts, which holds biometric data; None to keep none.
        days: Age in days at which alerts and evidence are deleted.
        media: Whether evidence may hold small pictures of faces and the loudness of voices.

    Raises:
        ConfigurationError: Media is allowed, and no evidence.
    """

    evidence: Path | None = None
    days: float = DEFAULT_KEEP_DAYS
    media: bool = False

    def __post_init__(self) -> None:
        if self.media and self.evidence is None:
            raise ConfigurationError(
                "Media is kept with evidence only.",
                fix="Add --keep-evidence DIR, or leave --keep-media out.",
            )

    @property
    def seconds(self) -> float:
        """The age in seconds."""
        return self.days * DAY_S


#: Alerts for the usual time, and no evidence.
ALERTS_ONLY = Keeping()


@asynccontextmanager
async def open_keeper(
    keeping: Keeping, make_provenance: Callable[[], Provenance], metrics: MonitorMetrics
) -> AsyncIterator[EvidenceKeeper | None]:
    """Keep evidence for the length of a ``with`` block; None where none is wanted.

    Args:
        keeping: What is wanted.
        make_provenance: Tells what makes the evidence.
        metrics: Counts it.

    Raises:
        EvidenceError: The folder cannot be used.
    """
    if keeping.evidence is None:
        yield None
        return
    folder = EvidenceFolder(keeping.evidence)
    keeper = EvidenceKeeper(
        folder, make_provenance(), metrics, keep_for_s=keeping.seconds, keeps_media=keeping.media
    )
    await keeper.open()
    try:
        yield keeper
    finally:
        await keeper.aclose()
