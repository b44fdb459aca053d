"""RTP packets from bytes (RFC 3550, section 5.1), with the one header extension that is of use (RFC 8285)."""

from __future__ import annotations

import struct

HEADER_BYTES = 12

_HEADER = struct.Struct("!BBHLL")
_EXTENSION = struct.Struct("!HH")
_VERSION = 2
_PADDED = 0x20
_EXTENDED = 0x10
_SOURCES = 0x0F
_WORD_BYTES = 4
_MARKER_SHIFT = 7
_PAYLOAD_TYPE = 0x7F
_ONE_BYTE_ELEMENTS = 0xBEDE
_TWO_BYTE_ELEMENTS = 0x1000
_SEND_TIME_BYTES = 3


class RtpPacket:
    """A packet, without its padding.

    Attributes:
        ssrc: Its source.
        sequence_number: 16 bits.
        timestamp: 32 bits.
        marker: 0 or 1.
        payload_type: 7 bits.
        payload: What it carries; may be empty.
        padding_size: Bytes of padding that followed the payload.
        abs_send_time: When it was sent, in 2^-18 s modulo 64 s; None where it does not say.
    """

    __slots__ = (
        "abs_send_time",
        "marker",
        "padding_size",
        "payload",
        "payload_type",
        "sequence_number",
        "ssrc",
        "timestamp",
    )

    def __init__(
        self,
        *,
        ssrc: int,
        sequence_number: int,
        timestamp: int,
        marker: int,
        payload_type: int,
        payload: bytes,
        padding_size: int = 0,
        abs_send_time: int | None = None,
    ) -> None:
        self.ssrc = ssrc
        self.sequence_number = sequence_number
        self.timestamp = timestamp
        self.marker = marker
        self.payload_type = payload_type
        self.payload = payload
        self.padding_size = padding_size
        self.abs_send_time = abs_send_time


def parse_rtp(data: bytes, send_time_id: int | None) -> RtpPacket | None:
    """Parse a packet; None where it is malformed.

    Args:
        data: The packet, decrypted.
        send_time_id: Which header extension is abs-send-time; None where none was agreed on.
    """
    size = len(data)
    if size < HEADER_BYTES:
        return None
    first, second, sequence_number, timestamp, ssrc = _HEADER.unpack_from(data)
    if first >> 6 != _VERSION:
        return None
    start = HEADER_BYTES + _WORD_BYTES * (first & _SOURCES)
    send_time: int | None = None
    if first & _EXTENDED:
        if start + _EXTENSION.size > size:
            return None
        profile, words = _EXTENSION.unpack_from(data, start)
        elements_start = start + _EXTENSION.size
        start = elements_start + _WORD_BYTES * words
        if start <= size:
            try:
                send_time = _send_time(data, profile, elements_start, start, send_time_id)
            except ValueError:
                return None
    padding_size = data[-1] if first & _PADDED else 0
    if start + padding_size > size or (first & _PADDED and not padding_size):
        return None
    return RtpPacket(
        ssrc=ssrc,
        sequence_number=sequence_number,
        timestamp=timestamp,
        marker=second >> _MARKER_SHIFT,
        payload_type=second & _PAYLOAD_TYPE,
        payload=data[start : size - padding_size],
        padding_size=padding_size,
        abs_send_time=send_time,
    )


def _send_time(data: bytes, profile: int, start: int, end: int, wanted: int | None) -> int | None:
    """Return abs-send-time, None where it is not there.

    Raises:
        ValueError: An element is longer than there is room for, or abs-send-time has the wrong length.
    """
    if profile not in (_ONE_BYTE_ELEMENTS, _TWO_BYTE_ELEMENTS):
        return None
    found: int | None = None
    while start < end:
        if data[start] == 0:
            start += 1
            continue
        if profile == _ONE_BYTE_ELEMENTS:
            element, length = data[start] >> 4, (data[start] & 0x0F) + 1
            start += 1
        elif start + 1 < end:
            element, length = data[start], data[start + 1]
            start += 2
        else:
            raise ValueError
        if start + length > end or (element == wanted and length != _SEND_TIME_BYTES):
            raise ValueError
        if element == wanted:
            found = int.from_bytes(data[start : start + length], "big")
        start += length
    return found
