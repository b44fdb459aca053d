"""Measures where a receiver places a Chromium's sound beside its pictures: directly, through Janus, lossy."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from playwright.async_api import Playwright, async_playwright

from bench.janus.alignment import AlignmentError, alignment_errors
from bench.janus.capture_log import CaptureLog
from bench.janus.chromium_participant import ChromiumParticipant, chromium_participant
from bench.janus.fake_devices import FakeDevices
from bench.janus.janus_server import janus_room
from bench.janus.measuring_sink import MeasuringSink
from bench.janus.network import CallNetwork, call_network, lossy_call_network
from bench.janus.numbered_clip import numbered_devices
from bench.janus.requirements import CallBenchError
from bench.network.profiles import Profile
from clients.joining.adapter import Sighting
from clients.joining.kinds import open_adapter
from clients.joining.target import join_target
from realtime.ingest.source import MediaSource, OpenSource
from realtime.ingest.webrtc import WebRtcReceiver

NAME = "alice"
DIRECT, THROUGH_JANUS = "Chromium, direct", "Chromium, through Janus"
#: What the error may be at most, in ms.
LIMITS_MS = {DIRECT: 15.0, THROUGH_JANUS: 30.0}
#: Before it the receiver knows arrival times only, or few reports.
SETTLED_AFTER_S = 10.0
JOIN_LIMIT_S = 30.0
SEED = 1

Say = Callable[[str], None]


async def measure_alignment(
    folder: Path, *, seconds: float, networks: Sequence[Profile | None], say: Say
) -> dict[str, Any]:
    """Measure both ways over every network, one after the other.

    A network lies between the browser and the receiver, or between Janus and both of them.

    Args:
        folder: Takes the clip, and Janus' log and configuration.
        seconds: Length of each.
        networks: The networks; None for a cable without faults and delay.
        say: Told what is going on.

    Returns:
        Figures by way.

    Raises:
        CallBenchError: A part does not start, or nothing was measured.
    """
    say("Drawing a clip that numbers its pictures")
    devices = await asyncio.to_thread(numbered_devices, folder / "numbered")
    figures: dict[str, Any] = {}
    async with async_playwright() as playwright:
        for profile in networks:
            for way, measure in ((DIRECT, _measure_direct), (THROUGH_JANUS, _measure_through_janus)):
                title = way if profile is None else f"{way}, {profile.title}"
                say(f"{title}: {seconds:g} s")
                async with _laid(profile, is_needed=way == THROUGH_JANUS) as network:
                    errors = await measure(playwright, devices, folder, seconds, network)
                figures[title] = summary(errors, LIMITS_MS[way])
    return figures


@contextlib.asynccontextmanager
async def _laid(profile: Profile | None, *, is_needed: bool) -> AsyncIterator[CallNetwork | None]:
    if profile is not None:
        async with lossy_call_network(profile.impairment, seed=SEED) as network:
            yield network
    elif is_needed:
        with call_network() as network:
            yield network
    else:
        yield None


def summary(errors: Sequence[AlignmentError], limit_ms: float) -> dict[str, Any]:
    """Return the figures of one way.

    Errors after a stall of the fake microphone are told apart: there the sender's own reports are wrong until
    it has sent new ones, so no receiver can know better.

    Args:
        errors: One per beep.
        limit_ms: What the largest settled error may be.

    Raises:
        CallBenchError: There are too few.
    """
    stalled = [error.error_ms for error in errors if error.stalled]
    undisturbed = [error for error in errors if not error.stalled]
    first = [error.error_ms for error in undisturbed if error.since_start_s < SETTLED_AFTER_S]
    steady = [error.error_ms for error in undisturbed if error.since_start_s >= SETTLED_AFTER_S]
    if len(steady) < 5:
        raise CallBenchError(
            f"Of {len(errors)} beeps only {len(steady)} were measured undisturbed.",
            fix="Measure for longer, on a machine with less load: its fake microphone must not stall.",
        )
    sizes = [abs(error_ms) for error_ms in steady]
    return {
        "beeps": len(errors),
        "limit_ms": limit_ms,
        "holds": max(sizes) <= limit_ms,
        "settled": len(steady),
        "median_ms": round(statistics.median(steady), 2),
        "lowest_ms": min(steady),
        "highest_ms": max(steady),
        "p95_size_ms": round(statistics.quantiles(sizes, n=20, method="inclusive")[18], 2),
        "first_seconds_largest_ms": max(first, key=abs, default=None),
        "after_stalls": len(stalled),
        "after_stalls_largest_ms": max(stalled, key=abs, default=None),
        "errors": [(error.since_start_s, error.error_ms, error.stalled) for error in errors],
    }


async def _measure_direct(
    playwright: Playwright, devices: FakeDevices, _folder: Path, seconds: float, network: CallNetwork | None
) -> list[AlignmentError]:
    async with chromium_participant(playwright, NAME, devices, network=network) as person:
        sink = MeasuringSink()
        receiver = WebRtcReceiver(sink, clock_ns=time.monotonic_ns)

        async def connect() -> None:
            answer = await receiver.accept(await person.call("offer"))
            await person.call("answered", answer)

        try:
            return await _watched(person, sink, connect, seconds)
        finally:
            await receiver.close()


async def _measure_through_janus(
    playwright: Playwright, devices: FakeDevices, folder: Path, seconds: float, network: CallNetwork | None
) -> list[AlignmentError]:
    assert network is not None
    async with contextlib.AsyncExitStack() as stack:
        janus = await stack.enter_async_context(janus_room(network, folder))
        person = await stack.enter_async_context(chromium_participant(playwright, NAME, devices))
        room = await stack.enter_async_context(_attended(janus.join_url))

        async def connect() -> None:
            await person.join(janus)
            await asyncio.wait_for(room.opened.wait(), JOIN_LIMIT_S)

        return await _watched(person, room.sink, connect, seconds)


async def _watched(
    person: ChromiumParticipant, sink: MeasuringSink, connect: Callable[[], Awaitable[None]], seconds: float
) -> list[AlignmentError]:
    await person.call("openDevices")
    log = CaptureLog(person)
    await log.start()
    await connect()
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(log.follow())
        await asyncio.sleep(seconds)
        following.cancel()
    await log.read()
    return alignment_errors(log.captured, sink.seen, sink.heard)


class _OneSeat:
    """A ``Room`` for one participant, whose media is measured and not analysed."""

    clock_ns = staticmethod(time.monotonic_ns)

    def __init__(self) -> None:
        self.sink = MeasuringSink()
        self.opened = asyncio.Event()
        self._source: MediaSource | None = None

    async def appeared(self, feed: str, name: str, open_source: OpenSource) -> None:
        self._source = await open_source(self.sink)
        self.opened.set()

    async def left(self, feed: str) -> None:
        if self._source is not None:
            await self._source.close()

    def sighting(self, feed: str) -> Sighting | None:
        return None


@contextlib.asynccontextmanager
async def _attended(join_url: str) -> AsyncIterator[_OneSeat]:
    """Join a room, and leave it when the block ends."""
    room, joined = _OneSeat(), asyncio.Event()
    attending = asyncio.create_task(open_adapter(join_target(join_url)).attend(room, joined.set))
    waiting = asyncio.create_task(joined.wait())
    try:
        await asyncio.wait({attending, waiting}, timeout=JOIN_LIMIT_S, return_when=asyncio.FIRST_COMPLETED)
        if attending.done():
            attending.result()
        if not joined.is_set():
            raise CallBenchError("The room cannot be joined.", fix="See janus.log.")
        yield room
    finally:
        waiting.cancel()
        attending.cancel()
        await asyncio.gather(waiting, attending, return_exceptions=True)
        await room.left(NAME)
