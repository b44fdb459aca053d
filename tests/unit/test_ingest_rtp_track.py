from itertools import pairwise

import pytest

from realtime.ingest.rtp.key_frames import REPEAT_NS
from realtime.ingest.rtp.missing import LEAST_REPEAT_NS, REORDER_ALLOWANCE_NS
from realtime.ingest.rtp.packet import Nack
from realtime.ingest.rtp.reorder import MAX_MISSING
from realtime.ingest.rtp.track import FREEZE_NS, SOURCE_SILENT_NS
from realtime.ingest.rtp.video import GIVE_UP_NS
from tests.support.rtp import (
    H264,
    MS,
    START_NS,
    RtpPacket,
    Run,
    S,
    SentFrame,
    opus_frames,
    receiver,
    vp8_frames,
)


def arrivals(frames: list[SentFrame], *, without: tuple[int, ...] = ()) -> list[tuple[int, RtpPacket]]:
    return [
        (frame.sent_ns, packet)
        for frame in frames
        for number, packet in zip(frame.numbers, frame.packets, strict=True)
        if number not in without
    ]


def timestamps(run: Run) -> list[int]:
    return [frame.timestamp // 3000 for _, frame in run.frames]


def test_a_frame_is_handed_on_with_its_last_packet() -> None:
    frames = vp8_frames([3, 2], [0])
    run = Run(receiver("video"))
    for packet in frames[0].packets[:2]:
        run.arrive(START_NS, packet)
    assert run.frames == []
    run.arrive(START_NS + 5 * MS, frames[0].packets[2])
    ((now_ns, frame),) = run.frames
    assert (now_ns, frame.arrival_ns) == (START_NS + 5 * MS, START_NS + 5 * MS)
    assert frame.data == frames[0].data
    assert run.receiver.next_check_ns is None


def test_a_lost_packet_is_asked_for_and_the_frame_goes_on_when_it_comes() -> None:
    frames = vp8_frames([2, 2, 2], [0])
    run = Run(receiver("video"))
    for time_ns, packet in arrivals(frames, without=(2,)):
        run.arrive(time_ns, packet)
    assert timestamps(run) == [0]
    missed_ns = frames[1].sent_ns
    run.pass_time(missed_ns + 60 * MS)
    assert run.nacks[0] == (missed_ns + REORDER_ALLOWANCE_NS, Nack((2,)))
    run.arrive(missed_ns + 60 * MS, frames[1].packets[0])
    assert timestamps(run) == [0, 1, 2]
    assert run.frames[1][1].arrival_ns == missed_ns + 60 * MS
    assert run.frames[2][1].arrival_ns == frames[2].sent_ns
    counters = run.receiver.counters
    assert (counters.recovered, counters.lost, counters.damaged) == (1, 0, 0)
    assert run.receiver.next_check_ns is None


def test_a_gap_at_the_wrap_is_asked_for_in_ascending_order() -> None:
    frames = vp8_frames([1] * 6, [0], first_number=65_533)
    run = Run(receiver("video")).play(
        arrivals(frames, without=(65_534, 65_535, 65_536, 65_537)), rest_ns=11 * MS
    )
    assert run.nacks[0][1].sequence_numbers == (0, 1, 65_534, 65_535)


def test_after_giving_up_the_next_key_frame_is_the_next_frame_and_is_asked_for_until_it_comes() -> None:
    frames = vp8_frames([1] * 80, [0, 70])
    run = Run(receiver("video")).play(arrivals(frames, without=(5,)))
    assert timestamps(run) == [0, 1, 2, 3, 4, *range(70, 80)]
    given_up_ns = run.key_frame_requests[0]
    missed_ns = frames[6].sent_ns
    assert given_up_ns == missed_ns + GIVE_UP_NS
    waited_ns = frames[70].sent_ns - given_up_ns
    assert len(run.key_frame_requests) == 1 + waited_ns // REPEAT_NS
    counters = run.receiver.counters
    assert (counters.lost, counters.damaged, counters.freezes) == (1, 64, 1)


def test_a_key_frame_in_the_buffer_is_skipped_to_without_asking() -> None:
    frames = vp8_frames([1] * 30, [0, 10])
    run = Run(receiver("video")).play(arrivals(frames, without=(5, 7)))
    assert timestamps(run) == [0, 1, 2, 3, 4, *range(10, 30)]
    assert run.key_frame_requests == []
    assert run.receiver.counters.lost == 2


def test_a_call_that_is_joined_in_the_middle_asks_for_a_key_frame_at_once() -> None:
    frames = vp8_frames([2] * 10, [6])
    run = Run(receiver("video")).play(arrivals(frames))
    assert run.key_frame_requests == [frames[0].sent_ns]
    assert timestamps(run) == [6, 7, 8, 9]


def test_a_decoder_that_lost_track_gets_nothing_before_the_next_key_frame() -> None:
    frames = vp8_frames([1] * 20, [0, 12])
    run = Run(receiver("video"))
    for frame in frames:
        if frame is frames[5]:
            run.receiver.require_key_frame(frame.sent_ns)
        run.arrive(frame.sent_ns, frame.packets[0])
    assert timestamps(run) == [0, 1, 2, 3, 4, *range(12, 20)]
    assert run.key_frame_requests == [frames[5].sent_ns]


def test_an_outage_is_not_waited_out() -> None:
    frames = vp8_frames([4] * 200, [0, 150])
    lost = tuple(range(40, 40 + MAX_MISSING + 1))
    run = Run(receiver("video")).play(arrivals(frames, without=lost))
    back_ns = min(frame.sent_ns for frame in frames if frame.numbers.stop > lost[-1] + 1)
    assert run.key_frame_requests[0] == back_ns
    assert run.nacks == []
    assert run.receiver.counters.lost == len(lost)
    assert timestamps(run) == [*range(10), *range(150, 200)]


def test_a_sender_that_begins_its_sequence_anew_is_followed() -> None:
    before = vp8_frames([1] * 10, [0], first_number=30_000)
    after = vp8_frames([1] * 40, [0, 1, 20], first_number=100, first_timestamp=10 * 3000)
    moved = [(time_ns + S, packet) for time_ns, packet in arrivals(after)]
    run = Run(receiver("video")).play(arrivals(before) + moved)
    assert timestamps(run) == [*range(10), *range(11, 50)]
    counters = run.receiver.counters
    assert (counters.lost, counters.discarded) == (0, 1)
    assert run.receiver.statistics is not None
    assert run.receiver.statistics.packets_lost == 0


def test_a_new_source_takes_over_and_the_old_one_does_not_come_back() -> None:
    old = vp8_frames([1] * 10, [0], ssrc=1)
    new = vp8_frames([1] * 10, [0], ssrc=2, first_number=900, first_timestamp=90_000)
    run = Run(receiver("video"))
    for frame in old[:5]:
        run.arrive(frame.sent_ns, frame.packets[0])
    for late, frame in zip(old[5:], new, strict=False):
        run.arrive(frame.sent_ns + S, frame.packets[0])
        run.arrive(frame.sent_ns + S, late.packets[0])
    assert timestamps(run) == [*range(5), *range(30, 35)]
    assert run.receiver.ssrc == 2
    assert run.receiver.counters.discarded == 5
    later_ns = new[4].sent_ns + S + SOURCE_SILENT_NS
    run.arrive(later_ns, old[0].packets[0])
    assert run.receiver.ssrc == 1


def test_padding_keeps_the_sequence_whole() -> None:
    frames = vp8_frames([2, 1, 2, 1], [0])
    padded = []
    for time_ns, packet in arrivals(frames):
        is_padding = packet.sequence_number in (2, 5)
        payload = b"" if is_padding else packet.payload
        padded.append(
            (
                time_ns,
                RtpPacket(
                    sequence_number=packet.sequence_number,
                    timestamp=packet.timestamp,
                    marker=0 if is_padding else packet.marker,
                    payload=payload,
                ),
            )
        )
    run = Run(receiver("video")).play(padded)
    assert timestamps(run) == [0, 2]
    counters = run.receiver.counters
    assert (counters.lost, counters.damaged, counters.freezes) == (0, 0, 0)


def test_a_damaged_payload_damages_its_frame() -> None:
    frames = vp8_frames([2] * 6, [0, 4])
    damaged = [
        (time_ns, RtpPacket(sequence_number=3, timestamp=packet.timestamp, marker=1, payload=b"\x80"))
        if packet.sequence_number == 3
        else (time_ns, packet)
        for time_ns, packet in arrivals(frames)
    ]
    run = Run(receiver("video")).play(damaged)
    assert timestamps(run) == [0, 4, 5]
    assert run.receiver.counters.damaged == 3
    assert len(run.key_frame_requests) == 1


def test_a_sender_that_stops_in_mid_frame_leaves_nothing_ticking_but_the_wish_for_a_key_frame() -> None:
    frames = vp8_frames([1, 4], [0])
    run = Run(receiver("video")).play(arrivals(frames, without=(2, 4)), rest_ns=5 * S)
    assert timestamps(run) == [0]
    assert run.receiver.counters.lost == 1
    assert len(run.receiver._buffer.missing) == 0
    assert run.receiver.next_check_ns is not None
    assert all(later - earlier == REPEAT_NS for earlier, later in pairwise(run.key_frame_requests))


@pytest.mark.parametrize(("span_ns", "freezes"), [(FREEZE_NS - 20 * MS, 0), (FREEZE_NS + 20 * MS, 1)])
def test_a_freeze_is_a_span_with_packets_and_without_a_picture(span_ns: int, freezes: int) -> None:
    frames = vp8_frames([1] * 60, [0])
    run = Run(receiver("video"))
    for frame in frames:
        if frame is not frames[5]:
            run.arrive(frame.sent_ns, frame.packets[0])
        if frame.sent_ns - frames[6].sent_ns >= span_ns and frames[5].timestamp // 3000 not in timestamps(
            run
        ):
            run.arrive(frame.sent_ns, frames[5].packets[0])
    assert timestamps(run) == list(range(60))
    assert run.receiver.counters.freezes == freezes


