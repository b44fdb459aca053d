"""Two ends of a channel in one process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from realtime.errors import AlertStoreError, CapacityError, SignallingError
from realtime.workers import channel as channel_module
from realtime.workers.channel import Channel, WorkerFaultError, WorkerLostError


@dataclass
class Ends:
    near: Channel
    far: Channel
    reading: asyncio.Task[None]
    far_reading: asyncio.Task[None]
    heard: list[Any]


@asynccontextmanager
async def channel(answer: Callable[[Any], Awaitable[Any]]) -> AsyncIterator[Ends]:
    """A near end that asks, and a far end that answers and hears."""
    a, b = socket.socketpair()
    heard: list[Any] = []
    near = Channel(*await asyncio.open_connection(sock=a), hear=heard.append, answer=answer)
    far = Channel(*await asyncio.open_connection(sock=b), hear=heard.append, answer=answer)
    tasks = [asyncio.create_task(near.run()), asyncio.create_task(far.run())]
    try:
        yield Ends(near, far, *tasks, heard)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def echo(question: Any) -> Any:
    if isinstance(question, Exception):
        raise question
    return question


async def test_answers_find_their_questions_in_any_order_and_what_is_told_comes_in_order() -> None:
    gates = {number: asyncio.Event() for number in range(3)}

    async def when_let(number: int) -> int:
        await gates[number].wait()
        return number * 10

    async with channel(when_let) as ends:
        asked = [asyncio.create_task(ends.near.ask(number)) for number in gates]
        for number in (2, 0, 1):
            ends.near.tell(f"told {number}")
            gates[number].set()
        assert await asyncio.gather(*asked) == [0, 10, 20]
        assert ends.heard == ["told 2", "told 0", "told 1"]


@pytest.mark.parametrize(
    "error",
    [
        SignallingError("Bad.", fix="Mend it.", status=406),
        CapacityError("Full.", fix="Wait."),
        AlertStoreError("Torn.", fix="Glue it."),
    ],
)
async def test_a_stated_error_comes_out_as_it_was_raised(error: Any) -> None:
    def raised(_: Any) -> Any:
        raise error

    async def raising(_: Any) -> Any:
        raised(_)

    async with channel(raising) as ends:
        with pytest.raises(type(error)) as caught:
            await ends.near.ask("?")
    assert type(caught.value) is type(error)
    assert vars(caught.value) == vars(error)
    assert str(caught.value) == str(error)


async def test_an_unstated_error_says_nothing_of_what_it_holds() -> None:
    async def raising(_: Any) -> Any:
        raise ValueError("v=0 secret")

    async with channel(raising) as ends:
        with pytest.raises(WorkerFaultError) as caught:
            await ends.near.ask("?")
    assert "secret" not in str(caught.value)


async def test_who_waits_hears_of_the_end_and_who_asks_later_too() -> None:
    async def never(_: Any) -> Any:
        await asyncio.Event().wait()

    async with channel(never) as ends:
        waiting = asyncio.create_task(ends.near.ask("?"))
        await asyncio.sleep(0)
        ends.far_reading.cancel()
        with pytest.raises(WorkerLostError):
            await waiting
        await ends.reading
        with pytest.raises(WorkerLostError):
            await ends.near.ask("?")
        ends.near.tell("nobody hears this")


async def test_questions_beyond_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_module, "MAX_PENDING", 2)
    gate = asyncio.Event()

    async def later(question: Any) -> Any:
        await gate.wait()
        return question

    async with channel(later) as ends:
        waiting = [asyncio.create_task(ends.near.ask(number)) for number in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(CapacityError):
            await ends.near.ask(2)
        gate.set()
        assert await asyncio.gather(*waiting) == [0, 1]
        assert await ends.near.ask(3) == 3


async def test_what_is_not_taken_is_seen_to_wait() -> None:
    async with channel(echo) as ends:
        ends.far_reading.cancel()
        assert ends.near.waiting_bytes == 0
        ends.near.tell(bytes(4 << 20))
        assert ends.near.waiting_bytes > 1 << 20


async def test_large_messages_come_whole() -> None:
    async with channel(echo) as ends:
        large = bytes(range(256)) * (1 << 14)
        assert await ends.near.ask(large) == large
