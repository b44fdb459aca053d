import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from realtime.errors import SignallingError
from realtime.ingest.offer import MAX_CANDIDATES, MAX_MEDIA_SECTIONS, MAX_OFFER_BYTES, check_offer


async def make_offer(*tracks: tuple[str, str], channel: bool = False) -> str:
    """A real offer with tracks of the given kinds and directions."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    for kind, direction in tracks:
        peer.addTransceiver(kind, direction=direction)
    if channel:
        peer.createDataChannel("chat")
    await peer.setLocalDescription(await peer.createOffer())
    sdp = str(peer.localDescription.sdp)
    await peer.close()
    return sdp


async def test_the_first_sendable_track_of_each_kind_is_taken() -> None:
    sdp = await make_offer(
        ("audio", "recvonly"),
        ("audio", "sendonly"),
        ("video", "sendrecv"),
        ("video", "sendonly"),
        channel=True,
    )
    offer = check_offer(sdp)
    assert offer.mids == {"audio": "1", "video": "2"}
    assert offer.sections == ("audio", "audio", "video", "video")


async def test_one_kind_is_enough() -> None:
    assert check_offer(await make_offer(("video", "sendonly"))).mids == {"video": "0"}


async def test_the_codecs_look_ahead_is_taken_off_unless_the_sender_counts_it() -> None:
    sdp = await make_offer(("audio", "sendonly"))
    assert check_offer(sdp).opus_delay_ns == 6_500_000
    assert check_offer(sdp.replace("\r\ns=-\r\n", "\r\ns=FFmpegPublishSession\r\n")).opus_delay_ns == 0


@pytest.mark.parametrize(
    "sdp",
    [
        "",
        "hello",
        "v=0\r\n",
        "m=audio\r\n",
        "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 999\r\n",
        "\x00\xff" * 100,
        "v=0\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 VP8\r\n",
    ],
)
def test_garbage_is_a_bad_request(sdp: str) -> None:
    with pytest.raises(SignallingError) as caught:
        check_offer(sdp)
    assert caught.value.status == 400
    assert caught.value.fix


def test_ten_megabytes_are_too_large() -> None:
    with pytest.raises(SignallingError) as caught:
        check_offer("a" * 10_000_000)
    assert caught.value.status == 413
    assert str(MAX_OFFER_BYTES) in caught.value.fix


@pytest.mark.parametrize("tracks", [[("audio", "recvonly")], [("audio", "inactive"), ("video", "recvonly")]])
async def test_an_offer_that_sends_nothing_is_not_acceptable(tracks: list[tuple[str, str]]) -> None:
    sdp = await make_offer(*tracks)
    with pytest.raises(SignallingError) as caught:
        check_offer(sdp)
    assert caught.value.status == 406


async def test_unknown_codecs_are_named_in_the_refusal() -> None:
    sdp = await make_offer(("video", "sendonly"))
    sdp = sdp.replace("VP8/90000", "AV1/90000").replace("H264/90000", "H265/90000")
    with pytest.raises(SignallingError) as caught:
        check_offer(sdp)
    assert caught.value.status == 406
    assert "video" in caught.value.message
    assert "VP8" in caught.value.fix


@pytest.mark.parametrize("attribute", ["a=ice-ufrag", "a=ice-pwd", "a=fingerprint", "a=setup"])
async def test_missing_credentials_are_a_bad_request(attribute: str) -> None:
    sdp = await make_offer(("audio", "sendonly"))
    lines = [line for line in sdp.splitlines() if not line.startswith(attribute)]
    with pytest.raises(SignallingError) as caught:
        check_offer("\r\n".join(lines) + "\r\n")
    assert caught.value.status == 400


async def test_too_many_sections_candidates_and_odd_media_are_refused() -> None:
    sdp = await make_offer(("audio", "sendonly"))
    candidate = "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n"
    bad = {
        sdp + candidate * (MAX_CANDIDATES + 1): 400,
        sdp + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n" * MAX_MEDIA_SECTIONS: 400,
        sdp + "m=text 9 UDP/TLS/RTP/SAVPF 98\r\n": 406,
    }
    for offer, status in bad.items():
        with pytest.raises(SignallingError) as caught:
            check_offer(offer)
        assert caught.value.status == status
