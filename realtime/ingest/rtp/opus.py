"""What the first byte of an Opus packet says, and several packets as one (RFC 6716, section 3)."""

from __future__ import annotations

from collections.abc import Sequence

OPUS_RATE_HZ = 48_000
#: Longest packet: 120 ms.
MAX_PACKET_SAMPLES = OPUS_RATE_HZ * 120 // 1000
MAX_FRAME_BYTES = 1275

_MODE_FRAMES = (
    *((480, 960, 1920, 2880),) * 3,
    *((480, 960),) * 2,
    *((120, 240, 480, 960),) * 4,
)
_FRAME_SAMPLES = tuple(samples for mode in _MODE_FRAMES for samples in mode)
_STEREO = 0x04
_CODE = 0x03
_ANY_NUMBER_OF_FRAMES = 0x03
_FRAMES_OF_ANY_LENGTH = 0x80
_TWO_BYTE_LENGTH = 252


def is_stereo(packet: bytes) -> bool:
    """Say whether a packet holds two channels."""
    return len(packet) > 0 and bool(packet[0] & _STEREO)


def single_frame_samples(packet: bytes) -> int | None:
    """Return the length in samples at 48 kHz of a packet with one frame; None for any other packet."""
    if not packet or packet[0] & _CODE or len(packet) - 1 > MAX_FRAME_BYTES:
        return None
    return _FRAME_SAMPLES[packet[0] >> 3]


def join(packets: Sequence[bytes]) -> bytes:
    """Return one packet with the frames of several; a decoder makes the same sound of it.

    Args:
        packets: At least one, each of a single frame, with equal first bytes, ``MAX_PACKET_SAMPLES`` at most.
    """
    if len(packets) == 1:
        return packets[0]
    head = bytes((packets[0][0] | _ANY_NUMBER_OF_FRAMES, _FRAMES_OF_ANY_LENGTH | len(packets)))
    lengths = b"".join(_length(len(packet) - 1) for packet in packets[:-1])
    return head + lengths + b"".join(packet[1:] for packet in packets)


def _length(size: int) -> bytes:
    """Encode the length of a frame (section 3.2.1)."""
    if size < _TWO_BYTE_LENGTH:
        return bytes((size,))
    first = _TWO_BYTE_LENGTH + (size & 3)
    return bytes((first, (size - first) >> 2))