def test_a_slow_source_does_not_freeze() -> None:
    run = Run(receiver("video")).play(arrivals(vp8_frames([3] * 5, [0], frame_ns=S)))
    assert timestamps(run) == list(range(5))
    assert run.receiver.counters.freezes == 0


def test_audio_is_never_asked_for_again() -> None:
    run = Run(receiver("audio")).play(arrivals(opus_frames(50), without=(7, 20, 21)))
    assert [frame.timestamp // 960 for _, frame in run.frames] == [
        n for n in range(50) if n not in (7, 20, 21)
    ]
    assert run.nacks == []
    assert run.receiver.counters.lost == 3
    run.receiver.require_key_frame(100 * S)
    assert run.receiver.next_check_ns is None


def h264_packets(payloads: list[str]) -> list[RtpPacket]:
    return [
        RtpPacket(
            sequence_number=number,
            timestamp=0 if number < 4 else 3000,
            marker=int(number in (3, len(payloads) - 1)),
            payload=bytes.fromhex(payload),
            payload_type=H264,
        )
        for number, payload in enumerate(payloads)
    ]


@pytest.mark.parametrize("lost", [(0,), (0, 1), (1,), (2,)])
def test_the_rest_of_an_h264_key_frame_is_no_key_frame(lost: tuple[int, ...]) -> None:
    parameters, slices, picture = "78 0001 67 0001 68", ["7c 85 01", "7c 05 02", "7c 45 03"], "41 9a"
    packets = h264_packets([parameters, *slices, picture])
    track = receiver("video")
    arriving = [(START_NS, packet) for packet in packets if packet.sequence_number not in lost]
    run = Run(track).play(arriving)
    assert run.frames == []
    assert run.key_frame_requests
    whole = Run(receiver("video")).play([(START_NS, packet) for packet in packets])
    assert [frame.data.hex() for _, frame in whole.frames] == [
        "00000001670000000168" + "0000000165010203",
        "00000001419a",
    ]


