"""What an adapter to a kind of call does, and what it is given to do it with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from realtime.errors import SeamwatchError
from realtime.ingest.source import OpenSource


class JoinError(SeamwatchError):
    """The call cannot be joined, and trying again would not help."""


class CallLostError(SeamwatchError):
    """The call cannot be reached now, or was lost; trying again may help.

    Args:
        message: What is wrong.
        fix: What the user can do about it.
        retry_after_s: How long the other side asks to wait before the next try; None where it does not say.
    """

    def __init__(self, message: str, *, fix: str, retry_after_s: float | None = None) -> None:
        super().__init__(message, fix=fix)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What is seen of a participant now.

    Attributes:
        face_px: Mean of the face box's width and height in the received picture; None without a face.
        picture_px: Width and height of the received picture; (0, 0) before the first.
    """

    face_px: float | None
    picture_px: tuple[int, int]


class Room(Protocol):
    """The monitor's side of one call. A feed is the call's own name for one participant's media."""

    @property
    def clock_ns(self) -> Callable[[], int]:
        """The monotonic clock that stamps arrivals."""

    async def appeared(self, feed: str, name: str, open_source: OpenSource) -> None:
        """A participant's media can be had: give it a seat and open it.

        A feed that is there already is replaced. What ``open_source`` raises comes out again, and the feed is
        then not there.

        Args:
            feed: Unique among the feeds that are there.
            name: What the participant is called; need not be unique.
            open_source: Called at once.

        Raises:
            CapacityError: The monitor is full; the participant is not watched.
        """

    async def left(self, feed: str) -> None:
        """A participant's media has ended; close it. Unknown feeds are ignored."""

    def sighting(self, feed: str) -> Sighting | None:
        """Return what is seen of a participant; None for an unknown feed."""


class CallAdapter(Protocol):
    """Joins one call, visibly, publishes nothing, and follows its participants.

    An adapter is used for one ``attend`` only.
    """

    async def attend(self, room: Room, joined: Callable[[], None]) -> None:
        """Join, call ``joined`` once, and follow the call until it ends.

        When cancelled, leaves the call politely and releases all it holds before the cancellation goes on.
        Returning means that the call is over. The participants' sources need not be closed; the caller does.

        Raises:
            JoinError: The call refuses the monitor for good: no such room, wrong PIN or token.
            CallLostError: The network, the server or the room is away.
        """

    async def post(self, text: str) -> bool:
        """Post a line into the call's chat or data channel.

        Returns:
            Whether there is one and it took the line. Before ``joined`` and after the end: False.
        """
