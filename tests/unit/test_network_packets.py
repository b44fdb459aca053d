"""What the lossy link reads from packets."""

import struct

from bench.network.packets import SendTimes, is_ipv4, rtp_source, udp_payload

S = 1_000_000_000


def ipv4(protocol: int, payload: bytes, options: bytes = b"") -> bytes:
    words = 5 + len(options) // 4
    header = bytes([0x40 | words]) + bytes(8) + bytes([protocol]) + bytes(10) + options
    return header + payload


def rtp(source: int, timestamp: int, payload_type: int = 96) -> bytes:
    return struct.pack("!BBHII", 0x80, payload_type, 1, timestamp, source) + b"media"


def test_only_udp_over_ipv4_has_a_payload() -> None:
    datagram = bytes(8) + b"media"
    assert udp_payload(ipv4(17, datagram)) == b"media"
    assert udp_payload(ipv4(17, datagram, options=bytes(8))) == b"media"
    assert udp_payload(ipv4(6, datagram)) is None
    assert udp_payload(b"\x60" + bytes(60)) is None
    assert udp_payload(b"") is None
    assert not is_ipv4(b"\x45" + bytes(10))


def test_rtp_is_told_from_rtcp_stun_and_dtls() -> None:
    assert rtp_source(rtp(7, 90_000)) == (7, 90_000)
    assert rtp_source(rtp(7, 90_000, payload_type=96 | 0x80)) == (7, 90_000)
    for payload_type in (72, 73, 77, 200, 205):
        assert rtp_source(rtp(7, 90_000, payload_type)) is None
    assert rtp_source(b"\x00\x01" + bytes(18)) is None
    assert rtp_source(b"\x16\xfe\xfd" + bytes(18)) is None
    assert rtp_source(rtp(7, 0)[:11]) is None


def test_tracks_are_told_by_the_speed_of_their_timestamps_across_a_wrap() -> None:
    times = SendTimes()
    for frame in range(50):
        now_ns = 3 * S + frame * S // 25
        for _ in range(3):
            times.on_packet(1, ((1 << 32) - 30_000 + frame * 3_600) % (1 << 32), now_ns, lost=frame == 7)
        times.on_packet(2, 500 + frame * 1_920, now_ns + 5, lost=False)
    for frame in range(25):
        times.on_packet(3, frame * 3_600, 3 * S + frame * S // 25, lost=False)
    curves = times.curves()
    media_ns, sent_ns, lost = curves["video"]
    assert media_ns[:3] == [0, 40_000_000, 80_000_000]
    assert len(media_ns) == 50
    assert lost == [3 if frame == 7 else 0 for frame in range(50)]
    assert sent_ns[-1] == 3 * S + 49 * S // 25
    assert curves["audio"][0][-1] == 49 * 40_000_000
    assert curves["audio"][1][0] == 3 * S + 5


def test_a_source_of_a_few_packets_is_no_track() -> None:
    times = SendTimes()
    times.on_packet(1, 0, 0, lost=False)
    times.on_packet(1, 90_000, S, lost=False)
    assert times.curves() == {}
