"""An hour of reception in virtual time: nothing that the receive path remembers grows with the call."""

from __future__ import annotations

import random
import sys
from collections import deque
from collections.abc import Iterator
from typing import Any

from realtime.ingest.rtp.packet import read_whole_frame
from realtime.ingest.rtp.track import TrackReceiver
from realtime.ingest.rtp.vp8 import read_vp8
from realtime.ingest.sync import CallClock, TrackClock
from tests.support.rtp import CLOCK_HZ, MS, OPUS, START_NS, VP8, RtpPacket, S

PICTURE = bytes([0x10, 0x01]) + bytes(60)
KEY_PICTURE = bytes([0x10, 0x00]) + bytes(60)
#: The newest 512 lost packets are remembered: at this loss 6 minutes of sound, 12 of pictures.
SETTLED_MIN = 16
NTP_NS = 1_700_000_000 * S


class Participant:
    """Two tracks at the pace of a call (25 pictures, 50 blocks of sound a second) over a lossy network."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.tracks = {
            "audio": TrackReceiver("audio", clock_hz=48_000, readers={OPUS: read_whole_frame}),
            "video": TrackReceiver("video", clock_hz=90_000, readers={VP8: read_vp8}),
        }
        self.clocks = {kind: TrackClock(clock_hz=CLOCK_HZ[kind]) for kind in self.tracks}
        self.clock = CallClock()
        for kind, clock in self.clocks.items():
            self.clock.add_track(kind, clock)
        self.sent = dict.fromkeys(self.tracks, 0)
        self.frames = 0

    def live_through(self, start_s: int, end_s: int) -> None:
        for tick in range(start_s * 50, end_s * 50):
            now_ns = START_NS + tick * 20 * MS
            self._send("audio", now_ns, tick * 960)
            if tick % 2 == 0:
                self._send("video", now_ns, tick * 1800)
            if tick % 250 == 0:
                for kind, clock in self.clocks.items():
                    clock.on_report(NTP_NS + now_ns, self._rtp(kind, tick), now_ns)
                self.clock.state()
            for track in self.tracks.values():
                if track.next_check_ns is not None and track.next_check_ns <= now_ns:
                    track.on_timer(now_ns)

    def _rtp(self, kind: str, tick: int) -> int:
        return tick * (960 if kind == "audio" else 1800) % 2**32

    def _send(self, kind: str, now_ns: int, timestamp: int) -> None:
        number, self.sent[kind] = self.sent[kind], self.sent[kind] + 1
        if self.chance.random() < 0.03:
            return
        payload = bytes(40) if kind == "audio" else (KEY_PICTURE if number % 250 == 0 else PICTURE)
        packet = RtpPacket(
            sequence_number=number % 2**16,
            timestamp=timestamp % 2**32,
            marker=1,
            payload=payload,
            payload_type=OPUS if kind == "audio" else VP8,
        )
        self.clocks[kind].on_packet(packet.timestamp, now_ns)
        actions = self.tracks[kind].on_packet(packet, now_ns)
        self.frames += len(actions)
        self.clock.time_ns(kind, packet.timestamp)


def objects_of(root: object) -> Iterator[Any]:
    """Walk everything that is reachable from the state machines."""
    seen: set[int] = set()
    waiting: deque[Any] = deque([root])
    while waiting:
        item = waiting.popleft()
        if id(item) in seen or isinstance(item, type | str | bytes | int | float) or callable(item):
            continue
        seen.add(id(item))
        yield item
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list | tuple | set | frozenset | deque):
            waiting.extend(item)
        else:
            waiting.extend(getattr(item, "__dict__", {}).values())
            for slot in getattr(type(item), "__slots__", ()):
                waiting.append(getattr(item, slot, None))


def remembered(participants: list[Participant]) -> tuple[int, int]:
    """Return how many objects, and entries of containers, the receive path holds."""
    parts = [part for one in participants for part in (one.tracks, one.clocks, one.clock)]
    found = list(objects_of(parts))
    containers = [item for item in found if isinstance(item, list | dict | set | deque)]
    return len(found), sum(map(len, containers)) + sum(sys.getsizeof(item) for item in containers) // 1024


def test_an_hour_of_four_participants_under_loss_grows_nothing() -> None:
    participants = [Participant(seed) for seed in range(4)]
    highest = [0, 0]
    for minute in range(60):
        for one in participants:
            one.live_through(minute * 60, (minute + 1) * 60)
        now = remembered(participants)
        if minute < SETTLED_MIN:
            highest = [max(before, size) for before, size in zip(highest, now, strict=True)]
        else:
            assert now[0] <= 1.5 * highest[0]
            assert now[1] <= 1.1 * highest[1]
    assert all(one.frames > 3600 * 50 for one in participants)
    assert all(one.tracks["audio"].counters.lost > 1000 for one in participants)
