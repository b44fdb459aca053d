"""WHEP without a network: what every answer of a server leads to, and that nothing is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.joining import whep
from clients.joining.adapter import CallLostError, JoinError
from clients.joining.ice_links import MAX_ICE_SERVERS, ice_servers
from clients.joining.target import join_target
from clients.joining.whep import WhepAdapter, participant_name
from clients.joining.whep_http import MAX_REDIRECTS, refusal
from realtime.errors import SignallingError
from realtime.ingest.ice import IceServer
from realtime.ingest.offer import MAX_OFFER_BYTES
from realtime.ingest.reception import Reception
from realtime.ingest.sink import EndReason, MediaSink
from tests.support.joining_room import FakeRoom

URL = "https://host.example/live/studio"
SDP = {"Content-Type": "application/sdp"}
CREATED = {**SDP, "Location": "/session/1"}
Handler = Callable[[httpx.Request], httpx.Response]


class StubReceiver:
    """Negotiates without WebRTC; ends as soon as the negotiation is done where ``ends`` says how."""

    made: list[StubReceiver]
    ends: EndReason | None
    refuses: bool

    def __init__(self, sink: MediaSink, *, clock_ns: Callable[[], int], ice_servers: list[IceServer]) -> None:
        self.sink, self.ice_servers = sink, ice_servers
        self.heard: list[str] = []
        self.closed = False
        self.made.append(self)

    async def request(self) -> str:
        return "our offer"

    async def answered(self, answer_sdp: str) -> None:
        self._hear(answer_sdp)

    async def accept(self, offer_sdp: str) -> str:
        self._hear(offer_sdp)
        return "our answer"

    async def close(self) -> None:
        if self.heard and not self.closed:
            self.sink.on_end(EndReason.CLOSED)
        self.closed = True

    def reception(self) -> Reception:
        return Reception(audio=None, video=None)

    def _hear(self, sdp: str) -> None:
        if self.refuses:
            raise SignallingError("It cannot be used.", fix="Send another.", status=400)
        self.heard.append(sdp)
        if self.ends is not None:
            self.sink.on_end(self.ends)
            self.closed = True


@pytest.fixture(autouse=True)
def receivers(monkeypatch: pytest.MonkeyPatch) -> list[StubReceiver]:
    StubReceiver.made, StubReceiver.ends, StubReceiver.refuses = [], EndReason.PEER_LEFT, False
    monkeypatch.setattr(whep, "WebRtcReceiver", StubReceiver)
    return StubReceiver.made


class Server:
    """Answers POST as it is told, everything else with success, and remembers what it was asked."""

    def __init__(self, post: Handler) -> None:
        self._post = post
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self._post(request) if request.method == "POST" else httpx.Response(204)

    def asked(self, method: str) -> list[str]:
        return [str(request.url) for request in self.requests if request.method == method]


async def attend(handler: Handler, url: str = URL, *, token: str | None = None) -> bool:
    """Attend once; return whether the call was joined."""
    joined: list[bool] = []
    target = join_target(f"whep+{url}", token=token, display_name="Monitor \u00e9\n")
    adapter = WhepAdapter(target, transport=httpx.MockTransport(handler))
    room = FakeRoom()
    try:
        await adapter.attend(room, lambda: joined.append(True))
    finally:
        await room.close()
        assert all(receiver.closed for receiver in StubReceiver.made)
        assert not await adapter.post("hello")
    return bool(joined)


def created(_: httpx.Request) -> httpx.Response:
    return httpx.Response(201, headers=CREATED, text="their answer")


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (200, JoinError, "refuses"),
        (301, JoinError, "refuses"),
        (400, JoinError, "refuses"),
        (401, JoinError, "--token"),
        (403, JoinError, "another one with --token"),
        (404, CallLostError, "Nothing is published"),
        (405, JoinError, "no WHEP endpoint"),
        (406, JoinError, "Opus, and VP8 or H.264"),
        (409, CallLostError, "Nothing is published"),
        (410, JoinError, "gone for good"),
        (415, JoinError, "no WHEP endpoint"),
        (429, CallLostError, "cannot serve now"),
        (500, CallLostError, "cannot serve now"),
        (503, CallLostError, "cannot serve now"),
    ],
)
async def test_what_a_status_means(status: int, error: type[JoinError | CallLostError], message: str) -> None:
    server = Server(lambda _: httpx.Response(status, headers={"Retry-After": "12"}))
    with pytest.raises(error, match=message) as caught:
        await attend(server)
    if isinstance(caught.value, CallLostError):
        assert caught.value.retry_after_s == 12
    assert server.asked("DELETE") == []


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, None), ("0", 0), (" 30 ", 30), ("99999999", 300), ("-1", None), ("1e9", None), ("soon", None)],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    error = refusal(503, value)
    assert isinstance(error, CallLostError)
    assert error.retry_after_s == seconds


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        (EndReason.PEER_LEFT, "The server ended the stream"),
        (EndReason.CONNECTION_LOST, "connection to the stream was lost"),
        (EndReason.CONNECT_TIMEOUT, "no media could be received"),
        (EndReason.INTERNAL_ERROR, "Receiving the stream failed"),
    ],
)
async def test_every_end_but_our_own_is_a_loss(reason: EndReason, message: str) -> None:
    StubReceiver.ends = reason
    server = Server(created)
    with pytest.raises(CallLostError, match=message):
        await attend(server)
    assert server.asked("DELETE") == ["https://host.example/session/1"]


async def test_a_participant_that_the_monitor_ends_ends_the_call() -> None:
    StubReceiver.ends = EndReason.CLOSED
    assert await attend(Server(created))


async def test_the_session_is_left_where_its_location_says_with_the_token() -> None:
    server = Server(created)
    with pytest.raises(CallLostError):
        await attend(server, f"{URL}?quality=high", token="secret")
    assert [request.method for request in server.requests] == ["OPTIONS", "POST", "DELETE"]
    assert {request.headers["Authorization"] for request in server.requests} == {"Bearer secret"}
    assert {request.headers["User-Agent"] for request in server.requests} == {"Monitor ??"}
    assert server.asked("POST") == [f"{URL}?quality=high"]
    assert server.requests[1].content == b"our offer"
    assert StubReceiver.made[0].heard == ["their answer"]


@pytest.mark.parametrize("headers", [SDP, {**SDP, "Location": "http://host.example/session/1"}])
async def test_a_session_that_cannot_be_left_safely_is_not(headers: dict[str, str]) -> None:
    server = Server(lambda _: httpx.Response(201, headers=headers, text="their answer"))
    with pytest.raises(CallLostError, match="ended the stream"):
        await attend(server, token="secret")
    assert server.asked("DELETE") == []


async def test_a_server_that_is_gone_at_the_end_does_not_hide_why() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return created(request)
        raise httpx.ConnectError("gone")

    with pytest.raises(CallLostError, match="ended the stream"):
        await attend(handler)


async def test_a_counter_offer_is_answered() -> None:
    content_type = "Application/SDP; valid-until=never"
    headers = {"Content-Type": content_type, "Location": "https://other.example/7"}
    server = Server(lambda _: httpx.Response(406, headers=headers, text="their offer"))
    with pytest.raises(CallLostError, match="ended the stream"):
        await attend(server, token="secret")
    assert [request.method for request in server.requests] == ["OPTIONS", "POST", "PATCH", "DELETE"]
    patch = server.requests[2]
    assert (str(patch.url), patch.content, patch.headers["Content-Type"]) == (
        "https://other.example/7",
        b"our answer",
        "application/sdp",
    )
    assert [receiver.heard for receiver in StubReceiver.made] == [[], ["their offer"]]


async def test_a_counter_offer_whose_answer_is_refused() -> None:
    StubReceiver.ends = None

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(406 if request.method == "POST" else 403, headers=CREATED, text="their offer")

    with pytest.raises(JoinError, match="another one with --token"):
        await attend(handler)
    without_session = Server(lambda _: httpx.Response(406, headers=SDP, text="their offer"))
    with pytest.raises(JoinError, match="session description"):
        await attend(without_session)
    assert without_session.asked("PATCH") == []


@pytest.mark.parametrize("status", [201, 406])
async def test_a_description_that_cannot_be_used_is_refused_and_the_session_left(status: int) -> None:
    StubReceiver.refuses = True
    server = Server(lambda _: httpx.Response(status, headers=CREATED, text="nonsense"))
    with pytest.raises(JoinError, match="session description"):
        await attend(server)
    assert server.asked("DELETE") == ["https://host.example/session/1"]


async def test_a_body_without_end_is_not_read_to_it() -> None:
    served = 0

    async def endless() -> object:
        nonlocal served
        while True:
            served += 1
            yield 1024 * b"x"

    with pytest.raises(JoinError, match="session description"):
        await attend(Server(lambda _: httpx.Response(201, headers=CREATED, content=endless())))
    assert served * 1024 <= MAX_OFFER_BYTES + 2048


async def test_redirects_are_followed_with_the_offer_and_within_limits() -> None:
    def twice(request: httpx.Request) -> httpx.Response:
        hops = len(server.asked("POST"))
        target = f"https://host.example/{hops}"
        return created(request) if hops == 3 else httpx.Response(307, headers={"Location": target})

    server = Server(twice)
    with pytest.raises(CallLostError, match="ended the stream"):
        await attend(server, token="secret")
    assert {request.content for request in server.requests if request.method == "POST"} == {b"our offer"}
    endless = Server(lambda _: httpx.Response(308, headers={"Location": "/again"}))
    with pytest.raises(JoinError, match="without end"):
        await attend(endless)
    assert len(endless.asked("POST")) == MAX_REDIRECTS + 1


async def test_a_redirect_to_another_host_does_not_get_the_token() -> None:
    def away(request: httpx.Request) -> httpx.Response:
        if request.url.host == "host.example":
            return httpx.Response(307, headers={"Location": "https://cdn.example/whep?signed=1"})
        return created(request)

    server = Server(away)
    with pytest.raises(CallLostError, match="ended the stream"):
        await attend(server, token="secret")
    assert server.asked("DELETE") == ["https://cdn.example/session/1"]
    elsewhere = [request for request in server.requests if request.url.host == "cdn.example"]
    assert len(elsewhere) == 2
    assert not any("Authorization" in request.headers for request in elsewhere)


@pytest.mark.parametrize("location", ["http://host.example/live", "ftp://host.example/", None])
async def test_redirects_away_from_tls_or_to_nowhere_are_refused(location: str | None) -> None:
    headers = {} if location is None else {"Location": location}
    with pytest.raises(JoinError, match="redirects to nowhere, or away from TLS"):
        await attend(Server(lambda _: httpx.Response(307, headers=headers)))


@pytest.mark.parametrize("token", ["", "two words", "\u00e9", "line\nbreak"])
async def test_a_token_that_no_header_can_carry_is_refused(token: str) -> None:
    with pytest.raises(JoinError, match="token cannot be sent"):
        await attend(pytest.fail, token=token)


async def test_a_token_does_not_travel_unencrypted_beyond_this_machine() -> None:
    with pytest.raises(JoinError, match="unencrypted"):
        await attend(pytest.fail, "http://host.example/live", token="secret")
    for url, token in (("http://127.0.0.1:8889/live", "secret"), ("http://host.example/live", None)):
        with pytest.raises(CallLostError, match="ended the stream"):
            await attend(Server(created), url, token=token)


async def test_leaving_ends_the_session() -> None:
    StubReceiver.ends = None
    server, joined = Server(created), asyncio.Event()
    adapter = WhepAdapter(join_target(f"whep+{URL}"), transport=httpx.MockTransport(server))
    room = FakeRoom()
    attending = asyncio.create_task(adapter.attend(room, joined.set))
    await joined.wait()
    assert room.events == [("appeared", "studio", "studio")]
    attending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attending
    assert server.asked("DELETE") == ["https://host.example/session/1"]
    assert not StubReceiver.made[0].closed
    await room.close()


async def test_servers_named_by_options_go_into_the_offer() -> None:
    turn = '<turn:turn.example:3478?transport=tcp>; rel="ice-server"; username="u"; credential="p\\"w"'

    def handler(request: httpx.Request) -> httpx.Response:
        if request.method == "OPTIONS":
            return httpx.Response(
                204, headers=[("Link", "<stun:stun.example>; rel=ice-server"), ("Link", turn)]
            )
        return created(request)

    with pytest.raises(CallLostError):
        await attend(handler)
    assert StubReceiver.made[0].ice_servers == [
        IceServer(url="stun:stun.example"),
        IceServer(url="turn:turn.example:3478?transport=tcp", username="u", credential='p"w'),
    ]


def test_links_in_one_header_and_links_that_do_not_matter() -> None:
    header = (
        '<https://host.example/events>; rel="urn:ietf:params:whep:ext:core:server-sent-events", '
        '<stun:a.example:1>;rel="ice-server" , <turn:b.example>; credential-type="oauth"; rel=ice-server,'
        "<file:///etc/passwd>; rel=ice-server, <stun:c.example>; REL=ice-server; rel=other"
    )
    assert [server.url for server in ice_servers([header])] == ["stun:a.example:1", "stun:c.example"]
    assert len(ice_servers(100 * ["<stun:a.example>; rel=ice-server"])) == MAX_ICE_SERVERS


_PIECES = st.sampled_from(
    ["<", ">", '"', "\\", ";", ",", " ", "=", "rel", "ice-server", "stun:a.example", "\x00"]
)


@given(st.lists(st.one_of(st.text(), st.lists(_PIECES).map("".join))))
def test_any_link_header_is_read(headers: list[str]) -> None:
    assert len(ice_servers(headers)) <= MAX_ICE_SERVERS


@given(
    status=st.integers(100, 999),
    location=st.none() | st.text(st.characters(codec="ascii", exclude_categories=["Cc"])),
    retry_after=st.text(st.characters(codec="ascii", exclude_categories=["Cc"])),
    body=st.binary(max_size=100),
    is_sdp=st.booleans(),
)
def test_any_answer_ends_in_one_of_the_two_errors(
    status: int, location: str | None, retry_after: str, body: bytes, is_sdp: bool
) -> None:
    headers = {"Retry-After": retry_after, **(SDP if is_sdp else {})}
    if location is not None:
        headers["Location"] = location
    StubReceiver.made.clear()
    with pytest.raises((JoinError, CallLostError)):
        asyncio.run(attend(lambda _: httpx.Response(status, headers=headers, content=body)))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/live/studio", "studio"),
        ("/live/studio/", "studio"),
        ("/cam%20one/whep", "cam one"),
        ("/live/a%0Ab", "live"),
        ("/whep", "named"),
        ("", "named"),
    ],
)
def test_the_participant_is_named_after_the_stream(path: str, name: str) -> None:
    assert participant_name(join_target(f"whep+https://host.example{path}", call="named")) == name
