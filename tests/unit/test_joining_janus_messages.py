import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.joining.adapter import CallLostError, JoinError
from clients.joining.janus_address import janus_address
from clients.joining.janus_messages import (
    MAX_PUBLISHERS_A_MESSAGE,
    JanusRefusedError,
    MonitorRemoved,
    Publisher,
    PublisherGone,
    RoomDestroyed,
    Stream,
    read_message,
    read_publishers,
    read_room_events,
    subscriber_video_mid,
)
from clients.joining.janus_refusals import join_refusal

AUDIO = {"type": "audio", "mid": "0", "codec": "opus"}
VIDEO = {"type": "video", "mid": "1", "codec": "vp8"}
KEYS = ("videoroom", "publishers", "unpublished", "leaving", "kicked", "reason", "streams")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def published(*streams: Any, **more: Any) -> Publisher:
    (publisher,) = read_publishers(
        {"publishers": [{"id": 7, "display": "Ann", "streams": list(streams), **more}]}
    )
    return publisher


def test_an_event_of_a_plugin_is_read() -> None:
    text = json.dumps(
        {
            "janus": "event",
            "sender": 12,
            "transaction": "3",
            "plugindata": {"plugin": "x", "data": {"videoroom": "attached"}},
            "jsep": {"type": "offer", "sdp": "v=0"},
        }
    )
    message = read_message(text)
    assert message is not None
    assert (message.kind, message.handle, message.transaction) == ("event", 12, "3")
    assert (message.data, message.offer_sdp, message.error_code) == ({"videoroom": "attached"}, "v=0", None)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"janus": "error", "error": {"code": 458, "reason": "gone"}}, 458),
        ({"janus": "error"}, 0),
        ({"janus": "error", "error": {"code": True}}, 0),
        ({"janus": "event", "plugindata": {"data": {"error_code": 426}}}, 426),
        ({"janus": "event", "plugindata": {"data": {"error_code": "426"}}}, 0),
        ({"janus": "success", "data": {"id": 1}}, None),
    ],
)
def test_errors_of_the_core_and_of_plugins_are_errors_whatever_their_form(
    message: dict[str, Any], code: int | None
) -> None:
    read = read_message(json.dumps(message))
    assert read is not None
    assert read.error_code == code


@pytest.mark.parametrize("text", ["", "nonsense", "[]", "{}", '{"janus": 3}', b"\xff", "[" * 100_000])
def test_what_is_no_message_is_none(text: str | bytes) -> None:
    assert read_message(text) is None


def test_one_usable_stream_of_each_kind_is_chosen() -> None:
    streams = (
        {"type": "data", "mid": "9"},
        {"type": "video", "mid": "2", "codec": "vp9"},
        {"type": "video", "mid": "3", "codec": "h264", "disabled": True},
        {"type": "video", "mid": "4", "codec": "H264", "simulcast": True},
        VIDEO,
        AUDIO,
    )
    assert published(*streams).streams == (
        Stream(kind="video", mid="4", codec="h264", simulcast=True),
        Stream(kind="audio", mid="0", codec="opus", simulcast=False),
    )


def test_a_publisher_without_a_usable_stream_has_none() -> None:
    assert published({"type": "audio", "mid": "0", "codec": "g722"}).streams == ()


@pytest.mark.parametrize("streams", [None, 3, "x", {}])
def test_a_publisher_whose_streams_are_not_listed_is_still_to_be_watched(streams: object) -> None:
    (publisher,) = read_publishers({"publishers": [{"id": 7, "streams": streams}]})
    assert publisher.streams is None


@pytest.mark.parametrize(
    ("display", "name"), [("Ann", "Ann"), ("\ud800", "\ud800"), (None, "7"), ("", "7"), (["x"], "7")]
)
def test_nobody_is_lost_for_a_strange_name(display: object, name: str) -> None:
    assert published(AUDIO, display=display).name == name


