"""Media packets straight from the socket to their track."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from realtime.ingest.rtp.parsing import HEADER_BYTES, RtpPacket, parse_rtp

Take = Callable[[RtpPacket], None]

_FIRST_RTP_BYTE, _LAST_RTP_BYTE = 128, 191
_FIRST_RTCP_TYPE, _LAST_RTCP_TYPE = 192, 223


class Unprotect(Protocol):
    """Removes the protection of an SRTP packet."""

    def __call__(self, data: bytes) -> bytes | None:
        """Return the packet as it was sent.

        Empty for one that is forged, repeated or damaged; None while no media can be received.
        """


class MediaPath:
    """Routes the RTP packets of one transport whose sources are known, at once and in order.

    aiortc puts every datagram into a queue and takes it through a task and seven coroutines, which costs
    several times what is done with it. What this leaves to aiortc: everything before the connection stands,
    RTCP, retransmissions, and the packets of sources that nobody has opened yet.

    Args:
        unprotect: Removes the protection.

    Attributes:
        send_time_id: Which header extension is abs-send-time; None where none was agreed on.
    """

    def __init__(self, unprotect: Unprotect) -> None:
        self._unprotect = unprotect
        self._tracks: dict[int, Take] = {}
        self.send_time_id: int | None = None

    def follow(self, take: Take, ssrc: int | None) -> None:
        """Give a track the packets of one source, or of none; the one that it had before is closed.

        A source that another track has stays with that.
        """
        for other in [other for other, track in self._tracks.items() if track == take]:
            del self._tracks[other]
        if ssrc is not None:
            self._tracks.setdefault(ssrc, take)

    def take(self, data: bytes) -> bool:
        """Return whether a datagram was a packet of an open source; it has then been dealt with."""
        if len(data) < HEADER_BYTES or not _FIRST_RTP_BYTE <= data[0] <= _LAST_RTP_BYTE:
            return False
        if _FIRST_RTCP_TYPE <= data[1] <= _LAST_RTCP_TYPE:
            return False
        track = self._tracks.get(int.from_bytes(data[8:12], "big"))
        plain = None if track is None else self._unprotect(data)
        if track is None or plain is None:
            return False
        packet = parse_rtp(plain, self.send_time_id)
        if packet is not None:
            track(packet)
        return True
