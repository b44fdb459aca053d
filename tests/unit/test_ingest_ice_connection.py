from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aioice.stun import Message, TransactionTimeout

from realtime.ingest.aiortc_private.datagram_queue import MAX_WAITING_DATAGRAMS, DatagramQueue
from realtime.ingest.aiortc_private.ice_connection import CONSENT_FAILURES, CONSENT_INTERVAL_S, IceConnection
from tests.support.virtual_time import VirtualTimeLoop, run_virtually


async def test_datagrams_come_out_in_order_and_the_end_with_them() -> None:
    queue = DatagramQueue()
    queue.put_nowait((b"a", 1))
    queue.put_nowait((b"b", 1))
    queue.put_nowait(None)
    assert [await queue.get() for _ in range(3)] == [(b"a", 1), (b"b", 1), None]


async def test_a_reader_that_waits_gets_what_comes() -> None:
    queue = DatagramQueue()
    reading = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.put_nowait((b"a", 1))
    queue.put_nowait((b"b", 1))
    assert await reading == (b"a", 1)
    assert len(queue) == 1


async def test_a_reader_that_is_sent_away_takes_nothing_with_it() -> None:
    queue = DatagramQueue()
    reading = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.put_nowait((b"a", 1))
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await queue.get() == (b"a", 1)


async def test_the_newest_is_dropped_when_too_many_wait_but_never_the_end() -> None:
    queue = DatagramQueue()
    for number in range(MAX_WAITING_DATAGRAMS + 3):
        queue.put_nowait((bytes([number % 256]), 1))
    queue.put_nowait(None)
    assert queue.dropped == 3
    taken = [await queue.get() for _ in range(MAX_WAITING_DATAGRAMS + 1)]
    assert taken[-2:] == [(bytes([(MAX_WAITING_DATAGRAMS - 1) % 256]), 1), None]


class Consent:
    """A connection whose peer answers consent checks as it is told to, in virtual time."""

    def __init__(self, answers: Callable[[float], bool]) -> None:
        self.asked = 0
        self.connection = IceConnection(ice_controlling=False)
        self.connection.remote_username, self.connection.remote_password = "name", "secret"
        pair: Any = SimpleNamespace(protocol=self, remote_addr=("192.0.2.1", 9), component=1, nominated=True)
        pair.local_candidate = SimpleNamespace(component=1)
        self.connection._nominated[1] = pair
        self._answers = answers

    @property
    def local_candidate(self) -> Any:
        return SimpleNamespace(component=1, type="host")

    async def request(self, request: Message, *_: Any, **__: Any) -> None:
        self.asked += 1
        if not self._answers(asyncio.get_running_loop().time()):
            raise TransactionTimeout

    async def ends_after_s(self, receives: Callable[[float], bool], limit_s: float) -> float:
        """Return when the connection closed, or the limit."""
        watching = asyncio.create_task(self.connection.query_consent())
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        while loop.time() < limit_s and not watching.done():
            await asyncio.sleep(1)
            if receives(loop.time()):
                self.connection.data_received(b"x", 1)
                await self.connection._queue.get()
        ended_s = loop.time()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        return ended_s


LONGEST_S = 1.2 * CONSENT_INTERVAL_S * CONSENT_FAILURES + 2


@pytest.mark.parametrize(
    ("answers", "receives", "stays"),
    [
        (lambda now: True, lambda now: False, True),
        (lambda now: False, lambda now: True, True),
        (lambda now: now % 20 < 7, lambda now: False, True),
        (lambda now: False, lambda now: now % 20 < 1, True),
        (lambda now: False, lambda now: False, False),
    ],
)
def test_a_peer_that_answers_or_sends_is_there(
    answers: Callable[[float], bool], receives: Callable[[float], bool], stays: bool
) -> None:
    async def check() -> None:
        consent = Consent(answers)
        ended_s = await consent.ends_after_s(receives, 300)
        assert consent.asked >= CONSENT_FAILURES
        assert ended_s >= 300 if stays else ended_s <= LONGEST_S

    run_virtually(check())


def test_a_peer_that_has_stopped_is_given_up() -> None:
    async def check() -> None:
        ended_s = await Consent(lambda now: now < 60).ends_after_s(lambda now: now < 100, 300)
        assert 100 < ended_s <= 100 + LONGEST_S + CONSENT_INTERVAL_S

    run_virtually(check())