@pytest.mark.parametrize("feed", [None, True, 1.5, [], {}])
def test_entries_without_a_feed_are_left_out_and_the_others_stay(feed: object) -> None:
    publishers = read_publishers({"publishers": [{"id": feed}, 5, {"id": "ann"}]})
    assert [publisher.feed for publisher in publishers] == ["ann"]


def test_placeholders_and_endless_lists_are_cut() -> None:
    assert read_publishers({"publishers": [{"id": 1, "dummy": True}]}) == ()
    many = [{"id": number} for number in range(MAX_PUBLISHERS_A_MESSAGE + 10)]
    assert len(read_publishers({"publishers": many})) == MAX_PUBLISHERS_A_MESSAGE


@pytest.mark.parametrize(
    ("data", "events"),
    [
        ({"videoroom": "destroyed", "room": 1}, (RoomDestroyed(),)),
        ({"videoroom": "event", "leaving": "ok", "reason": "kicked"}, (MonitorRemoved(),)),
        ({"videoroom": "event", "unpublished": 5}, (PublisherGone(feed="5"),)),
        ({"videoroom": "event", "leaving": "ann"}, (PublisherGone(feed="ann"),)),
        ({"videoroom": "event", "kicked": 5}, (PublisherGone(feed="5"),)),
        ({"videoroom": "event", "joining": {"id": 5}}, ()),
        ({"videoroom": "talking", "id": 5}, ()),
        ({"videoroom": "event", "unpublished": None, "leaving": [5]}, ()),
    ],
)
def test_room_events(data: dict[str, Any], events: tuple[object, ...]) -> None:
    assert read_room_events(data) == events


def test_the_mid_of_the_video_is_the_subscribers_own() -> None:
    streams = [3, {"type": "audio", "mid": "0"}, {"type": "video", "mid": "s1"}]
    assert subscriber_video_mid({"streams": streams}) == "s1"
    assert subscriber_video_mid({"streams": 3}) is None


@given(text=st.text() | st.binary() | json_values.map(json.dumps))
def test_reading_never_fails(text: str | bytes) -> None:
    read_message(text)


@given(
    data=st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("videoroom", "publishers", "unpublished", "leaving", "kicked", "reason", "streams"), json_values
        ),
    )
)
def test_reading_room_events_never_fails(data: dict[str, Any]) -> None:
    for event in read_room_events(data):
        assert isinstance(event, Publisher | PublisherGone | RoomDestroyed | MonitorRemoved)
    subscriber_video_mid(data)


@pytest.mark.parametrize(
    ("url", "websocket", "room"),
    [
        ("janus://host:8188/room/1234", "ws://host:8188/", 1234),
        ("janus://host/room/1234/", "ws://host:8188/", 1234),
        ("januss://host/room/1234", "wss://host:443/", 1234),
        ("januss://host/janus-ws/room/team%20one", "wss://host:443/janus-ws", "team one"),
        ("janus://[::1]:8188/room/room/room/9", "ws://[::1]:8188/room/room", 9),
        ("janus://host/room/" + "9" * 30, "ws://host:8188/", "9" * 30),
        ("janus://host/room/²", "ws://host:8188/", "²"),
    ],
)
def test_addresses(url: str, websocket: str, room: int | str) -> None:
    address = janus_address(urlsplit(url))
    assert (address.websocket_url, address.room_id) == (websocket, room)


@pytest.mark.parametrize(
    "url", ["janus://host", "janus://host/1234", "janus://host/room/", "janus://host/room/a%2Fb"]
)
def test_urls_without_a_room_are_refused(url: str) -> None:
    with pytest.raises(JoinError):
        janus_address(urlsplit(url))


def test_refusals_say_whether_trying_again_helps() -> None:
    assert all(isinstance(join_refusal(JanusRefusedError(code)), JoinError) for code in (403, 426, 429, 433))
    assert all(isinstance(join_refusal(JanusRefusedError(code)), CallLostError) for code in (0, 432, 499))
    assert "--pin" in join_refusal(JanusRefusedError(433)).fix
