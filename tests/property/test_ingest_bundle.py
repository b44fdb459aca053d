"""Packets of sound joined into one: the same sound in the same place, and never later than a window ends."""

from __future__ import annotations

import functools
import itertools
from types import SimpleNamespace

import av
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import realtime.ingest.incoming
from realtime.ingest.decoder import TrackDecoder, open_codec
from realtime.ingest.incoming import IncomingTrack
from realtime.ingest.live import LiveTrack
from realtime.ingest.rtp.bundle import BUNDLE_NS, MAX_WAIT_NS, Bundler
from realtime.ingest.rtp.opus import (
    MAX_FRAME_BYTES,
    MAX_PACKET_SAMPLES,
    is_stereo,
    join,
    single_frame_samples,
)
from realtime.ingest.rtp.packet import EncodedFrame
from realtime.ingest.sync import CallClock, TrackClock
from realtime.timebase import NS_PER_S
from realtime.types import AudioFrame, MediaGap

MS = 1_000_000
WRAP = 1 << 32
PACKETS = 50


@functools.cache
def encoded(duration_ms: int, layout: str, application: str, bit_rate: int) -> tuple[bytes, ...]:
    """Return packets of something like a voice, with silence in it, far from full scale."""
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = 48_000, layout, "s16", bit_rate
    encoder.options = {"frame_duration": str(duration_ms), "application": application}
    samples = 48 * duration_ms
    rng = np.random.default_rng(duration_ms)
    time_s = np.arange(PACKETS * samples) / 48_000
    tone = sum(np.sin(2 * np.pi * 140 * k * time_s) / k for k in range(1, 25))
    voice = tone * (np.sin(2 * np.pi * 3 * time_s) > -0.3) * 0.15 + rng.normal(0, 1e-3, len(time_s))
    channels = 1 if layout == "mono" else 2
    pcm = np.stack([voice, np.roll(voice, 700)][:channels], axis=1)
    packets: list[bytes] = []
    for start in range(0, len(pcm), samples):
        block = (pcm[start : start + samples] * 32767).astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(block, format="s16", layout=layout)
        frame.sample_rate, frame.pts = 48_000, start
        packets += map(bytes, encoder.encode(frame))
    return tuple(packets)


def decoded(packets: list[bytes], *, stereo: bool) -> np.ndarray:
    context = open_codec("opus", stereo=stereo)
    return np.concatenate(
        [frame.to_ndarray()[0] for packet in packets for frame in context.decode(av.Packet(packet))]
    )


kinds = st.tuples(
    st.sampled_from([10, 20, 40, 60]),
    st.sampled_from(["mono", "stereo"]),
    st.sampled_from(["voip", "audio", "lowdelay"]),
    st.sampled_from([10_000, 24_000, 64_000, 256_000]),
)


