"""PeerJS without a browser: the messages, the calls behind them, and a server that misbehaves."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, serve

from clients.joining import peerjs, peerjs_calls
from clients.joining.adapter import CallLostError, JoinError
from clients.joining.peerjs import PeerJsAdapter, server_url
from clients.joining.peerjs_calls import MAX_CONNECTIONS, MAX_CONNECTIONS_PER_PEER, PeerCalls
from clients.joining.peerjs_protocol import (
    MAX_CALLS_PER_PEER,
    MAX_CANDIDATE_CHARS,
    MAX_ID_CHARS,
    MAX_LINE_BYTES,
    MAX_NAME_CHARS,
    Candidate,
    ConnectionKind,
    IdTaken,
    KeyRefused,
    Offer,
    PeerLeft,
    Registered,
    ServerFault,
    answer,
    encode_line,
    feed_of,
    read_message,
)
from clients.joining.target import join_target
from realtime.errors import SignallingError
from realtime.ingest.reception import Reception
from realtime.ingest.sink import EndReason, MediaSink
from tests.support.joining_room import FakeRoom, attended

GARBAGE = "garbage"
LINE = "candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host"


def offer_message(peer: str = "alice", connection: str = "mc_1", **changes: object) -> str:
    payload = {
        "sdp": {"type": "offer", "sdp": "their offer"},
        "type": "media",
        "connectionId": connection,
        "metadata": {"name": "Alice"},
        **changes,
    }
    return json.dumps({"type": "OFFER", "src": peer, "dst": "seamwatch", "payload": payload})


def candidate_message(peer: str = "alice", connection: str = "mc_1", **changes: object) -> str:
    candidate = {"candidate": LINE, "sdpMid": "0", "sdpMLineIndex": 0, "usernameFragment": "x", **changes}
    payload = {"candidate": candidate, "type": "media", "connectionId": connection}
    return json.dumps({"type": "CANDIDATE", "src": peer, "dst": "seamwatch", "payload": payload})


def offer(peer: str = "alice", connection: str = "mc_1", *, data: bool = False, sdp: str = "theirs") -> Offer:
    return Offer(
        peer=peer,
        connection=connection,
        kind=ConnectionKind.DATA if data else ConnectionKind.MEDIA,
        sdp=sdp,
        name=peer.title(),
        serialization="raw" if data else "",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type": "OPEN"}', Registered()),
        ('{"type": "ID-TAKEN", "payload": {"msg": "ID is taken"}}', IdTaken()),
        ('{"type": "INVALID-KEY"}', KeyRefused()),
        ('{"type": "ERROR", "payload": {"msg": "Invalid key provided"}}', KeyRefused()),
        (
            '{"type": "ERROR", "payload": {"msg": "Server has reached its concurrent user limit"}}',
            ServerFault(),
        ),
        ('{"type": "ERROR"}', ServerFault()),
        (b'{"type": "LEAVE", "src": "alice", "dst": "seamwatch"}', PeerLeft("alice")),
        ('{"type": "EXPIRE", "src": "alice"}', None),
        ('{"type": "HEARTBEAT"}', None),
        ('{"type": ["OPEN"]}', None),
        ("[]", None),
        ("{", None),
        (b"\xff", None),
        ("[" * 100_000, None),
    ],
)
def test_messages_of_the_server(text: str | bytes, message: object) -> None:
    assert read_message(text) == message


def test_an_offer_carries_the_callers_name() -> None:
    assert read_message(offer_message()) == Offer(
        peer="alice",
        connection="mc_1",
        kind=ConnectionKind.MEDIA,
        sdp="their offer",
        name="Alice",
        serialization="",
    )
    names = {
        "  Bob\u202e\n ": "Bob",
        "": "alice",
        "\x00": "alice",
        "x" * 1000: "x" * MAX_NAME_CHARS,
        "J\u00fcrgen \u5c71\u7530": "J\u00fcrgen \u5c71\u7530",
    }
    for given_name, name in names.items():
        message = read_message(offer_message(metadata={"name": given_name}))
        assert isinstance(message, Offer)
        assert message.name == name
    for metadata in (None, "Bob", {"name": 7}, {}, []):
        message = read_message(offer_message(metadata=metadata))
        assert isinstance(message, Offer)
        assert message.name == "alice"


@pytest.mark.parametrize(
    "changes",
    [
        {"sdp": "their offer"},
        {"sdp": {"sdp": None}},
        {"sdp": {"sdp": "\ud800"}},
        {"type": "other"},
        {"type": None},
        {"connectionId": ""},
        {"connectionId": "x" * (MAX_ID_CHARS + 1)},
        {"connectionId": ["mc_1"]},
    ],
)
def test_offers_that_say_too_little_are_ignored(changes: dict[str, object]) -> None:
    assert read_message(offer_message(**changes)) is None


def test_candidates() -> None:
    known = Candidate(peer="alice", connection="mc_1", line=LINE, mid="0", index=0)
    assert read_message(candidate_message()) == known
    unplaced = read_message(candidate_message(sdpMid=0, sdpMLineIndex=True))
    assert unplaced == Candidate(peer="alice", connection="mc_1", line=LINE, mid=None, index=None)
    for line in (
        "",
        None,
        7,
        "other:1",
        "candidate:\n",
        "candidate:\u00e9",
        LINE + "x" * MAX_CANDIDATE_CHARS,
    ):
        assert read_message(candidate_message(candidate=line)) is None


def test_an_answer_names_the_call_and_the_monitor() -> None:
    assert json.loads(answer(offer(), "ours", "Seamwatch monitor")) == {
        "type": "ANSWER",
        "dst": "alice",
        "payload": {
            "sdp": {"type": "answer", "sdp": "ours"},
            "type": "media",
            "connectionId": "mc_1",
            "metadata": {"name": "Seamwatch monitor"},
        },
    }


def test_lines_are_encoded_as_the_connection_says() -> None:
    text = "\u00e9!"
    assert encode_line(text, "raw") == text
    assert encode_line(text, "json") == b'"\\u00e9!"'
    assert encode_line(text, "MsgPack") == b"\xda\x00\x03\xc3\xa9!"
    assert encode_line(text, "binary") == encode_line(text, "binary-utf8") == b"\xd8\x00\x03\xc3\xa9!"
    assert encode_line("x" * MAX_LINE_BYTES, "binary")[:3] == b"\xd8\xff\xff"
    with pytest.raises(ValueError, match="too long"):
        encode_line("x" * (MAX_LINE_BYTES + 1), "raw")


def test_the_feeds_of_one_peer_differ() -> None:
    taken: list[str] = []
    while (feed := feed_of("alice", taken)) is not None:
        taken.append(feed)
    assert taken == ["alice", *(f"alice#{number}" for number in range(2, MAX_CALLS_PER_PEER + 1))]
    assert feed_of("alice", taken[1:]) == "alice"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "src", "payload", "sdp", "candidate", "connectionId", "metadata", "name"]
            )
            | st.text(),
            inner,
            max_size=6,
        )
    ),
)


@given(
    kind=st.sampled_from(["OPEN", "ERROR", "LEAVE", "OFFER", "CANDIDATE", "EXPIRE"]) | _JSON,
    src=_JSON,
    payload=_JSON,
)
def test_any_message_is_read(kind: object, src: object, payload: object) -> None:
    read_message(json.dumps({"type": kind, "src": src, "payload": payload}))


@given(st.text() | st.binary())
def test_any_text_is_read(text: str | bytes) -> None:
    read_message(text)


@pytest.mark.parametrize(
    ("url", "address", "key"),
    [
        ("peerjs://localhost?id=bot", "ws://localhost:9000/peerjs", "peerjs"),
        ("peerjs://127.0.0.1:9001/calls/?id=bot&key=k%20y", "ws://127.0.0.1:9001/calls/peerjs", "k y"),
        ("peerjss://host.example/a/b?id=bot", "wss://host.example:443/a/b/peerjs", "peerjs"),
        ("peerjs://[::1]:9000/?id=bot", "ws://[::1]:9000/peerjs", "peerjs"),
    ],
)
def test_the_servers_address(url: str, address: str, key: str) -> None:
    found = urlsplit(server_url(join_target(url)))
    query = parse_qs(found.query)
    assert f"{found.scheme}://{found.netloc}{found.path}" == address
    assert (query["id"], query["key"]) == (["bot"], [key])
    assert len(query["token"][0]) >= 16
    assert server_url(join_target(url)) == server_url(join_target(url))
    assert "token=mine" in server_url(join_target(url, token="mine"))


@pytest.mark.parametrize(
    "query", ["", "?id=", "?key=k", "?id=-bot", "?id=a..b", "?id=" + 65 * "a", "?id=%0A"]
)
def test_an_id_that_peerjs_cannot_call_is_refused(query: str) -> None:
    with pytest.raises(JoinError, match="names no id"):
        server_url(join_target(f"peerjs://localhost/{query}"))


class StubPeer:
    """Stands in for the receiver and for the data channel."""

    made: list[StubPeer]

    def __init__(
        self,
        target: MediaSink | asyncio.Future[EndReason],
        *,
        clock_ns: Callable[[], int] | None = None,
        hold_channel: bool = False,
    ) -> None:
        self._target = target
        self.candidates: list[str] = []
        self.sent: list[str | bytes] = []
        self.closed = False
        self.accepted = False
        assert hold_channel == (clock_ns is not None)
        self.made.append(self)

    async def accept(self, offer_sdp: str) -> str:
        await asyncio.sleep(0)
        if offer_sdp == GARBAGE:
            self.closed = True
            raise SignallingError("It cannot be used.", fix="Send another.", status=400)
        self.accepted = True
        return "ours"

    async def add_candidate(self, line: str, mid: str | None, index: int | None) -> None:
        await asyncio.sleep(0)
        if line == GARBAGE:
            raise SignallingError("It cannot be used.", fix="Send another.", status=400)
        self.candidates.append(line)

    def send(self, message: str | bytes) -> bool:
        self.sent.append(message)
        return True

    def end(self, reason: EndReason) -> None:
        if isinstance(self._target, asyncio.Future):
            if not self._target.done():
                self._target.set_result(reason)
        elif self.accepted and not self.closed:
            self._target.on_end(reason)
        self.closed = True

    async def close(self) -> None:
        self.end(EndReason.CLOSED)

    def reception(self) -> Reception:
        return Reception(audio=None, video=None)


@pytest.fixture(autouse=True, scope="module")
def peers() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peerjs_calls, "WebRtcReceiver", StubPeer)
        patch.setattr(peerjs_calls, "OfferedChannel", StubPeer)
        yield


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


@asynccontextmanager
async def switchboard(
    room: FakeRoom, say: Callable[[str], Awaitable[bool]] | None = None
) -> AsyncIterator[tuple[PeerCalls, list[dict[str, object]]]]:
    """Calls without a server; leaving hangs up for everybody and requires that nothing is left."""
    StubPeer.made = []
    said: list[dict[str, object]] = []

    async def remember(message: str) -> bool:
        said.append(json.loads(message))
        return True if say is None else await say(message)

    async with asyncio.TaskGroup() as tasks:
        calls = PeerCalls(room, tasks, say=remember, display_name="Monitor")
        yield calls, said
        for peer in calls.peers():
            calls.on_left(peer)
        await settle()
        assert calls.peers() == []
        assert room.sources == {}
        assert all(peer.closed for peer in StubPeer.made)


async def test_calls_come_and_go() -> None:
    room = FakeRoom()
    async with switchboard(room) as (calls, said):
        await calls.on_offer(offer("alice"))
        await calls.on_offer(offer("bob"))
        await calls.on_offer(offer("alice", "mc_2"))
        await settle()
        assert room.events == [
            ("appeared", "alice", "Alice"),
            ("appeared", "bob", "Bob"),
            ("appeared", "alice#2", "Alice"),
        ]
        assert [(message["type"], message["dst"]) for message in said] == [
            ("ANSWER", "alice"),
            ("ANSWER", "bob"),
            ("ANSWER", "alice"),
        ]
        StubPeer.made[1].end(EndReason.PEER_LEFT)
        await settle()
        assert room.events[3:] == [("left", "bob")]
        calls.on_left("alice")
        await settle()
        assert sorted(room.events[4:]) == [("left", "alice"), ("left", "alice#2")]
        await calls.on_offer(offer("alice"))
        await settle()
        assert room.events[6:] == [("appeared", "alice", "Alice")]


async def test_candidates_reach_their_call_even_before_it_is_accepted() -> None:
    async with switchboard(FakeRoom()) as (calls, _):
        await calls.on_offer(offer())
        for line in ("first", GARBAGE, "second"):
            calls.on_candidate(Candidate(peer="alice", connection="mc_1", line=line, mid="0", index=0))
        calls.on_candidate(Candidate(peer="mallory", connection="mc_1", line="foreign", mid="0", index=0))
        await settle()
        assert StubPeer.made[0].candidates == ["first", "second"]


async def test_candidates_are_bounded() -> None:
    async with switchboard(FakeRoom()) as (calls, _):
        await calls.on_offer(offer())
        for number in range(1000):
            calls.on_candidate(Candidate(peer="alice", connection="mc_1", line=str(number), mid="0", index=0))
            if number % 3 == 0:
                await settle()
        await settle()
        assert len(StubPeer.made[0].candidates) == 64


@pytest.mark.parametrize("sdp", [GARBAGE, "theirs"])
async def test_a_call_that_cannot_be_taken_is_turned_away(sdp: str) -> None:
    room = FakeRoom(seats=8 if sdp == GARBAGE else 0)
    async with switchboard(room) as (calls, said):
        await calls.on_offer(offer(sdp=sdp))
        await settle()
        assert said == [{"type": "LEAVE", "dst": "alice"}]
        assert calls.peers() == []
    assert room.events == []


async def test_turning_one_call_away_leaves_the_peers_other_connections_alone() -> None:
    async with switchboard(FakeRoom(seats=1)) as (calls, said):
        await calls.on_offer(offer())
        await settle()
        await calls.on_offer(offer(connection="mc_2"))
        await settle()
        assert [message["type"] for message in said] == ["ANSWER"]
        assert calls.peers() == ["alice"]


async def test_calls_and_connections_are_bounded() -> None:
    async with switchboard(FakeRoom(seats=1000)) as (calls, _):
        for number in range(3 * MAX_CALLS_PER_PEER):
            await calls.on_offer(offer("alice", f"mc_{number}"))
        for number in range(2 * MAX_CONNECTIONS):
            await calls.on_offer(offer(f"peer{number}", data=number % 2 == 1))
        await settle()
        assert len(StubPeer.made) == MAX_CONNECTIONS
        assert len(calls.peers()) == MAX_CONNECTIONS - MAX_CALLS_PER_PEER + 1


async def test_one_peer_cannot_take_all_connections() -> None:
    async with switchboard(FakeRoom()) as (calls, _):
        for number in range(2 * MAX_CONNECTIONS):
            await calls.on_offer(offer("mallory", f"dc_{number}", data=True))
        await calls.on_offer(offer("alice"))
        await settle()
        assert len(StubPeer.made) == MAX_CONNECTIONS_PER_PEER + 1
        assert calls.peers() == ["mallory", "alice"]


async def test_a_repeated_offer_changes_nothing() -> None:
    async with switchboard(FakeRoom()) as (calls, said):
        for _ in range(3):
            await calls.on_offer(offer())
            await settle()
        assert len(said) == len(StubPeer.made) == 1


async def test_a_call_whose_answer_does_not_go_out_is_let_go() -> None:
    async def mute(message: str) -> bool:
        return False

    room = FakeRoom()
    async with switchboard(room, mute) as (calls, _):
        await calls.on_offer(offer())
        await settle()
        assert calls.peers() == []
    assert room.events == [("appeared", "alice", "Alice"), ("left", "alice")]


async def test_a_failure_in_one_call_harms_no_other() -> None:
    async def broken(message: str) -> bool:
        if json.loads(message)["dst"] == "mallory":
            raise RuntimeError
        return True

    room = FakeRoom()
    async with switchboard(room, broken) as (calls, _):
        await calls.on_offer(offer("alice"))
        await calls.on_offer(offer("mallory"))
        await settle()
        assert calls.peers() == ["alice"]
        assert list(room.sources) == ["alice"]


async def test_lines_go_to_data_connections_only() -> None:
    room = FakeRoom()
    async with switchboard(room) as (calls, _):
        await calls.on_offer(offer())
        await settle()
        assert not calls.send_line("hello")
        await calls.on_offer(offer("bob", data=True))
        await settle()
        assert calls.send_line("hello")
        assert not calls.send_line(MAX_LINE_BYTES * "\u00e9")
        assert [peer.sent for peer in StubPeer.made] == [[], ["hello"]]
    assert [event for event in room.events if "bob" in event] == []


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["media", "data", "garbage", "candidate", "bad candidate", "left", "end", "wait"]),
        st.sampled_from(["alice", "bob", "carol"]),
        st.sampled_from(["c1", "c2"]),
    ),
    max_size=40,
)


@given(steps=_STEPS, deaf=st.booleans())
def test_whatever_peers_do_nobody_is_left_behind(steps: list[tuple[str, str, str]], deaf: bool) -> None:
    async def say(message: str) -> bool:
        await asyncio.sleep(0)
        return not deaf

    async def play() -> None:
        room = FakeRoom(seats=3)
        async with switchboard(room, say) as (calls, _):
            for step, peer, connection in steps:
                match step:
                    case "media" | "data" | "garbage":
                        sdp = GARBAGE if step == "garbage" else "theirs"
                        await calls.on_offer(offer(peer, connection, data=step == "data", sdp=sdp))
                    case "candidate" | "bad candidate":
                        line = GARBAGE if step == "bad candidate" else LINE
                        calls.on_candidate(
                            Candidate(peer=peer, connection=connection, line=line, mid=None, index=0)
                        )
                    case "left":
                        calls.on_left(peer)
                    case "end" if StubPeer.made:
                        StubPeer.made[len(connection + peer) % len(StubPeer.made)].end(
                            EndReason.CONNECTION_LOST
                        )
                    case "wait":
                        await settle()
            await settle()
        seen = Counter(kind for kind, *_ in room.events)
        assert seen["appeared"] == seen["left"]

    asyncio.run(play())


Script = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def scripted_server(script: Script) -> AsyncIterator[str]:
    async with serve(script, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"peerjs://127.0.0.1:{port}/calls?id=seamwatch"


@pytest.mark.parametrize(
    ("first", "error", "message"),
    [
        ('{"type": "ID-TAKEN"}', JoinError, "Somebody else has this id"),
        ('{"type": "INVALID-KEY"}', JoinError, "another API key"),
        ('{"type": "ERROR", "payload": {"msg": "full"}}', CallLostError, "takes nobody now"),
        ("hello", CallLostError, "did not register"),
        ('{"type": "OPEN"}', CallLostError, "closed the connection"),
    ],
)
async def test_registering(first: str, error: type[JoinError | CallLostError], message: str) -> None:
    async def script(connection: ServerConnection) -> None:
        await connection.send(first)

    joined: list[bool] = []
    async with scripted_server(script) as url:
        with pytest.raises(error, match=message):
            await PeerJsAdapter(join_target(url)).attend(FakeRoom(), lambda: joined.append(True))
    assert len(joined) == (first == '{"type": "OPEN"}')


async def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(connection: ServerConnection) -> None:
        await connection.wait_closed()

    monkeypatch.setattr(peerjs, "REGISTER_TIMEOUT_S", 0.2)
    async with scripted_server(script) as url:
        with pytest.raises(CallLostError, match="did not register"):
            await PeerJsAdapter(join_target(url)).attend(FakeRoom(), pytest.fail)


async def test_noise_from_the_server_is_survived_and_leaving_is_polite() -> None:
    heard: list[dict[str, object]] = []

    async def script(connection: ServerConnection) -> None:
        await connection.send('{"type": "OPEN"}')
        for text in ("", "[]", b"\xff", '{"type": "EXPIRE"}', '{"type": "OPEN"}', offer_message()):
            await connection.send(text)
        async for text in connection:
            heard.append(json.loads(text))

    StubPeer.made = []
    room = FakeRoom()
    async with scripted_server(script) as url, attended(PeerJsAdapter(join_target(url)), room) as attending:
        await room.until(lambda r: "alice" in r.sinks)
        await settle()
        attending.cancel()
        await asyncio.wait([attending])
    assert [(message["type"], message["dst"]) for message in heard] == [
        ("ANSWER", "alice"),
        ("LEAVE", "alice"),
    ]
    assert room.events == [("appeared", "alice", "Alice")]


async def test_calls_go_on_while_the_server_is_away_and_end_with_the_last_attempt() -> None:
    visits = 0

    async def script(connection: ServerConnection) -> None:
        nonlocal visits
        visits += 1
        await connection.send('{"type": "OPEN"}' if visits < 3 else '{"type": "ERROR"}')
        if visits == 1:
            await connection.send(offer_message())
            await connection.recv()

    StubPeer.made = []
    room, joined = FakeRoom(), []
    async with scripted_server(script) as url:
        adapter = PeerJsAdapter(join_target(url), reconnect_delays_s=(0.0, 0.0))
        with pytest.raises(CallLostError, match="takes nobody now"):
            await adapter.attend(room, lambda: joined.append(True))
    assert visits == 4
    assert joined == [True]
    assert list(room.sources) == ["alice"]
    assert not StubPeer.made[0].closed
    await room.close()
