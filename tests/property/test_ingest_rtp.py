"""The receive path against what was sent, whatever the network does to it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.ingest.rtp.audio import MAX_WAIT_NS
from realtime.ingest.rtp.key_frames import REPEAT_NS
from realtime.ingest.rtp.missing import LEAST_REPEAT_NS, MAX_PER_NACK, REORDER_ALLOWANCE_NS, TOGETHER_NS
from realtime.ingest.rtp.reorder import MAX_MISSING, MAX_WAITING, MAX_WAITING_BYTES
from realtime.ingest.rtp.track import TrackReceiver
from realtime.ingest.rtp.video import GIVE_UP_NS, MAX_FRAME_BYTES
from tests.support.rtp import MS, OPUS, VP8, RtpPacket, Run, SentFrame, opus_frames, receiver, vp8_frames

LOST = -1
#: Later than this a packet may have been given up.
IN_TIME_MS = 400
#: Most packets come at once, a few late, a few never, some twice.
fates = st.tuples(
    st.sampled_from([0] * 12 + [5, 30, 90, IN_TIME_MS, 470, 900, LOST, LOST]),
    st.sampled_from([LOST] * 12 + [0, 40, 700]),
)
first_numbers = st.integers(0, (1 << 16) - 1)


@st.composite
def video_calls(draw: st.DrawFn) -> tuple[list[SentFrame], list[tuple[int, int]]]:
    """Frames with key frames at least 500 ms apart, and the fate of every packet."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=50))
    keys = [draw(st.integers(0, 8))]
    while keys[-1] < len(sizes):
        keys.append(keys[-1] + draw(st.integers(16, 30)))
    frames = vp8_frames(
        sizes,
        keys,
        first_number=draw(first_numbers),
        first_timestamp=draw(st.integers(0, (1 << 32) - 1)),
        markers=draw(st.booleans()),
    )
    count = sum(sizes)
    return frames, draw(st.lists(fates, min_size=count, max_size=count))


class Network:
    """When each packet arrives: first, and again."""

    def __init__(self, frames: Sequence[SentFrame], chances: Sequence[tuple[int, int]]) -> None:
        self.frames = frames
        self.first: dict[int, int] = {}
        self.arrivals: list[tuple[int, RtpPacket]] = []
        numbered = [
            (number, packet, frame.sent_ns)
            for frame in frames
            for number, packet in zip(frame.numbers, frame.packets, strict=True)
        ]
        for (number, packet, sent_ns), (delay_ms, again_ms) in zip(numbered, chances, strict=True):
            if delay_ms == LOST:
                continue
            self.first[number] = sent_ns + delay_ms * MS
            self.arrivals.append((self.first[number], packet))
            if again_ms != LOST:
                self.arrivals.append((self.first[number] + again_ms * MS, packet))
        self.arrivals.sort(key=lambda arrival: arrival[0])

    @property
    def expected(self) -> range:
        """Everything between the first packet that arrived and the highest."""
        if not self.first:
            return range(0)
        start = min(self.first, key=lambda number: (self.first[number], number))
        return range(start, max(self.first) + 1)

    def came_in_time(self, frame: SentFrame) -> bool:
        """Tell whether all of a frame came before any of it can have been given up."""
        return frame.numbers.start >= self.expected.start and all(
            self.first.get(number, 1 << 62) - frame.sent_ns <= IN_TIME_MS * MS for number in frame.numbers
        )

    def check_counts(self, track: TrackReceiver) -> None:
        """Check that every packet is counted, and once."""
        counters = track.counters
        arrived = sum(number in self.first for number in self.expected)
        assert counters.packets == arrived
        assert counters.packets + counters.duplicates == len(self.arrivals)
        assert counters.lost - counters.late == len(self.expected) - arrived
        assert counters.recovered + counters.late <= arrived


@settings(max_examples=300)
@given(video_calls())
def test_only_whole_frames_with_all_that_they_rest_on_are_handed_on(
    call: tuple[list[SentFrame], list[tuple[int, int]]],
) -> None:
    frames, chances = call
    network = Network(frames, chances)
    run = Run(receiver("video")).play(network.arrivals)
    index_of = {frame.timestamp: index for index, frame in enumerate(frames)}
    indices = [index_of[handed.timestamp] for _, handed in run.frames]
    assert indices == sorted(set(indices))
    for (now_ns, handed), index in zip(run.frames, indices, strict=True):
        frame = frames[index]
        assert (handed.data, handed.is_key, handed.payload_type) == (frame.data, frame.is_key, VP8)
        assert handed.arrival_ns == max(network.first[number] for number in frame.numbers)
        whole_ns = handed.arrival_ns
        if not frame.packets[-1].marker:
            whole_ns = max(whole_ns, network.first[frame.numbers.stop])
        assert now_ns - whole_ns <= GIVE_UP_NS
    for earlier, later in pairwise([-1, *indices]):
        assert frames[later].is_key or (later == earlier + 1 and earlier >= 0)
    network.check_counts(run.receiver)
    assert run.receiver.counters.frames == len(indices)


@settings(max_examples=300)
@given(video_calls())
def test_a_key_frame_that_comes_and_all_that_follows_it_until_the_next_loss_are_handed_on(
    call: tuple[list[SentFrame], list[tuple[int, int]]],
) -> None:
    frames, chances = call
    network = Network(frames, chances)
    run = Run(receiver("video")).play(network.arrivals)
    handed_on = {handed.timestamp for _, handed in run.frames}
    owed = False
    for index, frame in enumerate(frames):
        following = frames[index + 1 : index + 2]
        has_end = frame.packets[-1].marker or any(network.came_in_time(after) for after in following)
        owed = has_end and network.came_in_time(frame) and (owed or frame.is_key)
        assert not owed or frame.timestamp in handed_on, index


