"""VP8 payloads (RFC 7741)."""

from __future__ import annotations

from realtime.ingest.rtp.packet import Fragment

_EXTENDED = 0x80
_START_AND_PARTITION = 0x17
_FIRST_OF_FRAME = 0x10
_PICTURE_ID = 0x80
_LONG_PICTURE_ID = 0x80
_TL0PICIDX = 0x40
_TID_OR_KEYIDX = 0x30
_INTER_FRAME = 0x01


def read_vp8(payload: bytes) -> Fragment | None:
    """Take the payload descriptor off (section 4.2) and look at the frame's header (section 4.3)."""
    first = payload[0]
    start = 1
    if first & _EXTENDED:
        if len(payload) < 3:
            return None
        present = payload[1]
        start = 2
        if present & _PICTURE_ID:
            start += 2 if payload[2] & _LONG_PICTURE_ID else 1
        if present & _TL0PICIDX:
            start += 1
        if present & _TID_OR_KEYIDX:
            start += 1
    if len(payload) <= start:
        return None
    begins_frame = first & _START_AND_PARTITION == _FIRST_OF_FRAME
    return Fragment(payload[start:], begins_frame, begins_frame and not payload[start] & _INTER_FRAME)
