"""What the state machines take in and hand out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Packet(Protocol):
    """The fields of an RTP packet (RFC 3550, section 5.1) that matter here, its payload without padding."""

    ssrc: int
    sequence_number: int
    timestamp: int
    marker: int
    payload_type: int
    payload: bytes


class Fragment(NamedTuple):
    """The part of a frame that one packet carries.

    Attributes:
        data: What the decoder gets; the parts of a frame are joined.
        begins_frame: Whether this is certainly the first packet of its frame, whatever came before.
        is_key: Whether it belongs to a frame that can be decoded on its own.
    """

    data: bytes
    begins_frame: bool
    is_key: bool


PayloadReader = Callable[[bytes], Fragment | None]
"""Reads one payload that is not empty; None where it is damaged or unknown. Never raises."""


def read_whole_frame(payload: bytes) -> Fragment:
    """Read a payload that is a frame of its own, as for Opus (RFC 7587, section 4.2)."""
    return Fragment(payload, begins_frame=True, is_key=True)


class EncodedFrame(NamedTuple):
    """A complete frame, ready to be decoded.

    Attributes:
        timestamp: 32-bit RTP timestamp.
        payload_type: RTP payload type of its packets.
        data: The frame.
        is_key: Whether it can be decoded on its own.
        arrival_ns: When its last packet arrived.
    """

    timestamp: int
    payload_type: int
    data: bytes
    is_key: bool
    arrival_ns: int


@dataclass(frozen=True, slots=True)
class Nack:
    """A request to send packets again (RFC 4585, section 6.2.1): 16-bit sequence numbers, ascending."""

    sequence_numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KeyFrameRequest:
    """A request for a key frame, a PLI (RFC 4585, section 6.3.1)."""


Action = EncodedFrame | Nack | KeyFrameRequest


@dataclass(slots=True, kw_only=True)
class Counters:
    """What happened on a track since its beginning.

    Attributes:
        packets: Packets received, without duplicates.
        lost: Packets given up.
        recovered: Packets that came after they had been missed, and in time.
        late: Packets that came after they had been given up.
        duplicates: Packets that came again.
        discarded: Packets of a source or a place in the sequence that was not believed.
        nacks: Requests to send packets again.
        key_frame_requests: Requests for a key frame.
        frames: Frames handed on.
        damaged: Frames that were incomplete, or built on an incomplete one, and dropped.
        freezes: Spans of more than 200 ms in which packets came but no frame was handed on.
    """

    packets: int = 0
    lost: int = 0
    recovered: int = 0
    late: int = 0
    duplicates: int = 0
    discarded: int = 0
    nacks: int = 0
    key_frame_requests: int = 0
    frames: int = 0
    damaged: int = 0
    freezes: int = 0
