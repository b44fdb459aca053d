"""What the server needs from the monitor behind it, and the monitor from the hub before it."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from realtime.errors import AlertStoreError
from realtime.server.wire import (
    AlertDraft,
    EncoderInfo,
    Matrices,
    Participant,
    ReceptionUpdate,
    ScoreUpdate,
)

_NAME = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,64}")

NAME_RULE = "Use 1 to 64 of the characters A-Z a-z 0-9 . _ - (and not only dots)."


def is_name(text: str) -> bool:
    """Tell whether a text may name a call or a participant."""
    return _NAME.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A participant that began to publish.

    Attributes:
        resource_id: Unguessable name of the session, safe in a URL path segment.
        answer_sdp: The SDP answer to the offer.
    """

    resource_id: str
    answer_sdp: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantSnapshot:
    """A participant as the monitor sees it now; ``latest`` is None before the first window."""

    call: str
    participant: str
    latest: ScoreUpdate | None


class HealthState(enum.StrEnum):
    """Whether the monitor can do its work."""

    OK = "ok"
    DEGRADED = "degraded"
    FAILING = "failing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Health of the monitor.

    Attributes:
        state: DEGRADED still gives verdicts, with less evidence or later; FAILING gives none that may be
            relied upon (models missing, alert store failing), and ``/healthz`` answers 503.
        reasons: Why the state is not OK, as stable identifiers.
        participants: Participants that publish now.
        complete: Whether every part of the monitor runs; ``/readyz`` answers 503 where one does not.
    """

    state: HealthState
    reasons: Sequence[str] = ()
    participants: int = 0
    complete: bool = True


class MonitorPort(Protocol):
    """The monitor. Every method is called on the event loop and must not block it."""

    @property
    def encoders(self) -> Mapping[str, EncoderInfo]:
        """Engine per encoder."""

    async def publish(self, call: str, participant: str, offer_sdp: str) -> Publication:
        """Answer an offer and start to receive.

        Raises:
            SignallingError: The offer cannot be used; its status is the HTTP status.
            CapacityError: The monitor is full.
        """

    async def restart(self, resource_id: str, fragment: str) -> str:
        """Apply a trickle ICE fragment (RFC 8840) and return the fragment to answer with, or "".

        Raises:
            SignallingError: Unknown resource (404), or not supported (405).
        """

    async def unpublish(self, resource_id: str) -> bool:
        """End a session; False where there is none of that name."""

    def snapshot(self) -> list[ParticipantSnapshot]:
        """Return every participant with its newest score."""

    async def thumbnail(self, call: str, participant: str) -> bytes | None:
        """Return the newest picture as JPEG, from memory only; None where there is none."""

    def health(self) -> Health:
        """Return the health of the monitor."""

    async def aclose(self) -> None:
        """End every session. The server calls it once, when it shuts down."""


class HubPort(Protocol):
    """Takes what a monitor says; every method but ``publish_alert`` returns at once."""

    @property
    def store_error(self) -> AlertStoreError | None:
        """Why the newest alert could not be stored; None where it was."""

    @property
    def wants_matrices(self) -> bool:
        """Whether anybody wants matrices, which cost something to make."""

    def publish_participant(self, event: Participant) -> None:
        """Tell that a participant joined or left."""

    def publish_score(self, score: ScoreUpdate) -> None:
        """Tell the newest score of a participant."""

    def publish_reception(self, reception: ReceptionUpdate) -> None:
        """Tell the newest reception of a participant."""

    def publish_matrices(self, matrices: Matrices) -> None:
        """Tell the newest matrices of a participant."""

    async def publish_alert(self, draft: AlertDraft) -> int:
        """Store an alert, tell it, and return its sequence number.

        Raises:
            AlertStoreError: It could not be stored and was not told.
        """
