from __future__ import annotations

import asyncio
from typing import Any

import pylibsrtp
import pytest
from aiortc.rtp import RtpPacket as AiortcPacket

from realtime.ingest.aiortc_private.ice_protocol import IceProtocol
from realtime.ingest.media_path import MediaPath
from realtime.ingest.rtp.parsing import RtpPacket
from tests.unit.test_ingest_aiortc_private import MS, OWN_SSRC, RTX, RTX_SSRC, SSRC, VP8, Tapped

KEY = bytes(range(30))


class Sender:
    """Protects packets as the peer does."""

    def __init__(self) -> None:
        self._session = pylibsrtp.Session(self.policy(pylibsrtp.Policy.SSRC_ANY_OUTBOUND))

    @staticmethod
    def policy(direction: int) -> pylibsrtp.Policy:
        return pylibsrtp.Policy(
            key=KEY, ssrc_type=direction, srtp_profile=pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80
        )

    def packet(self, number: int, *, key: bool = False, ssrc: int = SSRC, payload_type: int = VP8) -> bytes:
        packet = AiortcPacket(
            payload_type=payload_type, marker=1, sequence_number=number, timestamp=number * 3000, ssrc=ssrc
        )
        packet.payload = bytes((0x10, 0 if key else 1, number % 256))
        return bytes(self._session.protect(packet.serialize()))


class Connected(Tapped):
    """A receiver whose transport decrypts, with the datagrams that still go through aiortc."""

    def __init__(self) -> None:
        super().__init__()
        transport = self.receiver.transport
        transport._rx_srtp = pylibsrtp.Session(Sender.policy(pylibsrtp.Policy.SSRC_ANY_INBOUND))
        transport._task = object()
        self.connection: Any = transport.transport._connection

    @property
    def queued(self) -> int:
        return len(self.connection._queue)

    async def begin(self, sender: Sender) -> None:
        """Let the first packet come by aiortc's way, as it does while nobody knows its source."""
        await self.arrive(0, key=True)


async def test_packets_of_a_known_source_go_past_the_queue() -> None:
    call, sender = Connected(), Sender()
    call.connection.data_received(sender.packet(0, key=True), 1)
    assert call.queued == 1
    assert call.frames == []
    call.connection._queue._waiting.clear()
    await call.begin(sender)
    for number in range(1, 4):
        call.connection.data_received(sender.packet(number), 1)
    assert call.queued == 0
    assert call.numbers == [0, 1, 2, 3]
    assert call.tap.track.counters.packets == 4


async def test_a_packet_waits_behind_what_came_before_it() -> None:
    call, sender = Connected(), Sender()
    await call.begin(sender)
    call.connection.data_received(sender.packet(1, ssrc=RTX_SSRC, payload_type=RTX), 1)
    call.connection.data_received(sender.packet(2), 1)
    assert call.queued == 2
    assert call.numbers == [0]


@pytest.mark.parametrize(
    "datagram",
    [
        b"\x16\xfe\xfd" + bytes(40),
        bytes((0x80, 200)) + bytes(6) + SSRC.to_bytes(4, "big") + bytes(20),
        b"\x80\x61\x00",
        bytes((0x80, VP8)) + bytes(6) + RTX_SSRC.to_bytes(4, "big") + bytes(20),
    ],
    ids=["dtls", "rtcp", "short", "unknown source"],
)
async def test_everything_else_goes_through_aiortc(datagram: bytes) -> None:
    call = Connected()
    await call.begin(Sender())
    call.connection.data_received(datagram, 1)
    assert call.queued == 1


async def test_media_waits_until_the_connection_stands_and_ends_with_it() -> None:
    call, sender = Connected(), Sender()
    await call.begin(sender)
    call.receiver.transport._task = None
    call.connection.data_received(sender.packet(1), 1)
    assert call.queued == 1
    call.connection._queue._waiting.clear()
    call.receiver.transport._task = object()
    call.receiver._handle_disconnect()
    call.connection.data_received(sender.packet(2), 1)
    assert call.queued == 1
    assert call.numbers == [0]


async def test_forged_and_repeated_packets_are_dropped() -> None:
    call, sender = Connected(), Sender()
    await call.begin(sender)
    first = sender.packet(1)
    forged = bytearray(sender.packet(2))
    forged[-1] ^= 1
    for datagram in (first, first, bytes(forged)):
        call.connection.data_received(datagram, 1)
    assert call.queued == 0
    assert call.numbers == [0, 1]
    assert call.tap.track.counters.duplicates == 0


async def test_a_request_of_a_packet_past_the_queue_is_sent_by_the_timer_at_once() -> None:
    call, sender = Connected(), Sender()
    await call.begin(sender)
    call.has_room = False
    call.connection.data_received(sender.packet(1), 1)
    call.has_room = True
    call.now_ns += 5 * MS
    call.connection.data_received(sender.packet(2), 1)
    assert call.sent == []
    assert call.due[-1] == call.now_ns
    await call.tap.on_timer()
    (request,) = call.sent
    assert (request.fmt, request.ssrc, request.media_ssrc) == (1, OWN_SSRC, SSRC)
    assert call.due[-1] == call.tap.due_ns


async def test_what_goes_wrong_with_a_packet_comes_out_of_the_timer() -> None:
    call, sender = Connected(), Sender()
    await call.begin(sender)

    def fail(_packet: object, _now_ns: int, *, resent: bool = False) -> None:
        raise RuntimeError("broken")

    call.tap.track.on_packet = fail
    call.connection.data_received(sender.packet(1), 1)
    assert call.due[-1] == call.now_ns
    with pytest.raises(RuntimeError, match="broken"):
        await call.tap.on_timer()


async def test_a_new_source_closes_the_one_before() -> None:
    call, sender = Connected(), Sender()
    await call.begin(sender)
    await call.arrive(7, key=True, ssrc=SSRC + 5)
    call.connection.data_received(sender.packet(1), 1)
    assert call.queued == 1
    call.connection._queue._waiting.clear()
    call.connection.data_received(sender.packet(8, ssrc=SSRC + 5), 1)
    assert call.numbers == [0, 7, 8]


def test_a_source_stays_with_the_track_that_has_it() -> None:
    seen: list[tuple[str, RtpPacket]] = []
    path = MediaPath(lambda data: data)
    path.follow(first := lambda packet: seen.append(("first", packet)), SSRC)
    path.follow(lambda packet: seen.append(("second", packet)), SSRC)
    datagram = AiortcPacket(payload_type=VP8, ssrc=SSRC).serialize()
    assert path.take(datagram)
    path.follow(first, None)
    assert not path.take(datagram)
    assert [who for who, _ in seen] == ["first"]


class Receiver:
    def __init__(self) -> None:
        self.data: list[tuple[bytes, int]] = []
        self.requests = 0

    def data_received(self, data: bytes, component: int) -> None:
        self.data.append((data, component))

    def request_received(self, *_: object) -> None:
        self.requests += 1


async def test_datagrams_are_told_apart_by_their_first_byte() -> None:
    receiver: Any = Receiver()
    protocol: Any = IceProtocol(receiver)
    protocol.local_candidate = type("Candidate", (), {"component": 1})
    binding = b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12)
    for datagram in (b"\x80media", b"\x16dtls", b"\x00not stun", binding):
        protocol.datagram_received(datagram, ("192.0.2.1", 5000))
    assert receiver.data == [(b"\x80media", 1), (b"\x16dtls", 1), (b"\x00not stun", 1)]
    assert receiver.requests == 1
    await asyncio.sleep(0)
