"""H.264 payloads (RFC 6184): single units, STAP-A and FU-A, as WebRTC uses them (packetization mode 1)."""

from __future__ import annotations

from realtime.ingest.rtp.packet import Fragment

_TYPE = 0x1F
_REFERENCE = 0xE0
_IDR_SLICE = 5
_SEQUENCE_PARAMETERS = 7
_DELIMITER = 9
_LAST_SINGLE_UNIT = 23
_STAP_A = 24
_FU_A = 28
_FU_START = 0x80
_SIZE_BYTES = 2
_START_CODE = b"\x00\x00\x00\x01"

_KEY = frozenset({_IDR_SLICE, _SEQUENCE_PARAMETERS})
_FIRST = frozenset({_SEQUENCE_PARAMETERS, _DELIMITER})


def read_h264(payload: bytes) -> Fragment | None:
    """Turn a payload into units with start codes (Annex B).

    A frame is a key frame if it holds an IDR slice or sequence parameters; only an access unit delimiter and
    sequence parameters are certain to come first in a frame.
    """
    if len(payload) < 2:
        return None
    unit = payload[0] & _TYPE
    if 0 < unit <= _LAST_SINGLE_UNIT:
        return Fragment(_START_CODE + payload, unit in _FIRST, unit in _KEY)
    if unit == _FU_A:
        return _read_fragmentation_unit(payload)
    if unit == _STAP_A:
        return _read_aggregation(payload)
    return None


def _read_fragmentation_unit(payload: bytes) -> Fragment | None:
    header = payload[1]
    unit = header & _TYPE
    if len(payload) < 3:
        return None
    if header & _FU_START:
        data = _START_CODE + bytes((payload[0] & _REFERENCE | unit,)) + payload[2:]
        return Fragment(data, unit in _FIRST, unit in _KEY)
    return Fragment(payload[2:], begins_frame=False, is_key=unit in _KEY)


def _read_aggregation(payload: bytes) -> Fragment | None:
    parts: list[bytes] = []
    units: list[int] = []
    start = 1
    while start < len(payload):
        end = start + _SIZE_BYTES + int.from_bytes(payload[start : start + _SIZE_BYTES], "big")
        unit = payload[start + _SIZE_BYTES : end]
        if not unit or end > len(payload):
            return None
        units.append(unit[0] & _TYPE)
        parts += (_START_CODE, unit)
        start = end
    if not units:
        return None
    return Fragment(b"".join(parts), units[0] in _FIRST, not _KEY.isdisjoint(units))
