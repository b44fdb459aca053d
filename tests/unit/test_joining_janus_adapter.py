"""The Janus adapter against a server double, in virtual time and without a network."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from clients.joining.adapter import CallLostError, JoinError, Sighting
from clients.joining.janus import MAX_PUBLISHERS, OPENING_AT_ONCE, JanusAdapter
from clients.joining.target import join_target
from realtime.ingest.sink import EndReason
from tests.support.janus_double import AUDIO, ROOM, VIDEO, DoubleHandle, JanusDouble
from tests.support.scripted_room import ScriptedReceiver, ScriptedRoom
from tests.support.virtual_time import run_virtually

SIMULCAST_VIDEO = {**VIDEO, "simulcast": True}
LATER_S = 5.0


def adapter_for(
    server: JanusDouble, url: str = f"janus://localhost/room/{ROOM}", **options: Any
) -> JanusAdapter:
    return JanusAdapter(
        join_target(url, **options), open_socket=server.open_socket, open_receiver=ScriptedReceiver
    )


class Attended:
    """An adapter that attends a call in the background."""

    def __init__(self, server: JanusDouble, room: ScriptedRoom, adapter: JanusAdapter) -> None:
        self.server, self.room, self.adapter = server, room, adapter
        self.joined = 0

    def _on_joined(self) -> None:
        self.joined += 1

    async def begin(self) -> None:
        self.task = asyncio.create_task(self.adapter.attend(self.room, self._on_joined))
        await asyncio.sleep(1)

    async def leave(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@asynccontextmanager
async def attended(server: JanusDouble, room: ScriptedRoom, **options: Any) -> AsyncIterator[Attended]:
    call = Attended(server, room, adapter_for(server, **options))
    await call.begin()
    try:
        yield call
    finally:
        await call.leave()
        await room.close()


def in_a_call(
    check: Callable[[Attended], Awaitable[None]],
    *,
    server: JanusDouble | None = None,
    room: ScriptedRoom | None = None,
    **options: Any,
) -> None:
    async def run() -> None:
        async with attended(server or JanusDouble(), room or ScriptedRoom(), **options) as call:
            assert call.joined == 1
            await check(call)

    run_virtually(run())


def test_those_who_publish_already_and_those_who_come_get_a_handle_each() -> None:
    server = JanusDouble()
    server.publish(5, "Ann")

    async def check(call: Attended) -> None:
        assert server.display == "Seamwatch monitor"
        server.publish("bob-id", "Bob", [AUDIO])
        await asyncio.sleep(1)
        assert call.room.names == {"5": "Ann", "bob-id": "Bob"}
        assert set(server.subscriptions) == {5, "bob-id"}
        assert server.subscriptions[5].streams == [{"feed": 5, "mid": "0"}, {"feed": 5, "mid": "1"}]
        assert server.subscriptions["bob-id"].streams == [{"feed": "bob-id", "mid": "0"}]

    in_a_call(check, server=server)


def test_pin_and_token_open_the_room_and_every_subscription() -> None:
    server = JanusDouble(pin="1", token="t")
    server.publish(5)

    async def check(call: Attended) -> None:
        assert call.room.events == [("appeared", "5")]

    in_a_call(check, server=server, pin="1", token="t")


@pytest.mark.parametrize("how", ["unpublished", "leaving", "kicked"])
@pytest.mark.parametrize("hang_up", [True, False])
def test_who_stops_publishing_has_left_and_the_handle_is_given_back(how: str, hang_up: bool) -> None:
    server = JanusDouble()
    server.publish(5)

    async def check(call: Attended) -> None:
        server.unpublish(5, how=how, hang_up=hang_up)
        await asyncio.sleep(1)
        assert call.room.events == [("appeared", "5"), ("left", "5")]
        assert len(server.handles) == 1
        server.publish(5, "Ann again")
        await asyncio.sleep(1)
        assert call.room.names["5"] == "Ann again"
        assert list(call.room.sources) == ["5"]

    in_a_call(check, server=server)


def test_leaving_while_the_subscription_is_under_way_leaves_nobody_behind() -> None:
    server = JanusDouble()

    async def check(call: Attended) -> None:
        gate = asyncio.Event()

        async def offer(handle: DoubleHandle) -> str:
            await gate.wait()
            return "offer"

        server.make_offer = offer
        server.publish(5)
        await asyncio.sleep(1)
        server.unpublish(5)
        gate.set()
        await asyncio.sleep(1)
        assert call.room.sources == {}
        assert len(server.handles) == 1

    in_a_call(check, server=server)


def test_a_camera_that_goes_off_is_silence_and_one_that_comes_on_is_a_new_connection() -> None:
    server = JanusDouble()
    server.publish(5)

    async def check(call: Attended) -> None:
        first = server.subscriptions[5]
        server.publish(5, streams=[AUDIO, {**VIDEO, "disabled": True}])
        await asyncio.sleep(1)
        assert server.subscriptions[5] is first
        server.publish(5, streams=[AUDIO, VIDEO])
        await asyncio.sleep(1)
        assert server.subscriptions[5] is not first
        assert first.id not in server.handles
        assert call.room.events == [("appeared", "5"), ("left", "5"), ("appeared", "5")]

    in_a_call(check, server=server)


def test_who_sends_nothing_usable_any_more_has_left_until_that_changes() -> None:
    server = JanusDouble()
    server.publish(5, streams=[AUDIO])

    async def check(call: Attended) -> None:
        server.publish(5, streams=[{"type": "audio", "mid": "0", "codec": "g722"}])
        await asyncio.sleep(LATER_S)
        assert call.room.sources == {}
        server.publish(5, streams=[AUDIO])
        await asyncio.sleep(1)
        assert list(call.room.sources) == ["5"]

    in_a_call(check, server=server)


def test_a_publisher_whose_streams_are_not_listed_is_asked_for_whole() -> None:
    server = JanusDouble()

    async def check(call: Attended) -> None:
        server.say({"videoroom": "event", "publishers": [{"id": 5, "display": "Ann"}]})
        server.publishers[5] = {"id": 5, "streams": []}
        await asyncio.sleep(1)
        assert server.subscriptions[5].streams == [{"feed": 5}]

    in_a_call(check, server=server)


def test_an_offer_that_cannot_be_received_skips_one_participant_for_good() -> None:
    server = JanusDouble()
    offers = 0

    async def offer(handle: DoubleHandle) -> str:
        nonlocal offers
        offers += handle.feed == 5
        return "unusable" if handle.feed == 5 else "offer"

    server.make_offer = offer
    server.publish(5)
    server.publish(6)

    async def check(call: Attended) -> None:
        await asyncio.sleep(200)
        assert list(call.room.sources) == ["6"]
        assert offers == 1
        assert len(server.handles) == 2
        server.publish(5, streams=[AUDIO])
        await asyncio.sleep(1)
        assert offers == 2

    in_a_call(check, server=server)


@pytest.mark.parametrize("planned", ["attach", "subscribe", "start"])
def test_a_refused_subscription_is_tried_again_and_hurts_nobody_else(planned: str) -> None:
    server = JanusDouble()

    async def check(call: Attended) -> None:
        server.errors[planned] = [499, 499]
        server.publish(5)
        server.publish(6)
        await asyncio.sleep(60)
        assert set(call.room.sources) == {"5", "6"}
        assert len(server.handles) == 3

    in_a_call(check, server=server)


def test_an_unexpected_failure_of_one_participant_is_kept_to_it() -> None:
    server, room = JanusDouble(), ScriptedRoom()
    room.refuses["5"] = RuntimeError("broken")
    server.publish(5)
    server.publish(6)

    async def check(call: Attended) -> None:
        assert list(room.sources) == ["6"]
        await asyncio.sleep(20)
        assert len(server.handles) == 2
        del room.refuses["5"]
        await asyncio.sleep(60)
        assert set(room.sources) == {"5", "6"}

    in_a_call(check, server=server, room=room)


def test_a_server_that_does_not_answer_a_subscription_delays_only_that_one() -> None:
    server = JanusDouble()

    async def check(call: Attended) -> None:
        server.mute = {"start"}
        server.publish(5)
        await asyncio.sleep(1)
        server.mute = set()
        server.publish(6)
        await asyncio.sleep(1)
        assert list(call.room.sources) == ["6"]
        await asyncio.sleep(30)
        assert set(call.room.sources) == {"5", "6"}

    in_a_call(check, server=server)


def test_a_lost_connection_to_a_publisher_is_opened_again() -> None:
    server = JanusDouble()
    server.publish(5)

    async def check(call: Attended) -> None:
        server.hang_up(5)
        await asyncio.sleep(LATER_S)
        assert call.room.events == [("appeared", "5"), ("left", "5"), ("appeared", "5")]
        source = call.room.sources["5"]
        assert isinstance(source, ScriptedReceiver)
        source.end(EndReason.CONNECTION_LOST)
        await asyncio.sleep(LATER_S)
        assert call.room.events.count(("appeared", "5")) == 3
        assert len(server.handles) == 2

    in_a_call(check, server=server)


def test_a_connection_that_is_lost_while_it_is_opened_is_opened_again() -> None:
    server = JanusDouble()

    async def check(call: Attended) -> None:
        async def hang_up_first(handle: DoubleHandle, sdp: str) -> None:
            if len(server.asked_for) == 1:
                server.hang_up(5)

        server.take_answer = hang_up_first
        server.publish(5)
        await asyncio.sleep(LATER_S)
        assert server.asked_for == [5, 5]
        assert list(call.room.sources) == ["5"]

    in_a_call(check, server=server)


def test_a_connection_that_the_monitor_closed_stays_closed_until_something_changes() -> None:
    server = JanusDouble()
    server.publish(5)

    async def check(call: Attended) -> None:
        await call.room.sources["5"].close()
        await asyncio.sleep(200)
        assert call.room.events == [("appeared", "5"), ("left", "5")]
        server.publish(5, streams=[AUDIO])
        await asyncio.sleep(1)
        assert list(call.room.sources) == ["5"]

    in_a_call(check, server=server)


def test_connections_that_never_hold_are_tried_ever_more_slowly() -> None:
    server = JanusDouble()
    server.publish(5)

    async def check(call: Attended) -> None:
        for _ in range(600):
            await asyncio.sleep(1)
            server.hang_up(5)
        assert 15 <= call.room.events.count(("appeared", "5")) <= 60

    in_a_call(check, server=server)


def test_a_full_monitor_takes_the_next_one_when_somebody_leaves() -> None:
    server, room = JanusDouble(), ScriptedRoom(seats=2)
    for feed in (5, 6, 7, 8):
        server.publish(feed)

    async def check(call: Attended) -> None:
        await asyncio.sleep(1)
        assert len(room.sources) == 2
        here = int(next(iter(room.sources)))
        server.unpublish(here)
        await asyncio.sleep(1)
        assert len(room.sources) == 2
        assert str(here) not in room.sources
        assert len(server.handles) == 3

    in_a_call(check, server=server, room=room)


def test_a_full_monitor_is_also_asked_again_now_and_then() -> None:
    server, room = JanusDouble(), ScriptedRoom(seats=0)
    server.publish(5)

    async def check(call: Attended) -> None:
        await asyncio.sleep(100)
        assert 3 <= room.refused_for_capacity <= 5
        room.seats = 1
        await asyncio.sleep(60)
        assert list(room.sources) == ["5"]

    in_a_call(check, server=server, room=room)


def test_only_a_few_subscribe_at_a_time() -> None:
    server = JanusDouble()
    for feed in range(10, 30):
        server.publish(feed)

    async def check(call: Attended) -> None:
        await asyncio.sleep(LATER_S)
        assert len(call.room.sources) == 20
        assert call.room.most_opening == OPENING_AT_ONCE

    in_a_call(check, server=server)


def test_who_left_while_others_subscribe_is_not_asked_for() -> None:
    server = JanusDouble()

    async def check(call: Attended) -> None:
        gate = asyncio.Event()

        async def offer(handle: DoubleHandle) -> str:
            await gate.wait()
            return "offer"

        server.make_offer = offer
        for feed in range(10, 11 + OPENING_AT_ONCE):
            server.publish(feed)
        await asyncio.sleep(1)
        server.unpublish(10 + OPENING_AT_ONCE)
        gate.set()
        await asyncio.sleep(LATER_S)
        assert sorted(server.asked_for) == list(range(10, 10 + OPENING_AT_ONCE))

    in_a_call(check, server=server)


def test_the_number_of_publishers_followed_is_bounded() -> None:
    server, room = JanusDouble(), ScriptedRoom(seats=1000)

    async def check(call: Attended) -> None:
        for feed in range(10, 10 + MAX_PUBLISHERS + 20):
            server.publish(feed)
        await asyncio.sleep(60)
        assert len(room.sources) == MAX_PUBLISHERS

    in_a_call(check, server=server, room=room)


def test_a_large_face_is_received_in_a_smaller_layer_and_a_small_one_in_a_larger() -> None:
    server, room = JanusDouble(), ScriptedRoom()
    server.publish(5, streams=[AUDIO, SIMULCAST_VIDEO])

    async def check(call: Attended) -> None:
        await asyncio.sleep(30)
        assert server.configured == []
        room.sightings["5"] = Sighting(face_px=300, picture_px=(1280, 720))
        await asyncio.sleep(8)
        assert server.configured == [{"request": "configure", "mid": "s1", "substream": 1, "temporal": 2}]
        server.errors["configure"] = [499]
        room.sightings["5"] = Sighting(face_px=40, picture_px=(640, 360))
        await asyncio.sleep(30)
        assert [asked["substream"] for asked in server.configured] == [1, 2]

    in_a_call(check, server=server, room=room)


def test_without_simulcast_no_layer_is_asked_for() -> None:
    server, room = JanusDouble(), ScriptedRoom()
    server.publish(5)
    room.sightings["5"] = Sighting(face_px=500, picture_px=(1280, 720))

    async def check(call: Attended) -> None:
        await asyncio.sleep(60)
        assert server.configured == []

    in_a_call(check, server=server, room=room)


def test_a_destroyed_room_is_the_end_of_the_call() -> None:
    server = JanusDouble()
    server.publish(5)

    async def check(call: Attended) -> None:
        server.say({"videoroom": "destroyed", "room": ROOM})
        await call.task
        assert server.session_id is None

    in_a_call(check, server=server)


def test_a_moderator_can_send_the_monitor_away() -> None:
    server = JanusDouble()

    async def check(call: Attended) -> None:
        server.say({"videoroom": "event", "leaving": "ok", "reason": "kicked"})
        with pytest.raises(JoinError, match="moderator"):
            await call.task

    in_a_call(check, server=server)


@pytest.mark.parametrize("how", ["close", "timeout", "detached", "silent", "flood"])
def test_a_lost_session_is_a_lost_call(how: str) -> None:
    server = JanusDouble()
    server.publish(5)

    async def check(call: Attended) -> None:
        socket = server.connections[0]
        if how == "close":
            socket.close()
        elif how == "timeout":
            socket.push(json.dumps({"janus": "timeout", "session_id": server.session_id}))
        elif how == "detached":
            socket.push(json.dumps({"janus": "detached", "sender": server.control.id}))
        elif how == "silent":
            server.mute = {"keepalive", "destroy", "leave"}
        else:
            for feed in range(100_000):
                server.say({"videoroom": "event", "unpublished": feed})
        with pytest.raises(CallLostError):
            await call.task
        assert await call.adapter.post("still there?") is False

    in_a_call(check, server=server)


@pytest.mark.parametrize(
    ("code", "error", "hint"),
    [
        (426, JoinError, "room"),
        (433, JoinError, "--pin"),
        (429, JoinError, "--pin"),
        (432, CallLostError, "publishers"),
        (499, CallLostError, "log"),
    ],
)
def test_a_refusal_on_the_way_in_says_what_to_do(code: int, error: type[Exception], hint: str) -> None:
    async def run() -> None:
        server = JanusDouble()
        server.errors["join"] = [code]
        call = Attended(server, ScriptedRoom(), adapter_for(server))
        await call.begin()
        with pytest.raises(error) as refused:
            await call.task
        assert hint in str(refused.value)
        assert call.joined == 0
        assert server.session_id is None

    run_virtually(run())


def test_a_server_without_the_right_token_or_plugin_refuses_for_good() -> None:
    async def run() -> None:
        for server, hint in ((JanusDouble(token="t"), "--token"), (JanusDouble(), "videoroom")):
            server.plugins.clear()
            call = Attended(server, ScriptedRoom(), adapter_for(server))
            await call.begin()
            with pytest.raises(JoinError, match=hint):
                await call.task

    run_virtually(run())


def test_a_cancelled_monitor_leaves_politely() -> None:
    server = JanusDouble()
    server.publish(5)

    async def check(call: Attended) -> None:
        call.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call.task
        assert server.requests[-2:] == [("message", "leave"), ("destroy", "")]
        assert await call.adapter.post("still there?") is False

    in_a_call(check, server=server)


@pytest.mark.parametrize("mute", [{"leave"}, {"destroy"}, {"leave", "destroy"}])
def test_a_server_that_does_not_answer_holds_nobody_up(mute: set[str]) -> None:
    server = JanusDouble()
    server.publish(5)

    async def check(call: Attended) -> None:
        server.mute = mute
        started_s = asyncio.get_running_loop().time()
        call.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call.task
        assert asyncio.get_running_loop().time() - started_s < 3

    in_a_call(check, server=server)


def test_cancelling_while_the_connection_goes_is_still_a_cancellation() -> None:
    server = JanusDouble()

    async def check(call: Attended) -> None:
        server.connections[0].close()
        await asyncio.sleep(0)
        call.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call.task

    in_a_call(check, server=server)


@pytest.mark.parametrize("steps", range(60))
def test_cancelled_at_any_moment_nothing_is_left_behind(steps: int) -> None:
    """``run_virtually`` checks that no task is left."""

    async def run() -> None:
        server, room = JanusDouble(), ScriptedRoom()
        receivers: list[ScriptedReceiver] = []

        def receiver(sink: Any, *, clock_ns: Callable[[], int]) -> ScriptedReceiver:
            receivers.append(ScriptedReceiver(sink, clock_ns=clock_ns))
            return receivers[-1]

        for feed in (5, 6):
            server.publish(feed)
        adapter = JanusAdapter(
            join_target(f"janus://localhost/room/{ROOM}"),
            open_socket=server.open_socket,
            open_receiver=receiver,
        )
        task = asyncio.create_task(adapter.attend(room, lambda: None))
        for _ in range(steps):
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ("attach", "") not in server.requests or server.requests[-1] == ("destroy", "")
        assert all(source.closed for source in receivers if source not in room.sources.values())

    run_virtually(run())


def test_a_token_does_not_travel_in_the_clear() -> None:
    with pytest.raises(JoinError, match="unencrypted"):
        JanusAdapter(join_target("janus://198.51.100.7/room/1", token="t"))
    JanusAdapter(join_target("januss://198.51.100.7/room/1", token="t"))
