"""Following the publishers of a Janus room: against a server double, in virtual time, without a network."""

import asyncio

import pytest

from clients.joining.adapter import Sighting
from clients.joining.janus import MAX_PUBLISHERS, OPENING_AT_ONCE
from realtime.ingest.sink import EndReason
from tests.support.attended_janus import Attended, in_a_call
from tests.support.janus_double import AUDIO, VIDEO, DoubleHandle, JanusDouble
from tests.support.scripted_room import ScriptedReceiver, ScriptedRoom

SIMULCAST_VIDEO = {**VIDEO, "simulcast": True}
LATER_S = 5.0


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