def test_a_key_frame_that_is_being_repaired_is_not_given_up_for_the_next() -> None:
    frames = vp8_frames([2, 2], [0, 1])
    run = Run(receiver("video"))
    first, late, third, last = (packet for frame in frames for packet in frame.packets)
    for packet in (first, third, late, last):
        run.arrive(START_NS, packet)
    assert timestamps(run) == [0, 1]


def test_requests_for_a_packet_become_rarer() -> None:
    frames = vp8_frames([1, 1, 1], [0])
    run = Run(receiver("video")).play(arrivals(frames, without=(1,)))
    times = [now_ns for now_ns, _ in run.nacks]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert len(pauses) >= 3
    assert all(later > earlier for earlier, later in pairwise(pauses))


def test_what_a_source_still_owed_when_another_took_over_is_lost() -> None:
    old = vp8_frames([1] * 4, [0], ssrc=1)
    new = vp8_frames([1], [0], ssrc=2)
    run = Run(receiver("video"))
    for time_ns, packet in arrivals(old, without=(2,)):
        run.arrive(time_ns, packet)
    run.arrive(old[-1].sent_ns, new[0].packets[0])
    assert run.receiver.counters.lost == 1
    assert run.receiver.next_check_ns is None


def test_a_request_is_repeated_only_when_its_answer_is_overdue() -> None:
    """A round trip of 100 ms is learnt from answers, so that none is asked for twice."""
    frames = vp8_frames([1] * 700, [0])
    lost = range(10, 690, 10)
    run = Run(receiver("video"))
    answers: list[tuple[int, RtpPacket]] = []
    for frame in frames:
        for due_ns, packet in [answer for answer in answers if answer[0] <= frame.sent_ns]:
            run.arrive(due_ns, packet)
            answers.remove((due_ns, packet))
        known = len(run.nacks)
        if frame.numbers.start in lost:
            run.pass_time(frame.sent_ns)
        else:
            run.arrive(frame.sent_ns, frame.packets[0])
        for now_ns, nack in run.nacks[known:]:
            for number in nack.sequence_numbers:
                answers.append((now_ns + 100 * MS, frames[number].packets[0]))
    asked = [number for _, nack in run.nacks for number in nack.sequence_numbers]
    assert set(lost) <= set(asked)
    late = [number for number in asked if number > 350]
    assert len(late) == len(set(late))


def test_packets_that_are_lost_together_are_asked_for_together() -> None:
    frames = vp8_frames([1, 6, 1], [0])
    run = Run(receiver("video"))
    run.arrive(START_NS, frames[0].packets[0])
    for index in (1, 3, 5):
        run.arrive(START_NS + 33 * MS + index * MS // 4, frames[1].packets[index])
    run.pass_time(START_NS + 60 * MS)
    assert [nack.sequence_numbers for _, nack in run.nacks] == [(1, 3, 5)]


def test_nothing_is_checked_before_something_is_due() -> None:
    frames = vp8_frames([1] * 4, [0])
    run = Run(receiver("video"))
    for index in (0, 2, 3):
        run.arrive(frames[index].sent_ns, frames[index].packets[0])
    missed_ns = frames[2].sent_ns
    asked_ns = missed_ns + REORDER_ALLOWANCE_NS
    assert [now_ns for now_ns, _ in run.nacks] == [asked_ns]
    due_ns = run.receiver.next_check_ns
    assert due_ns is not None
    assert due_ns >= asked_ns + LEAST_REPEAT_NS
