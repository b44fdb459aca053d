from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import pytest
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.sdp import SessionDescription

from realtime.errors import ConfigurationError, SignallingError
from realtime.ingest.answer import check_answer
from realtime.ingest.ice import IceServer
from realtime.ingest.offer import MAX_OFFER_BYTES
from realtime.ingest.sink import EndReason, PendingPicture, TrackState
from realtime.ingest.webrtc import WebRtcReceiver
from realtime.types import AudioFrame, MediaGap, TrackKind


async def offer_and_answer(direction: str = "sendonly") -> tuple[str, str]:
    receiver = WebRtcReceiver(Deaf(), clock_ns=lambda: 0)
    offer = await receiver.request()
    server = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    await server.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
    for transceiver in server.getTransceivers():
        transceiver.direction = direction
    await server.setLocalDescription(await server.createAnswer())
    answer = str(server.localDescription.sdp)
    await server.close()
    await receiver.close()
    return offer, answer


class Deaf:
    """A sink that must not hear anything."""

    def on_audio(self, frame: AudioFrame) -> None:
        raise AssertionError

    def on_picture(self, picture: PendingPicture) -> None:
        raise AssertionError

    def on_gap(self, gap: MediaGap) -> None:
        raise AssertionError

    def on_track(self, kind: TrackKind, state: TrackState) -> None:
        raise AssertionError

    def on_end(self, reason: EndReason) -> None:
        raise AssertionError


@pytest.fixture(scope="module")
def exchange() -> tuple[str, str]:
    return asyncio.run(offer_and_answer())


def section_lines(answer: str, index: int, prefix: str) -> list[str]:
    section = answer.split("m=")[index + 1]
    return [line for line in section.splitlines() if line.startswith(prefix)]


def without(answer: str, index: int, pattern: str) -> str:
    """Drop the lines of one media section that match."""
    head, *sections = re.split(r"(?=^m=)", answer, flags=re.MULTILINE)
    kept = [line for line in sections[index].splitlines(keepends=True) if not re.match(pattern, line)]
    sections[index] = "".join(kept)
    return head + "".join(sections)


def test_an_offer_asks_for_both_tracks_with_every_candidate(exchange: tuple[str, str]) -> None:
    offer = SessionDescription.parse(exchange[0])
    assert [(media.kind, media.direction) for media in offer.media] == [
        ("audio", "recvonly"),
        ("video", "recvonly"),
    ]
    assert all(media.ice_candidates and media.ice_candidates_complete for media in offer.media)
    codecs = [{codec.name.lower() for codec in media.rtp.codecs} for media in offer.media]
    assert codecs == [{"opus"}, {"vp8", "h264", "rtx"}]


def test_an_answer_that_sends_both_is_taken(exchange: tuple[str, str]) -> None:
    answer = check_answer(exchange[1], offer_sdp=exchange[0])
    assert answer.mids == {"audio": "0", "video": "1"}


def test_sections_that_share_a_transport_may_leave_it_out(exchange: tuple[str, str]) -> None:
    sparse = without(exchange[1], 1, "a=(candidate|end-of-candidates|ice-|fingerprint|setup)")
    answer = check_answer(sparse, offer_sdp=exchange[0])
    assert section_lines(answer.sdp, 1, "a=candidate") == section_lines(answer.sdp, 0, "a=candidate") != []
    assert section_lines(answer.sdp, 1, "a=ice-pwd") == section_lines(answer.sdp, 0, "a=ice-pwd") != []


@pytest.mark.parametrize("rejected", [0, 1])
def test_a_track_that_the_server_does_not_have_is_left_out(exchange: tuple[str, str], rejected: int) -> None:
    head, *sections = re.split(r"(?=^m=)", exchange[1], flags=re.MULTILINE)
    kind = ("audio", "video")[rejected]
    sections[rejected] = (
        f"m={kind} 0 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=mid:{rejected}\r\na=inactive\r\n"
    )
    head = head.replace("BUNDLE 0 1", f"BUNDLE {1 - rejected}")
    answer = check_answer(head + "".join(sections), offer_sdp=exchange[0])
    kept = ("video", "audio")[rejected]
    assert answer.mids == {kept: str(1 - rejected)}
    patched = SessionDescription.parse(answer.sdp).media[rejected]
    assert patched.direction == "inactive"
    assert patched.rtp.codecs
    assert patched.ice.usernameFragment


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda offer, answer: "hello", 400),
        (lambda offer, answer: "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", 400),
        (lambda offer, answer: answer + "a=x:" + "y" * MAX_OFFER_BYTES, 413),
        (lambda offer, answer: answer[: answer.rindex("m=")], 400),
        (lambda offer, answer: answer.replace("a=mid:1", "a=mid:7"), 400),
        (lambda offer, answer: answer.replace("sendonly", "inactive"), 406),
        (lambda offer, answer: offer, 406),
        (lambda offer, answer: answer.replace("opus/48000", "speex/48000"), 406),
        (lambda offer, answer: without(without(answer, 0, "a=ice-"), 1, "a=ice-"), 400),
        (lambda offer, answer: without(without(answer, 0, "a=fingerprint"), 1, "a=fingerprint"), 400),
        (lambda offer, answer: answer + "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n" * 70, 400),
    ],
)
def test_an_answer_that_cannot_be_used_is_refused(
    exchange: tuple[str, str], change: Callable[[str, str], str], status: int
) -> None:
    with pytest.raises(SignallingError) as caught:
        check_answer(change(*exchange), offer_sdp=exchange[0])
    assert caught.value.status == status
    assert caught.value.fix


async def test_an_answer_that_nobody_waits_for_is_refused(exchange: tuple[str, str]) -> None:
    receiver = WebRtcReceiver(Deaf(), clock_ns=lambda: 0)
    for _ in range(2):
        with pytest.raises(SignallingError) as caught:
            await receiver.answered(exchange[1])
        assert caught.value.status == 405
        await receiver.close()


async def test_a_refused_answer_leaves_nothing_behind(exchange: tuple[str, str]) -> None:
    receiver = WebRtcReceiver(Deaf(), clock_ns=lambda: 0)
    await receiver.request()
    with pytest.raises(SignallingError):
        await receiver.request()
    with pytest.raises(SignallingError) as caught:
        await receiver.answered(exchange[1].replace("sendonly", "inactive"))
    assert caught.value.status == 406
    await receiver.close()
    for _ in range(10):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize(
    "url", ["stun:stun.example.org:3478", "turn:t.example.org:3478?transport=tcp", "turns:t.example.org"]
)
async def test_ice_servers_are_handed_on(url: str) -> None:
    server = IceServer(url=url, username="me", credential="secret")
    receiver = WebRtcReceiver(Deaf(), clock_ns=lambda: 0, ice_servers=[server])
    peer = receiver._create_peer(RTCBundlePolicy.BALANCED)
    (given,) = peer._RTCPeerConnection__configuration.iceServers
    assert (given.urls, given.username, given.credential) == (url, "me", "secret")
    peer.addTransceiver("audio", direction="recvonly")
    await receiver.close()


@pytest.mark.parametrize(
    "url", ["", "http://x", "stun:", "turn:user@host", "stun:a b", "turn:h?transport=sctp"]
)
def test_an_ice_server_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        IceServer(url=url)
