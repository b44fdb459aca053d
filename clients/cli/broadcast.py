"""Sending files to a monitor as the participants of one call, and following what it says about them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path

from clients.cli.endpoints import Endpoints
from clients.cli.errors import EXIT_FAULT, EXIT_UNREADABLE, show_error
from clients.publisher.whip import publish_file
from clients.subscriber import Subscriber
from engines.errors import SeamwatchError
from realtime.errors import MediaError
from realtime.server.wire import Message, Participant

LAST_SCORES_S = 3.0

OnMessage = Callable[[Message], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One participant of the call and the file that plays it."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a participant could not be sent to its end."""

    part: Part
    error: SeamwatchError


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """How a call is sent.

    Attributes:
        call: Name of the call.
        loop: Whether files start again when they end.
        token: The monitor's token, if it wants one.
        size: Width and height in pixels to scale pictures to; None leaves them as they are.
    """

    call: str
    loop: bool = False
    token: str | None = None
    size: tuple[int, int] | None = None


async def _publish(part: Part, where: Endpoints, sending: Sending) -> Fault | None:
    width, height = sending.size or (None, None)
    try:
        if not part.path.is_file():
            raise MediaError(f"{part.path} is not a file.", fix="Check the path.")
        await publish_file(
            where.whip(sending.call, part.name),
            part.path,
            loop=sending.loop,
            token=sending.token,
            width=width,
            height=height,
        )
    except SeamwatchError as error:
        return Fault(part=part, error=error)
    return None


class _Follower:
    """Passes on what the monitor says about a call, and notices who is still in it."""

    def __init__(self, where: Endpoints, sending: Sending, names: set[str], on_message: OnMessage) -> None:
        self.present = names
        self.connected = asyncio.Event()
        self.all_left = asyncio.Event()
        self._where = where
        self._sending = sending
        self._on_message = on_message

    async def run(self) -> None:
        subscriber = Subscriber(self._where.alerts, token=self._sending.token, call=self._sending.call)
        async with aclosing(subscriber.messages()) as messages:
            async for message in messages:
                self.connected.set()
                self._on_message(message)
                if isinstance(message, Participant) and message.state == "left":
                    self.left(message.participant)

    def left(self, name: str) -> None:
        self.present.discard(name)
        if not self.present:
            self.all_left.set()


async def broadcast(
    parts: Sequence[Part], where: Endpoints, sending: Sending, on_message: OnMessage
) -> list[Fault]:
    """Send every file in real time until all have ended; one that fails does not stop the others.

    Args:
        parts: The participants.
        where: The monitor.
        sending: How the call is sent.
        on_message: Called with everything that the monitor says about the call.

    Returns:
        What went wrong, one fault a participant at most.

    Raises:
        ExceptionGroup: Of a SeamwatchError, if the monitor does not answer or refuses the subscription.
    """
    follower = _Follower(where, sending, {part.name for part in parts}, on_message)
    async with asyncio.TaskGroup() as group:
        following = group.create_task(follower.run())
        await follower.connected.wait()
        outcomes = await asyncio.gather(*(_publish(part, where, sending) for part in parts))
        faults = [fault for fault in outcomes if fault is not None]
        for fault in faults:
            follower.left(fault.part.name)
        with suppress(TimeoutError):
            await asyncio.wait_for(follower.all_left.wait(), LAST_SCORES_S)
        following.cancel()
    return faults


def exit_code_for(faults: Sequence[Fault]) -> int:
    """Return the exit code: a file that could not be read outweighs other faults."""
    if any(isinstance(fault.error, MediaError) for fault in faults):
        return EXIT_UNREADABLE
    return EXIT_FAULT if faults else 0


def report_faults(faults: Sequence[Fault]) -> None:
    """Print on stderr what could not be sent."""
    for fault in faults:
        show_error(f"{fault.part.name}: {fault.error.message}", fix=fault.error.fix)
