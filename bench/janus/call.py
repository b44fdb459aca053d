"""A whole call: network, room, monitor and everybody's browser, taken down in the opposite order."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import async_playwright

from bench.janus.cast import Cast
from bench.janus.chromium_participant import ChromiumParticipant, chromium_participant
from bench.janus.janus_server import JanusRoom, janus_room
from bench.janus.joined_monitor import JoinedMonitor, joined_monitor
from bench.janus.network import call_network
from bench.janus.witness import Witness, witness_of


@dataclass(frozen=True, slots=True, kw_only=True)
class CallInJanus:
    """A call that has begun; nobody but the monitor has entered the room.

    Attributes:
        room: The room.
        monitor: The monitor, which is in it.
        witness: Hears all that the monitor says.
        people: Everybody's browser, by name.
    """

    room: JanusRoom
    monitor: JoinedMonitor
    witness: Witness
    people: dict[str, ChromiumParticipant]


@contextlib.asynccontextmanager
async def call_in_janus(
    cast: Cast, folder: Path, *, pictures_per_s: int | None = None
) -> AsyncIterator[CallInJanus]:
    """Set up a call and take it down however the block ends.

    Args:
        cast: Who is to take part.
        folder: Takes ``janus.log``, ``monitor.log``, configuration and alerts.
        pictures_per_s: How many pictures everybody sends; None for all.

    Raises:
        CallBenchError: A part of it does not start.
    """
    async with contextlib.AsyncExitStack() as stack:
        network = stack.enter_context(call_network())
        room = await stack.enter_async_context(janus_room(network, folder))
        playwright = await stack.enter_async_context(async_playwright())
        people = {
            name: await stack.enter_async_context(
                chromium_participant(playwright, name, devices, pictures_per_s=pictures_per_s)
            )
            for name, devices in cast.devices.items()
        }
        monitor = await stack.enter_async_context(joined_monitor(room, folder))
        witness = await stack.enter_async_context(witness_of(monitor.url))
        yield CallInJanus(room=room, monitor=monitor, witness=witness, people=people)
