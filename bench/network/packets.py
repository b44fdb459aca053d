"""What the link reads from a packet's headers: whether it is UDP, and when which RTP timestamp was sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from realtime.timebase import NS_PER_S

_UDP = 17
_UDP_HEADER_BYTES = 8
_CLOCKS_HZ: dict[Literal["audio", "video"], int] = {"audio": 48_000, "video": 90_000}
_MIN_PACKETS = 20


def is_ipv4(packet: bytes) -> bool:
    """Tell whether a packet is IPv4 (RFC 791)."""
    return len(packet) >= 20 and packet[0] >> 4 == 4


def udp_payload(packet: bytes) -> bytes | None:
    """Return the payload of an IPv4 packet that carries UDP, else None."""
    if not is_ipv4(packet) or packet[9] != _UDP:
        return None
    return packet[(packet[0] & 0x0F) * 4 + _UDP_HEADER_BYTES :]


def rtp_source(payload: bytes) -> tuple[int, int] | None:
    """Return synchronisation source and timestamp of an RTP packet (RFC 3550, 5.1), which SRTP leaves clear.

    Returns None for anything else; RTP and RTCP on one port are told apart as RFC 5761, section 4, says.
    """
    if len(payload) < 12 or payload[0] >> 6 != 2 or 64 <= payload[1] & 0x7F < 96:
        return None
    return int.from_bytes(payload[8:12]), int.from_bytes(payload[4:8])


@dataclass(slots=True)
class _Source:
    first_rtp: int
    newest_rtp: int
    packets: int = 0
    ticks: list[int] = field(default_factory=list)
    sent_ns: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)


class SendTimes:
    """When a sender sent which moment of its audio and its video, and what became of it.

    A source is taken for audio or video by the speed of its timestamps; of several the one with the most
    packets counts, so that retransmissions, which have a source of their own, do not.
    """

    def __init__(self) -> None:
        self._sources: dict[int, _Source] = {}

    def on_packet(self, source: int, rtp: int, now_ns: int, *, lost: bool) -> None:
        """Take note of an RTP packet on its way out; a moment is sent with its first packet."""
        known = self._sources.setdefault(source, _Source(rtp, rtp))
        known.packets += 1
        if rtp != known.newest_rtp or not known.ticks:
            known.newest_rtp = rtp
            known.ticks.append((rtp - known.first_rtp) % (1 << 32))
            known.sent_ns.append(now_ns)
            known.lost.append(0)
        known.lost[-1] += lost

    def curves(self) -> dict[str, list[list[int]]]:
        """Return three lists a track, with an entry for every moment that was sent.

        Returns:
            Under "audio" and "video": media times since the first packet in ns; when they were sent, in ns;
            and how many of their packets were lost.
        """
        found: dict[str, tuple[int, list[list[int]]]] = {}
        for source in self._sources.values():
            passed_ns = source.sent_ns[-1] - source.sent_ns[0]
            if source.packets < _MIN_PACKETS or passed_ns == 0:
                continue
            speed_hz = source.ticks[-1] * NS_PER_S / passed_ns
            kind = min(_CLOCKS_HZ, key=lambda kind: abs(_CLOCKS_HZ[kind] - speed_hz))
            if source.packets > found.get(kind, (0, []))[0]:
                media_ns = [ticks * NS_PER_S // _CLOCKS_HZ[kind] for ticks in source.ticks]
                found[kind] = source.packets, [media_ns, source.sent_ns, source.lost]
        return {kind: curve for kind, (_, curve) in found.items()}
