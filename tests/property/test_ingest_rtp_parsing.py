from __future__ import annotations

import struct
from types import SimpleNamespace

from aiortc.rtp import HeaderExtensionsMap, RtpPacket
from hypothesis import example, given
from hypothesis import strategies as st

from realtime.ingest.rtp.parsing import parse_rtp

SEND_TIME_ID = 3
FIELDS = ("ssrc", "sequence_number", "timestamp", "marker", "payload_type", "payload", "padding_size")

packets = st.builds(
    lambda first, rest, extension, tail: bytes((first,)) + rest + extension + tail,
    st.sampled_from([0x80, 0x81, 0x90, 0x92, 0xA0, 0xB0, 0x40]) | st.integers(0, 255),
    st.binary(min_size=11, max_size=11),
    st.builds(
        lambda profile, words, elements: struct.pack("!HH", profile, words) + elements,
        st.sampled_from([0xBEDE, 0x1000, 0x1234]),
        st.integers(0, 4),
        st.lists(
            st.sampled_from(
                [b"\x00", b"\x32abc", b"\x31ab", b"\x10x", b"\x03\x03abc", b"\x03\x02ab", b"\x3f"]
            )
        ).map(b"".join),
    ),
    st.binary(max_size=12),
)


def oracle(data: bytes) -> RtpPacket | None:
    extensions = HeaderExtensionsMap()
    extensions.configure(
        SimpleNamespace(
            headerExtensions=[
                SimpleNamespace(
                    id=SEND_TIME_ID, uri="http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
                )
            ]
        )
    )
    try:
        return RtpPacket.parse(data, extensions)
    except (ValueError, struct.error):
        return None


@given(packets | st.binary(max_size=40))
@example(b"\x80" + bytes(10))
@example(b"\xa0" + bytes(11))
@example(b"\xa0" + bytes(11) + b"\x01")
@example(b"\x90" + bytes(11) + b"\xbe\xde\x00\x01\x32abc" + b"payload")
def test_packets_are_read_as_aiortc_reads_them(data: bytes) -> None:
    expected, packet = oracle(data), parse_rtp(data, SEND_TIME_ID)
    assert (packet is None) == (expected is None)
    if packet is not None and expected is not None:
        assert [getattr(packet, name) for name in FIELDS] == [getattr(expected, name) for name in FIELDS]
        assert packet.abs_send_time == expected.extensions.abs_send_time


@given(packets)
def test_without_an_agreement_no_element_is_the_send_time(data: bytes) -> None:
    packet = parse_rtp(data, None)
    assert packet is None or packet.abs_send_time is None
