"""Staying in a call, with an adapter and a monitor that do what the test says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from clients.cli.join import attending
from clients.joining import backoff
from clients.joining.adapter import CallLostError, JoinError, Room, Sighting
from clients.joining.attendance import CONSENT_LINE, Attendance
from clients.joining.room import WatchedRoom
from clients.joining.target import join_target
from realtime.errors import CapacityError
from realtime.ingest.source import OpenSource
from realtime.server.wire import Call

TARGET = join_target("janus://host/room/1234")


class FakeMonitor:
    """Gives seats and takes them back."""

    def __init__(self, *, seats: int = 8) -> None:
        self.seats = seats
        self.full = asyncio.Event()
        self.present: dict[str, str] = {}
        self.log: list[str] = []

    async def admit(self, call: str, participant: str, open_source: OpenSource) -> str:
        if len(self.present) >= self.seats:
            raise CapacityError("full", fix="wait")
        await open_source(SimpleNamespace())
        resource_id = f"{participant}#{len(self.log)}"
        self.present[resource_id] = participant
        if len(self.present) == self.seats:
            self.full.set()
        self.log.append(f"{call}/{participant} in")
        return resource_id

    async def unpublish(self, resource_id: str) -> bool:
        self.log.append(f"{self.present.pop(resource_id)} out")
        return True

    def session(self, _call: str, participant: str) -> SimpleNamespace | None:
        if participant not in self.present.values():
            return None
        return SimpleNamespace(face_px=90.0, picture_px=(640, 480))


class FakeHub:
    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def publish_call(self, event: Call) -> None:
        self.calls.append((event.state, event.reason))


class Adapter:
    """Plays one attempt: joins if told to, lets people in, then ends as told."""

    def __init__(
        self, *, ending: BaseException | None = None, joins: bool = True, people: tuple = ()
    ) -> None:
        self.ending, self.joins, self.people = ending, joins, people
        self.posted: list[str] = []
        self.was_posted = asyncio.Event()
        self.deaf = 0
        self.left_politely = False

    async def attend(self, room: Room, joined: Callable[[], None]) -> None:
        if self.joins:
            joined()
        for feed, name in self.people:
            if self.deaf:
                await self.was_posted.wait()
            await room.appeared(feed, name, source)
        await asyncio.sleep(0)
        if self.ending is not None:
            raise self.ending
        try:
            await asyncio.Event().wait()
        finally:
            self.left_politely = True

    async def post(self, text: str) -> bool:
        self.posted.append(text)
        self.was_posted.set()
        return len(self.posted) > self.deaf


async def source(_sink: object) -> SimpleNamespace:
    return SimpleNamespace()


class Script:
    """Hands out adapters in order."""

    def __init__(self, *adapters: Adapter) -> None:
        self.adapters = adapters
        self.used = 0

    def __call__(self, _target: object) -> Adapter:
        self.used += 1
        return self.adapters[self.used - 1]


def attendance(script: Script, *, say_hello: bool = False) -> Attendance:
    return Attendance(TARGET, open_adapter=script, clock_ns=lambda: 0, say_hello=say_hello)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_S", 0.0)


LOST = CallLostError("The server went away.", fix="Wait.")


async def test_a_lost_call_is_joined_again_and_a_refusal_ends_it() -> None:
    hub, monitor = FakeHub(), FakeMonitor()
    script = Script(
        Adapter(ending=LOST, joins=False),
        Adapter(ending=LOST, people=(("1", "Ann"),)),
        Adapter(ending=JoinError("Kicked.", fix="Ask."), people=(("9", "Ann"),)),
    )
    with pytest.raises(JoinError, match="Kicked"):
        await attendance(script).attend(monitor, hub)
    assert [state for state, _ in hub.calls] == [
        "joining", "reconnecting", "joined", "reconnecting", "joined", "ended",
    ]  # fmt: skip
    assert hub.calls[1][1] == "The server went away. Wait."
    assert hub.calls[-1][1] == "Kicked."
    assert monitor.log == ["1234/Ann in", "Ann out", "1234/Ann in", "Ann out"]


async def test_leaving_is_polite_and_empties_the_room() -> None:
    hub, monitor = FakeHub(), FakeMonitor(seats=3)
    adapter = Adapter(people=(("1", "Ann"), ("2", "Ann"), ("3", "Bob & Co")))
    call = attendance(Script(adapter), say_hello=True)
    task = asyncio.create_task(call.attend(monitor, hub))
    await asyncio.gather(monitor.full.wait(), adapter.was_posted.wait())
    assert sorted(monitor.present.values()) == ["Ann", "Ann-2", "Bob-Co"]
    assert adapter.posted == [CONSENT_LINE]
    assert await call.post("an alert")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert adapter.left_politely
    assert not monitor.present
    assert hub.calls[-1] == ("ended", "")
    assert not await call.post("too late")
    assert len(asyncio.all_tasks()) == 1


async def test_hello_is_said_once_and_not_again_after_a_reconnect() -> None:
    first, second = Adapter(ending=LOST), Adapter(ending=JoinError("Over.", fix="-"))
    with pytest.raises(JoinError):
        await attendance(Script(first, second), say_hello=True).attend(FakeMonitor(), FakeHub())
    assert first.posted == [CONSENT_LINE]
    assert second.posted == []


async def test_hello_is_said_when_somebody_comes_who_can_hear_it() -> None:
    adapter = Adapter(people=(("1", "Ann"),))
    adapter.deaf = 1
    monitor = FakeMonitor(seats=1)
    task = asyncio.create_task(attendance(Script(adapter), say_hello=True).attend(monitor, FakeHub()))
    await monitor.full.wait()
    for _ in range(10):
        await asyncio.sleep(0)
    assert adapter.posted == [CONSENT_LINE, CONSENT_LINE]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_one_refused_call_leaves_the_others_alone_and_is_reported_at_the_end() -> None:
    refused = attendance(Script(Adapter(ending=JoinError("No such room.", fix="Check."))))
    going_on = Adapter(people=(("1", "Ann"),))
    monitor = FakeMonitor(seats=1)
    task = asyncio.create_task(attending([refused, attendance(Script(going_on))])(monitor, FakeHub()))
    await monitor.full.wait()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(JoinError, match="No such room"):
        await attending([attendance(Script(Adapter(ending=JoinError("No such room.", fix="-"))))])(
            monitor, FakeHub()
        )


async def test_a_room_forgets_whom_it_could_not_seat_and_replaces_a_feed() -> None:
    monitor = FakeMonitor(seats=1)
    room = WatchedRoom(monitor, "1234", clock_ns=lambda: 0)
    await room.appeared("1", "Ann", source)
    assert room.sighting("1") == Sighting(face_px=90.0, picture_px=(640, 480))
    with pytest.raises(CapacityError):
        await room.appeared("2", "Bob", source)
    assert room.sighting("2") is None
    await room.appeared("1", "Ann", source)
    await room.left("2")
    await room.left("1")
    assert monitor.log == ["1234/Ann in", "Ann out", "1234/Ann in", "Ann out"]


async def test_somebody_who_leaves_while_being_seated_does_not_stay() -> None:
    monitor = FakeMonitor()
    room = WatchedRoom(monitor, "1234", clock_ns=lambda: 0)

    async def slow(_sink: object) -> SimpleNamespace:
        await room.left("1")
        return SimpleNamespace()

    await room.appeared("1", "Ann", slow)
    assert not monitor.present
