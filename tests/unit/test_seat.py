"""A participant's seat, with an analysis that only waits for the end of its media."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from realtime import seat as seat_module
from realtime.ingest.sink import EndReason, MediaSink
from realtime.seat import Seat


class Session:
    """Counts connections; ``run`` returns when the media ends."""

    def __init__(self) -> None:
        self.ended: asyncio.Queue[EndReason] = asyncio.Queue()
        self.followed = 0
        self.fails = False

    def on_end(self, reason: EndReason) -> None:
        self.ended.put_nowait(reason)

    def follow(self, _reception: object, _seat: int) -> None:
        self.followed += 1

    async def run(self) -> EndReason:
        reason = await self.ended.get()
        if self.fails:
            raise RuntimeError("the analysis broke")
        return reason


class Source:
    def __init__(self, sink: MediaSink) -> None:
        self.sink, self.closed = sink, False
        self.reception = SimpleNamespace()

    async def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.sink.on_end(EndReason.CLOSED)


class Taken:
    """A seat with its task, and what was said about it."""

    def __init__(self) -> None:
        self.session = Session()
        self.left: list[EndReason] = []
        self.sources: list[Source] = []
        self.seat = Seat(
            "call", "ann", number=1, session=self.session, clock_ns=lambda: 0,
            on_left=lambda _seat, reason: self.left.append(reason),
        )  # fmt: skip
        self.task: asyncio.Task[None] | None = None

    async def open(self, sink: MediaSink) -> Source:
        self.sources.append(Source(sink))
        return self.sources[-1]

    async def connect(self) -> None:
        await self.seat.connect(self.open)
        if self.task is None:
            self.task = asyncio.create_task(self.seat.occupy())


@pytest.fixture
def _short_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seat_module, "KEEP_STATE_S", 0.0)


async def test_one_connection_after_another_keeps_the_seat() -> None:
    taken = Taken()
    assert not taken.seat.is_present
    for count in (1, 2, 3):
        await taken.connect()
        assert taken.seat.is_present
        await taken.seat.disconnect()
        assert not taken.seat.is_present
        assert taken.left == [EndReason.CLOSED] * count
    assert taken.session.followed == 3
    assert not taken.task.done()
    taken.task.cancel()
    await asyncio.gather(taken.task, return_exceptions=True)


@pytest.mark.usefixtures("_short_memory")
async def test_the_seat_is_given_up_when_nobody_comes_back() -> None:
    taken = Taken()
    await taken.connect()
    await taken.seat.disconnect()
    await taken.task


@pytest.mark.usefixtures("_short_memory")
async def test_the_seat_is_kept_while_somebody_is_being_let_in_again() -> None:
    taken = Taken()
    await taken.connect()
    taken.seat.reservations = 1
    await taken.seat.disconnect()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not taken.task.done()
    await taken.connect()
    taken.seat.reservations = 0
    await taken.seat.disconnect()
    await taken.task
    assert taken.session.followed == 2


@pytest.mark.usefixtures("_short_memory")
async def test_a_connection_that_cannot_be_opened_does_not_keep_the_seat_for_ever() -> None:
    taken = Taken()
    await taken.connect()
    taken.seat.reservations = 1
    await taken.seat.disconnect()

    async def refused(_sink: MediaSink) -> Source:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        await taken.seat.connect(refused)
    taken.seat.reservations = 0
    await taken.task


async def test_an_analysis_that_breaks_ends_the_connection_and_the_seat() -> None:
    taken = Taken()
    taken.session.fails = True
    await taken.connect()
    taken.sources[0].sink.on_end(EndReason.PEER_LEFT)
    with pytest.raises(RuntimeError):
        await taken.task
    assert taken.left == [EndReason.INTERNAL_ERROR]
    assert taken.sources[0].closed
    assert not taken.seat.is_present
    await taken.seat.disconnect()
