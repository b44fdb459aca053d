"""Payload readers against aiortc's depacketizers and packetizers."""

import random
from typing import Any

import pytest
from aiortc.codecs.h264 import H264Encoder, h264_depayload
from aiortc.codecs.vpx import Vp8Encoder, VpxPayloadDescriptor, vp8_depayload
from hypothesis import example, given, settings
from hypothesis import strategies as st

from realtime.ingest.rtp.h264 import read_h264
from realtime.ingest.rtp.packet import Fragment, PayloadReader
from realtime.ingest.rtp.vp8 import read_vp8

payloads = st.binary(min_size=1, max_size=60)
h264_payloads = st.builds(
    lambda first, rest: bytes((first,)) + rest,
    st.sampled_from([0x61, 0x65, 0x67, 0x09, 0x78, 0x7C, 0x00, 0x1E]),
    st.binary(max_size=40),
)


@settings(max_examples=1000)
@given(payloads)
@example(b"\x90\x80\x81")
def test_vp8_is_read_as_aiortc_reads_it(payload: bytes) -> None:
    fragment = read_vp8(payload)
    try:
        descriptor, data = VpxPayloadDescriptor.parse(payload)
    except ValueError:
        assert fragment is None
        return
    if not data:
        assert fragment is None
        return
    begins = bool(descriptor.partition_start) and payload[0] & 7 == 0
    assert fragment == Fragment(data, begins, begins and data[0] & 1 == 0)


@settings(max_examples=1000)
@given(st.one_of(payloads, h264_payloads))
@example(b"\x78\x00\x02\x67\x42\x00\x01\x68\x00\x02\x65\x88")
def test_h264_is_read_as_aiortc_reads_it(payload: bytes) -> None:
    fragment = read_h264(payload)
    if fragment is not None:
        assert fragment.data == h264_depayload(payload)
        assert len(fragment.data) <= 2 * len(payload) + 4
        return
    try:
        data = h264_depayload(payload)
    except ValueError:
        return
    assert (
        data.endswith(b"\x00\x00\x00\x01") or b"\x00\x00\x00\x01\x00\x00\x00\x01" in data or len(payload) < 3
    )


@given(st.binary(min_size=11, max_size=5000), st.integers(0, (1 << 15) - 1))
def test_a_vp8_frame_survives_its_packets(frame: bytes, picture_id: int) -> None:
    packets = Vp8Encoder._packetize(frame, picture_id)
    fragments = [read_vp8(packet) for packet in packets]
    assert b"".join(part.data for part in fragments if part is not None) == frame
    assert [part is not None and part.begins_frame for part in fragments] == [True] + [False] * (
        len(packets) - 1
    )
    assert fragments[0] is not None
    assert fragments[0].is_key == (frame[0] & 1 == 0)
    assert vp8_depayload(packets[0]) == fragments[0].data


def annex_b(units: list[bytes]) -> bytes:
    return b"".join(b"\x00\x00\x00\x01" + unit for unit in units)


@given(st.lists(st.tuples(st.sampled_from([1, 5, 6, 7, 8, 9]), st.integers(2, 4000)), min_size=1, max_size=6))
def test_an_h264_frame_survives_its_packets(kinds: list[tuple[int, int]]) -> None:
    filler = random.Random(1)
    units = [bytes((0x60 | kind, *(filler.randrange(4, 256) for _ in range(size)))) for kind, size in kinds]
    packets: list[bytes] = H264Encoder._packetize(iter(units))
    fragments = [read_h264(packet) for packet in packets]
    assert b"".join(part.data for part in fragments if part is not None) == annex_b(units)
    assert any(part is not None and part.is_key for part in fragments) == any(k in (5, 7) for k, _ in kinds)
    assert fragments[0] is not None
    assert fragments[0].begins_frame == (kinds[0][0] in (7, 9))


@pytest.mark.parametrize(
    ("read", "payload", "expected"),
    [
        (read_vp8, "10 00", (True, True)),
        (read_vp8, "10 01", (True, False)),
        (read_vp8, "00 00", (False, False)),
        (read_vp8, "11 00", (False, False)),
        (read_vp8, "90 80 05 00", (True, True)),
        (read_vp8, "90 e0 85 05 01 02 00", (True, True)),
        (read_h264, "65 88", (False, True)),
        (read_h264, "67 42", (True, True)),
        (read_h264, "09 10", (True, False)),
        (read_h264, "41 9a", (False, False)),
        (read_h264, "7c 85 11", (False, True)),
        (read_h264, "7c 45 11", (False, True)),
        (read_h264, "7c 81 11", (False, False)),
        (read_h264, "78 00 01 67 00 01 68 00 01 65", (True, True)),
        (read_h264, "78 00 01 68 00 01 41", (False, False)),
    ],
)
def test_beginnings_and_key_frames(read: PayloadReader, payload: str, expected: tuple[bool, bool]) -> None:
    fragment: Any = read(bytes.fromhex(payload))
    assert (fragment.begins_frame, fragment.is_key) == expected


@pytest.mark.parametrize(
    ("read", "payload"),
    [
        (read_vp8, "10"),
        (read_vp8, "80 80"),
        (read_vp8, "90 80 81 05"),
        (read_h264, "65"),
        (read_h264, "7c 85"),
        (read_h264, "78 00 05 67"),
        (read_h264, "78 00 00 00 01 67"),
        (read_h264, "78 00"),
        (read_h264, "78 00 01"),
        (read_h264, "79 00 01 67"),
    ],
)
def test_damaged_payloads_are_told(read: PayloadReader, payload: str) -> None:
    assert read(bytes.fromhex(payload)) is None