@settings(max_examples=200)
@given(video_calls())
def test_requests_name_what_is_missing_and_keep_their_distance(
    call: tuple[list[SentFrame], list[tuple[int, int]]],
) -> None:
    frames, chances = call
    network = Network(frames, chances)
    run = Run(receiver("video")).play(network.arrivals)
    asked: dict[int, list[int]] = {}
    numbers = {number % (1 << 16): number for frame in frames for number in frame.numbers}
    for now_ns, nack in run.nacks:
        assert list(nack.sequence_numbers) == sorted(set(nack.sequence_numbers))
        assert len(nack.sequence_numbers) <= MAX_PER_NACK
        for wrapped in nack.sequence_numbers:
            number = numbers[wrapped]
            assert network.first.get(number, 1 << 62) >= now_ns
            asked.setdefault(number, []).append(now_ns)
    for number, times in asked.items():
        overtaken_ns = min(time for other, time in network.first.items() if other > number)
        assert times[0] >= overtaken_ns + REORDER_ALLOWANCE_NS - TOGETHER_NS
        assert times[-1] <= overtaken_ns + GIVE_UP_NS
        assert all(later - earlier >= LEAST_REPEAT_NS - TOGETHER_NS for earlier, later in pairwise(times))
    for earlier, later in pairwise(run.key_frame_requests):
        assert later - earlier >= REPEAT_NS
    counters = run.receiver.counters
    assert counters.nacks == len(run.nacks)
    assert counters.key_frame_requests == len(run.key_frame_requests)


@given(st.integers(1, 120), first_numbers, st.data())
@settings(max_examples=200)
def test_a_lost_block_of_audio_costs_only_itself(count: int, first_number: int, data: st.DataObject) -> None:
    frames = opus_frames(count, first_number=first_number)
    network = Network(frames, data.draw(st.lists(fates, min_size=count, max_size=count)))
    run = Run(receiver("audio")).play(network.arrivals)
    numbers = [int.from_bytes(handed.data, "big") for _, handed in run.frames]
    assert numbers == sorted(set(numbers))
    for now_ns, handed in run.frames:
        number = first_number + int.from_bytes(handed.data, "big")
        assert handed.arrival_ns == network.first[number]
        assert now_ns - handed.arrival_ns <= MAX_WAIT_NS
        assert handed.payload_type == OPUS
    counters = run.receiver.counters
    network.check_counts(run.receiver)
    assert counters.frames == len(numbers) == counters.packets - counters.late
    for frame, number in zip(frames, range(first_number, first_number + count), strict=True):
        if (
            network.first.get(number, 1 << 62) <= frame.sent_ns + MAX_WAIT_NS - MS
            and number in network.expected
        ):
            assert number - first_number in numbers
    assert run.nacks == []
    assert run.key_frame_requests == []


wild_packets = st.builds(
    RtpPacket,
    sequence_number=st.one_of(st.integers(0, 400), st.integers(0, (1 << 16) - 1)),
    timestamp=st.one_of(st.integers(0, 9000), st.integers(0, (1 << 32) - 1)),
    marker=st.integers(0, 1),
    payload=st.one_of(st.binary(max_size=4), st.just(b"\x10\x00key"), st.just(b"\x00part")),
    payload_type=st.sampled_from([VP8, VP8, VP8, 0]),
    ssrc=st.sampled_from([1, 1, 1, 1, 2, 3]),
)


@settings(max_examples=200)
@given(
    st.sampled_from(["audio", "video"]), st.lists(st.tuples(st.integers(0, 60), wild_packets), max_size=300)
)
def test_nonsense_is_survived_within_bounds(kind: str, packets: list[tuple[int, RtpPacket]]) -> None:
    track = receiver("audio" if kind == "audio" else "video")
    run = Run(track)
    now_ns = 0
    for wait_ms, packet in packets:
        now_ns += wait_ms * MS
        run.arrive(now_ns, packet)
        assert held_back(track) <= MAX_WAITING
        assert len(track._buffer.missing) <= MAX_MISSING
    run.pass_time(now_ns + 10 * 1000 * MS)
    assert held_back(track) == 0 or kind == "video"
    assert len(track._buffer.missing) == 0
    counters = track.counters
    assert counters.packets + counters.duplicates + counters.discarded == len(packets)


def held_back(track: TrackReceiver) -> int:
    return len(track._buffer._order)


def test_a_flood_behind_a_missing_packet_is_bounded() -> None:
    track = receiver("video")
    run = Run(track)
    flood = vp8_frames([1] * 6, [0]) + vp8_frames([1] * 4000, [], first_number=7)
    for frame in flood:
        for packet in frame.packets:
            large = RtpPacket(
                sequence_number=packet.sequence_number,
                timestamp=packet.timestamp,
                marker=1,
                payload=packet.payload + bytes(9000),
            )
            run.arrive(50_000 * MS, large)
            assert held_back(track) <= MAX_WAITING
            assert track._buffer._order._waiting_bytes <= MAX_WAITING_BYTES
    assert track.counters.lost == 1


def test_a_frame_without_end_is_bounded() -> None:
    track = receiver("video")
    run = Run(track)
    for number in range(3000):
        run.arrive(
            50_000 * MS,
            RtpPacket(sequence_number=number, timestamp=5, marker=0, payload=b"\x10\x00" + bytes(9000)),
        )
        assert sum(map(len, track._buffer._parts)) <= MAX_FRAME_BYTES + 9002
    assert run.frames == []
