"""The Janus adapter over a real WebSocket, with real peer connections, against a double of the server.

The real server is joined by the bench; what only it can show is not shown here.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av
import pytest
from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.server import ServerConnection, serve

from clients.joining.adapter import CallLostError, JoinError
from clients.joining.janus import JanusAdapter
from clients.joining.target import join_target
from realtime.errors import SignallingError
from realtime.ingest.aiortc_private.host_addresses import offer_loopback_as_last_resort
from realtime.ingest.aiortc_private.peer import close_peer
from realtime.ingest.data_channel import DataChannelPeer
from realtime.ingest.source import OpenSource
from tests.support.janus_double import AUDIO, ROOM, TEXTROOM, VIDEO, DoubleHandle, JanusDouble
from tests.support.joining_room import FakeRoom, attended
from tests.support.media import picture

PATIENCE_S = 30.0


class SmallPictures(VideoStreamTrack):
    async def recv(self) -> av.VideoFrame:
        pts, time_base = await self.next_timestamp()
        frame = av.VideoFrame.from_ndarray(picture(pts // 3000), format="rgb24")
        frame.pts, frame.time_base = pts, Fraction(time_base)
        return frame


class MediaServer:
    """The sending ends of the double's peer connections."""

    def __init__(self, server: JanusDouble) -> None:
        self._server = server
        self.peers: dict[int, RTCPeerConnection] = {}
        self.lines: list[tuple[str, str]] = []
        self.text_pin: str | None = None
        server.make_offer, server.take_answer = self.offer, self.answer

    async def offer(self, handle: DoubleHandle) -> str:
        peer = self.peers[handle.id] = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        if handle.plugin == TEXTROOM:
            peer.createDataChannel("server")
            peer.on("datachannel", self._chat)
        else:
            kinds = {stream["mid"] for stream in handle.streams}
            if "0" in kinds:
                peer.addTrack(AudioStreamTrack())
            if "1" in kinds:
                peer.addTrack(SmallPictures())
        await peer.setLocalDescription(await peer.createOffer())
        return str(peer.localDescription.sdp)

    async def answer(self, handle: DoubleHandle, sdp: str) -> None:
        description = RTCSessionDescription(sdp=sdp, type="answer")
        await self.peers[handle.id].setRemoteDescription(description)

    def _chat(self, channel: RTCDataChannel) -> None:
        def hear(text: str) -> None:
            request = json.loads(text)
            allowed = request.get("pin") == self.text_pin or request["textroom"] != "join"
            self.lines.append((request["textroom"], request.get("text") or request["display"]))
            assert request["room"] == ROOM
            verdict = {"textroom": "success"} if allowed else {"textroom": "error", "error_code": 419}
            channel.send("not JSON")
            channel.send(json.dumps({**verdict, "transaction": request["transaction"]}))

        channel.on("message", hear)

    async def close(self) -> None:
        await asyncio.gather(*(close_peer(peer) for peer in self.peers.values()))