@settings(max_examples=40, deadline=None)
@given(kinds, st.lists(st.integers(1, 12), min_size=PACKETS, max_size=PACKETS))
def test_joined_packets_sound_as_they_do_alone(kind: tuple[int, str, str, int], sizes: list[int]) -> None:
    rest, joined = list(encoded(*kind)), []
    for size in sizes:
        if not rest:
            break
        most = min(size, MAX_PACKET_SAMPLES // (single_frame_samples(rest[0]) or MAX_PACKET_SAMPLES))
        count = next((i for i, packet in enumerate(rest[:most]) if packet[0] != rest[0][0]), most)
        joined.append(join(rest[: max(1, min(count, len(rest)))]))
        rest = rest[max(1, count) :]
    used = list(encoded(*kind))[: PACKETS - len(rest)]
    stereo = kind[1] == "stereo"
    np.testing.assert_array_equal(decoded(joined, stereo=stereo), decoded(used, stereo=stereo))


def test_one_channel_is_both_of_a_stream_of_one() -> None:
    packets = list(encoded(20, "mono", "audio", 64_000))
    assert not any(map(is_stereo, packets))
    both = decoded(packets, stereo=True).reshape(-1, 2)
    one = decoded(packets, stereo=False)
    np.testing.assert_array_equal(both, np.stack([one, one], axis=1))
    assert any(map(is_stereo, encoded(20, "stereo", "audio", 256_000)))


@pytest.mark.parametrize(
    ("packet", "samples"),
    [
        (b"", None),
        (b"\xf8", 960),
        (b"\xf9abcd", None),
        (b"\xfbabcd", None),
        (b"\x00a", 480),
        (b"\x18a", 2880),
        (b"\x60a", 480),
        (b"\x80a", 120),
        (b"\xf8" + bytes(MAX_FRAME_BYTES), 960),
        (b"\xf8" + bytes(MAX_FRAME_BYTES + 1), None),
    ],
)
def test_lengths_of_packets_with_a_single_frame(packet: bytes, samples: int | None) -> None:
    assert single_frame_samples(packet) == samples


steps = st.lists(
    st.tuples(st.sampled_from([b"\xf8", b"\xf8", b"\xf8", b"\xfc", b"\xf9", b"\x18"]), st.integers(0, 3)),
    max_size=60,
)


@given(steps, st.integers(0, WRAP - 1), st.booleans())
def test_bundles_are_the_packets_in_order_and_without_holes(
    plan: list[tuple[bytes, int]], first: int, waits: bool
) -> None:
    covered_ns = [0]
    bundler = Bundler(lambda: covered_ns[0])
    frames, bundles = [], []
    timestamp, follows = first, False
    for index, (head, hole) in enumerate(plan):
        follows = hole == 0 and index > 0 and frames[-1].data[0] != 0xF9
        timestamp = (timestamp + 960 * hole) % WRAP
        data = head + index.to_bytes(2, "big")
        frame = EncodedFrame(timestamp, 111, data, True, index)
        assert bundler.follows(timestamp) == follows
        ready = bundler.put(frame, index)
        if waits and index % 7 == 6:
            assert bundler.overdue(index + MAX_WAIT_NS - 1) == []
            ready += bundler.overdue(index + MAX_WAIT_NS)
        frames.append(frame)
        bundles += ready
        for bundle in ready:
            covered_ns[0] += (single_frame_samples(bundle.frame.data) or 960) * NS_PER_S // 48_000
        if not follows or data[0] == 0xF9:
            assert sum(bundle.packets for bundle in bundles) == len(frames)
        timestamp = (timestamp + (single_frame_samples(data) or 0)) % WRAP
    bundles += bundler.flush()
    assert bundler.flush() == []
    position = 0
    for bundle in bundles:
        parts = frames[position : position + bundle.packets]
        position += bundle.packets
        assert bundle.frame.data == join([part.data for part in parts])
        assert (bundle.frame.timestamp, bundle.newest_timestamp) == (parts[0].timestamp, parts[-1].timestamp)
        assert bundle.put_ns == bundle.frame.arrival_ns == parts[-1].arrival_ns
        for before, after in itertools.pairwise(parts):
            assert before.data[0] == after.data[0]
            assert after.timestamp == (before.timestamp + single_frame_samples(before.data)) % WRAP
    assert position == len(frames)


class Log:
    """Keeps what a track hands on; stands in for the receiver's tap, too."""

    def __init__(self, *_args: object, **callbacks: object) -> None:
        self.callbacks = SimpleNamespace(**callbacks)
        self.items: list[AudioFrame | MediaGap] = []
        self.arrivals: dict[int, int] = {}
        self.last_packet_ns: int | None = None

    def arrival_ns(self, rtp: int) -> int | None:
        return self.arrivals.get(rtp)

    def on_audio(self, frame: AudioFrame) -> None:
        self.items.append(frame)

    on_gap = on_audio

    def on_track(self, *_what: object) -> None:
        pass


class OneByOne:
    """The oracle: every packet is decoded and placed as it comes."""

    def __init__(self, sink: Log) -> None:
        self._calls = CallClock()
        self.clock = TrackClock(clock_hz=48_000, codec_delay_ns=6_500_000)
        self._calls.add_track("audio", self.clock)
        self.tap = Log()
        self.live = LiveTrack("audio", clock=self._calls, sink=sink, packets=self.tap)
        self._now_ns = 0
        self._decoder = TrackDecoder("audio", on_frames=self._on_frames, on_damage=lambda: None)

    def put(self, frame: EncodedFrame, now_ns: int) -> None:
        self._now_ns = now_ns
        self._decoder.put("opus", frame)

    def _on_frames(self, frames) -> None:
        for frame in frames:
            self.live.on_frame(frame, self._now_ns)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.sampled_from(["next"] * 12 + ["lost", "lost for long", "pause", "report", "jump"]),
        min_size=1,
        max_size=120,
    ),
    st.integers(0, WRAP - 1),
)
@example(["next"] * 6 + ["pause", "lost for long"], 0)
async def test_a_track_is_the_same_with_bundles_and_without(events: list[str], first: int) -> None:
    packets = encoded(20, "mono", "voip", 32_000)
    now_ns = [0]
    bundled, alone = Log(), Log()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(realtime.ingest.incoming, "ReceiverTap", Log)
        track = IncomingTrack(
            "audio",
            None,
            call_clock=CallClock(),
            sink=bundled,
            codec_delay_ns=6_500_000,
            clock_ns=lambda: now_ns[0],
        )
    oracle = OneByOne(alone)
    observer = track.tap.callbacks.observer
    rtp, offset_ns, put = first, 0, 0
    for event in events:
        if event == "report":
            for each in (observer, oracle.clock):
                each.on_report(10**18 + now_ns[0] + offset_ns, rtp, now_ns[0])
            offset_ns += 300 * MS
            continue
        skipped = {"lost": 1, "lost for long": 15, "pause": 40}.get(event, 0)
        for _ in range(skipped):
            now_ns[0] += 20 * MS
            rtp = (rtp + (0 if event == "pause" else 960)) % WRAP
            if now_ns[0] % (100 * MS) == 0:
                track.check(now_ns[0])
                for live in (track.live, oracle.live):
                    live.check(now_ns[0], front_ns=now_ns[0], connection_alive=True)
        if event == "jump":
            rtp = (rtp + WRAP // 3) % WRAP
        frame = EncodedFrame(rtp, 111, packets[put % PACKETS], True, now_ns[0])
        for each, tap in ((observer, track.tap), (oracle.clock, oracle.tap)):
            each.on_packet(rtp, now_ns[0])
            tap.arrivals[rtp] = tap.last_packet_ns = now_ns[0]
        track.tap.callbacks.on_frame("opus", frame)
        oracle.put(frame, now_ns[0])
        put += 1
        rtp, now_ns[0] = (rtp + 960) % WRAP, now_ns[0] + 20 * MS
        assert track.live.covered_ns // BUNDLE_NS == oracle.live.covered_ns // BUNDLE_NS
    await track.close()
    for live in (track.live, oracle.live):
        live.end()
    assert as_samples(bundled) == as_samples(alone)
    assert len(bundled.items) <= len(alone.items)
    assert track.live.frames + track._joined == oracle.live.frames == put


def as_samples(log: Log) -> list[object]:
    """Return gaps and samples with their times, without the division into blocks."""
    told: list[object] = []
    for item in log.items:
        if isinstance(item, MediaGap):
            told.append(item)
        elif told and isinstance(told[-1], tuple):
            told[-1] = (told[-1][0], told[-1][1] + item.samples.tobytes())
        else:
            told.append((item.start_ns, item.samples.tobytes()))
    return told
