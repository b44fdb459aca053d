"""RTP packets, and a network in virtual time that loses, delays and repeats them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from realtime.ingest.rtp.h264 import read_h264
from realtime.ingest.rtp.packet import Action, EncodedFrame, KeyFrameRequest, Nack, read_whole_frame
from realtime.ingest.rtp.track import TrackReceiver
from realtime.ingest.rtp.vp8 import read_vp8
from realtime.types import TrackKind

MS = 1_000_000
S = 1_000_000_000
VP8, OPUS, H264 = 97, 96, 99
SSRC = 0xC0FFEE
START_NS = 50 * S
CLOCK_HZ: dict[TrackKind, int] = {"audio": 48_000, "video": 90_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class RtpPacket:
    """The fields of a packet that the state machines look at."""

    sequence_number: int
    timestamp: int
    marker: int
    payload: bytes
    payload_type: int = VP8
    ssrc: int = SSRC


@dataclass(frozen=True, slots=True, kw_only=True)
class SentFrame:
    """A frame as it was sent.

    Attributes:
        timestamp: Its RTP timestamp.
        is_key: Whether it is a key frame.
        data: What the decoder has to get.
        numbers: Unwrapped sequence numbers of its packets.
        packets: Its packets.
        sent_ns: When it was sent.
    """

    timestamp: int
    is_key: bool
    data: bytes
    numbers: range
    packets: tuple[RtpPacket, ...]
    sent_ns: int


def vp8_frames(
    sizes: Sequence[int],
    keys: Iterable[int],
    *,
    first_number: int = 0,
    first_timestamp: int = 0,
    frame_ns: int = 33 * MS,
    ssrc: int = SSRC,
    markers: bool = True,
) -> list[SentFrame]:
    """Return frames of ``sizes[i]`` packets each; those at ``keys`` are key frames."""
    key_indices, frames, number = set(keys), [], first_number
    for index, size in enumerate(sizes):
        is_key = index in key_indices
        timestamp = (first_timestamp + index * 3000) % (1 << 32)
        parts = [
            bytes((0 if is_key else 1, index % 256, 7)),
            *(bytes((index % 256, k)) for k in range(1, size)),
        ]
        packets = tuple(
            RtpPacket(
                sequence_number=(number + k) % (1 << 16),
                timestamp=timestamp,
                marker=int(markers and k == size - 1),
                payload=(b"\x10" if k == 0 else b"\x00") + part,
                ssrc=ssrc,
            )
            for k, part in enumerate(parts)
        )
        frames.append(
            SentFrame(
                timestamp=timestamp,
                is_key=is_key,
                data=b"".join(parts),
                numbers=range(number, number + size),
                packets=packets,
                sent_ns=START_NS + index * frame_ns,
            )
        )
        number += size
    return frames


def opus_frames(count: int, *, first_number: int = 0, frame_ns: int = 20 * MS) -> list[SentFrame]:
    """Return frames of one packet each."""
    frames = []
    for index in range(count):
        data = index.to_bytes(4, "big")
        packet = RtpPacket(
            sequence_number=(first_number + index) % (1 << 16),
            timestamp=index * 960,
            marker=0,
            payload=data,
            payload_type=OPUS,
        )
        frames.append(
            SentFrame(
                timestamp=packet.timestamp,
                is_key=True,
                data=data,
                numbers=range(first_number + index, first_number + index + 1),
                packets=(packet,),
                sent_ns=START_NS + index * frame_ns,
            )
        )
    return frames


def receiver(kind: TrackKind) -> TrackReceiver:
    """Return the state machine of a track with the codecs of this module."""
    return TrackReceiver(
        kind, clock_hz=CLOCK_HZ[kind], readers={VP8: read_vp8, OPUS: read_whole_frame, H264: read_h264}
    )


@dataclass
class Run:
    """Drives a receiver in virtual time and keeps what it does, with the time.

    Attributes:
        receiver: The receiver.
        frames: Frames handed on.
        nacks: Requests to send again.
        key_frame_requests: When a key frame was asked for.
    """

    receiver: TrackReceiver
    frames: list[tuple[int, EncodedFrame]] = field(default_factory=list)
    nacks: list[tuple[int, Nack]] = field(default_factory=list)
    key_frame_requests: list[int] = field(default_factory=list)

    def arrive(self, now_ns: int, packet: RtpPacket) -> None:
        """Let time pass, then hand a packet over."""
        self.pass_time(now_ns)
        self._note(now_ns, self.receiver.on_packet(packet, now_ns))

    def pass_time(self, until_ns: int) -> None:
        """Call the timer whenever it is due before a time."""
        while (due_ns := self.receiver.next_check_ns) is not None and due_ns < until_ns:
            self._note(due_ns, self.receiver.on_timer(due_ns))

    def play(self, arrivals: Iterable[tuple[int, RtpPacket]], *, rest_ns: int = 2 * S) -> Run:
        """Hand over packets in order of their arrival, and let some time pass after the last."""
        now_ns = START_NS
        for now_ns, packet in sorted(arrivals, key=lambda arrival: arrival[0]):
            self.arrive(now_ns, packet)
        self.pass_time(now_ns + rest_ns)
        return self

    def _note(self, now_ns: int, actions: Iterable[Action]) -> None:
        for action in actions:
            if isinstance(action, EncodedFrame):
                self.frames.append((now_ns, action))
            elif isinstance(action, Nack):
                self.nacks.append((now_ns, action))
            else:
                assert isinstance(action, KeyFrameRequest)
                self.key_frame_requests.append(now_ns)