def self_signed(path: Path) -> Path:
    """Write a certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + certificate.public_bytes(pem))
    return path


@asynccontextmanager
async def served(server: JanusDouble) -> AsyncIterator[tuple[MediaServer, JanusAdapter]]:
    offer_loopback_as_last_resort()
    media = MediaServer(server)
    async with server.serve() as port:
        try:
            yield media, JanusAdapter(join_target(f"janus://127.0.0.1:{port}/room/{ROOM}"))
        finally:
            await media.close()


async def test_media_of_every_publisher_arrives_until_it_leaves() -> None:
    server, room = JanusDouble(), FakeRoom()
    server.publish(5, "Ann")
    async with served(server) as (_, adapter), attended(adapter, room):
        await room.until(lambda room: "5" in room.sinks and bool(room.sinks["5"].sizes))
        server.publish(6, "Bob", [AUDIO])
        await room.until(lambda room: "6" in room.sinks and room.sinks["6"].samples > 0)
        await room.until(lambda room: room.sinks["5"].samples > 0)
        assert set(room.sinks["5"].sizes) == {(64, 48)}
        server.unpublish(5)
        await room.until(lambda room: ("left", "5") in room.events)
        assert [event for event in room.events if event[0] == "appeared"] == [
            ("appeared", "5", "Ann"),
            ("appeared", "6", "Bob"),
        ]
    assert server.session_id is None


async def test_a_video_that_is_switched_on_comes_over_a_new_connection() -> None:
    class ReplacingRoom(FakeRoom):
        async def appeared(self, feed: str, name: str, open_source: OpenSource) -> None:
            await self.left(feed)
            await super().appeared(feed, name, open_source)

    server, room = JanusDouble(), ReplacingRoom()
    server.publish(5, "Ann", [AUDIO])
    async with served(server) as (_, adapter), attended(adapter, room):
        await room.until(lambda room: "5" in room.sinks and room.sinks["5"].samples > 0)
        first = room.sinks["5"]
        server.publish(5, "Ann", [AUDIO, VIDEO])
        await room.until(lambda room: room.sinks["5"] is not first and bool(room.sinks["5"].sizes))
        assert len(server.handles) == 2


async def test_lines_are_posted_into_the_text_room_of_the_same_number() -> None:
    server = JanusDouble()
    async with served(server) as (media, adapter):
        assert await adapter.post("too early") is False
        async with attended(adapter, FakeRoom()):
            assert await adapter.post("hello") is True
            assert await adapter.post("again") is True
        assert await adapter.post("too late") is False
        assert media.lines == [
            ("join", "Seamwatch monitor"),
            ("message", "hello"),
            ("message", "again"),
        ]


@pytest.mark.parametrize("missing", ["plugin", "room", "pin"])
async def test_without_a_text_room_nothing_is_posted(missing: str) -> None:
    server = JanusDouble()
    async with served(server) as (media, adapter), attended(adapter, FakeRoom()) as attending:
        if missing == "plugin":
            server.plugins.discard(TEXTROOM)
        elif missing == "room":
            server.text_rooms.clear()
        else:
            media.text_pin = "secret"
        assert await adapter.post("hello") is False
        assert len(server.handles) == 1
        assert not attending.done()


async def test_what_is_no_janus_server_is_told_apart_from_one_that_is_away() -> None:
    async def ignore(connection: ServerConnection) -> None:
        await connection.wait_closed()

    room = FakeRoom()
    async with serve(ignore, "127.0.0.1", 0) as other:
        port = other.sockets[0].getsockname()[1]
        with pytest.raises(JoinError, match="Janus"):
            await JanusAdapter(join_target(f"janus://127.0.0.1:{port}/room/1")).attend(room, lambda: None)
        with pytest.raises(CallLostError):
            await JanusAdapter(join_target(f"januss://127.0.0.1:{port}/room/1")).attend(room, lambda: None)
    with pytest.raises(CallLostError):
        await JanusAdapter(join_target(f"janus://127.0.0.1:{port}/room/1")).attend(room, lambda: None)


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    async def ignore(connection: ServerConnection) -> None:
        await connection.wait_closed()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path / "certificate.pem"))
    async with serve(ignore, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        adapter = JanusAdapter(join_target(f"januss://127.0.0.1:{port}/room/1"))
        with pytest.raises(JoinError, match="certificate"):
            await adapter.attend(FakeRoom(), lambda: None)


async def test_a_server_that_goes_away_loses_the_call() -> None:
    room = FakeRoom()
    async with JanusDouble().serve() as port:
        adapter = JanusAdapter(join_target(f"janus://127.0.0.1:{port}/room/{ROOM}"))
        joined = asyncio.Event()
        attending = asyncio.create_task(adapter.attend(room, joined.set))
        async with asyncio.timeout(PATIENCE_S):
            await joined.wait()
    with pytest.raises(CallLostError):
        await attending


@pytest.mark.parametrize(
    ("sdp", "status"),
    [
        ("v=0\r\nm=nonsense\r\n", 400),
        ("", 406),
        ("v=0\r\n" + "a=x\r\n" * 20_000, 413),
        (
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"
            "c=IN IP4 0.0.0.0\r\na=mid:0\r\n",
            406,
        ),
    ],
)
async def test_a_data_channel_peer_takes_nothing_but_data_channels(sdp: str, status: int) -> None:
    peer = DataChannelPeer(label="x", on_text=lambda text: None)
    with pytest.raises(SignallingError) as refused:
        await peer.accept(sdp)
    assert refused.value.status == status
    assert peer.send("x") is False
    await peer.close()
