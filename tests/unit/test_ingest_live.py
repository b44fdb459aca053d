from fractions import Fraction

import numpy as np
import pytest

from realtime.ingest.grid import HOLD_NS
from realtime.ingest.live import FIRST_FRAME_MARGIN_NS, LATE_MARGIN_NS, SILENT_AFTER_NS, LiveTrack
from realtime.ingest.sink import EndReason, PendingPicture, TrackState
from realtime.ingest.sync import CallClock, TrackClock
from realtime.timebase import TICK_NS
from realtime.types import AudioFrame, GapReason, MediaGap, TrackKind
from tests.support.media import audio_frame, picture, video_frame

MS = 1_000_000
S = 1_000_000_000
RATES: dict[TrackKind, int] = {"audio": 48_000, "video": 90_000}


class Recorder:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.audio: list[AudioFrame] = []
        self.pictures: list[PendingPicture] = []
        self.gaps: list[MediaGap] = []
        self.states: list[tuple[TrackKind, TrackState]] = []

    def on_audio(self, frame: AudioFrame) -> None:
        self.audio.append(frame)

    def on_picture(self, picture: PendingPicture) -> None:
        self.pictures.append(picture)

    def on_gap(self, gap: MediaGap) -> None:
        self.gaps.append(gap)

    def on_track(self, kind: TrackKind, state: TrackState) -> None:
        self.states.append((kind, state))

    def on_end(self, reason: EndReason) -> None:
        raise AssertionError(reason)


class Packets:
    """What a tap knows; every frame is one packet."""

    def __init__(self) -> None:
        self.last_packet_ns: int | None = None
        self.arrivals: dict[int, int] = {}

    def arrival_ns(self, rtp: int) -> int | None:
        return self.arrivals.get(rtp)


class Call:
    """Two live tracks in virtual time."""

    def __init__(self, kinds: tuple[TrackKind, ...] = ("audio", "video")) -> None:
        self.sink = Recorder()
        clock = CallClock()
        self.packets = {kind: Packets() for kind in kinds}
        self.clocks = {kind: TrackClock(clock_hz=RATES[kind]) for kind in kinds}
        for kind, track_clock in self.clocks.items():
            clock.add_track(kind, track_clock)
        self.tracks = {
            kind: LiveTrack(kind, clock=clock, sink=self.sink, packets=self.packets.get(kind))
            for kind in RATES
        }
        self.now_ns = 100 * S
        self.sent: set[tuple[TrackKind, int]] = set()

    def packet(self, kind: TrackKind, media_ns: int) -> int:
        rtp = (0xFFFF0000 + media_ns * RATES[kind] // S) % (1 << 32)
        self.packets[kind].last_packet_ns = self.now_ns
        self.packets[kind].arrivals[rtp] = self.now_ns
        self.clocks[kind].on_packet(rtp, self.now_ns)
        return rtp

    def frame(self, kind: TrackKind, media_ns: int) -> None:
        rtp = self.packet(kind, media_ns)
        if kind == "audio":
            frame = audio_frame(np.full((1, 960), 0.1, np.float32), rate=48_000, pts=rtp)
            self.tracks[kind].on_frame(frame, self.now_ns)
        else:
            self.tracks[kind].on_frame(video_frame(picture(0), rtp, Fraction(1, 90_000)), self.now_ns)

    def play(
        self,
        until_ns: int,
        *,
        silent: tuple[TrackKind, ...] = (),
        undecodable: tuple[TrackKind, ...] = (),
    ) -> None:
        """Advance 10 ms at a time; a track in neither tuple delivers its frames."""
        while self.now_ns - 100 * S < until_ns:
            media_ns = self.now_ns - 100 * S
            for kind, step_ns in (("audio", 20 * MS), ("video", TICK_NS)):
                if kind in self.packets and kind not in silent and media_ns % step_ns == 0:
                    if kind in undecodable:
                        self.packet(kind, media_ns)
                    else:
                        self.frame(kind, media_ns)
            self.now_ns += 10 * MS
            if self.now_ns % (100 * MS) == 0:
                self.check()

    def check(self) -> None:
        times = [log.last_packet_ns for log in self.packets.values() if log.last_packet_ns is not None]
        alive = bool(times) and self.now_ns - max(times) < SILENT_AFTER_NS
        front_ns = max(track.covered_ns for track in self.tracks.values())
        for track in self.tracks.values():
            track.check(self.now_ns, front_ns=front_ns, connection_alive=alive)

    def gaps(self, kind: TrackKind) -> list[tuple[int, int, GapReason]]:
        """Return the gaps of a track in ms, adjoining ones joined."""
        joined: list[tuple[int, int, GapReason]] = []
        for gap in (gap for gap in self.sink.gaps if gap.track == kind):
            start, end = gap.span.start_ns // MS, gap.span.end_ns // MS
            if joined and joined[-1][1] == start and joined[-1][2] is gap.reason:
                start = joined.pop()[0]
            joined.append((start, end, gap.reason))
        return joined


def test_a_healthy_call_has_no_gaps() -> None:
    call = Call()
    call.play(5 * S)
    assert call.sink.gaps == []
    assert [picture.tick for picture in call.sink.pictures] == list(range(125))
    assert sum(len(frame.samples) for frame in call.sink.audio) == pytest.approx(80_000, abs=32)
    assert call.sink.audio[10].arrival_ns == 100 * S + 200 * MS
    assert sorted(call.sink.states) == [("audio", TrackState.LIVE), ("video", TrackState.LIVE)]


def test_a_muted_track_is_covered_while_the_other_goes_on() -> None:
    call = Call()
    call.play(2 * S)
    call.play(4 * S, silent=("video",))
    covered_ns = call.tracks["video"].covered_ns
    assert 4 * S - LATE_MARGIN_NS - 200 * MS <= covered_ns <= 4 * S - LATE_MARGIN_NS + TICK_NS
    call.play(5 * S)
    gaps = call.gaps("video")
    assert len(gaps) == 2
    assert gaps[0][0] == pytest.approx(2160, abs=80)
    assert gaps[0][2] is GapReason.MUTED
    assert gaps[-1][1] == pytest.approx(4000, abs=41)
    assert call.gaps("audio") == []
    states = [state for kind, state in call.sink.states if kind == "video"]
    assert states == [TrackState.LIVE, TrackState.GAP, TrackState.LIVE]


@pytest.mark.parametrize("cause", ["silence_of_all", "undecodable_packets"])
def test_loss_is_told_from_mute(cause: str) -> None:
    call = Call()
    call.play(2 * S)
    if cause == "silence_of_all":
        call.play(4 * S, silent=("audio", "video"))
    else:
        call.play(4 * S, undecodable=("video",))
    assert {reason for _, _, reason in call.gaps("video")} == {GapReason.LOSS}
    expected = {GapReason.LOSS} if cause == "silence_of_all" else set()
    assert {reason for _, _, reason in call.gaps("audio")} == expected


def test_silence_shorter_than_the_limit_is_no_gap_until_media_says_so() -> None:
    call = Call()
    call.play(2 * S)
    call.play(2 * S + SILENT_AFTER_NS - 20 * MS, silent=("audio", "video"))
    assert call.sink.gaps == []
    assert TrackState.GAP not in {state for _, state in call.sink.states}


def test_media_that_comes_after_its_gap_was_declared_is_dropped_and_counted() -> None:
    call = Call()
    call.play(2 * S)
    call.play(4 * S, silent=("audio", "video"))
    before = call.tracks["audio"].covered_ns
    for media_ns in range(2 * S, 4 * S, 20 * MS):
        call.frame("audio", media_ns)
    assert call.tracks["audio"].late == pytest.approx((before - 2 * S) / MS, abs=25)
    assert call.tracks["audio"].covered_ns == pytest.approx(4 * S, abs=2 * MS)
    position_ns = 0
    spans = [(frame.start_ns, len(frame.samples) * S // 16_000) for frame in call.sink.audio]
    spans += [(gap.span.start_ns, gap.span.duration_ns) for gap in call.sink.gaps if gap.track == "audio"]
    for start_ns, length_ns in sorted(spans):
        assert abs(start_ns - position_ns) <= 1
        position_ns = start_ns + length_ns


def test_a_track_that_was_never_offered_is_covered_in_step() -> None:
    call = Call(kinds=("audio",))
    call.play(3 * S)
    assert call.gaps("video") == [(0, pytest.approx(2980, abs=120), GapReason.NO_TRACK)]
    assert {kind for kind, _ in call.sink.states} == {"audio"}


def test_a_track_that_has_not_begun_is_waited_for_only_so_long() -> None:
    call = Call()
    call.play(3 * S, silent=("video",))
    (gap,) = call.gaps("video")
    assert gap[2] is GapReason.NO_TRACK
    assert gap[1] == pytest.approx((3 * S - FIRST_FRAME_MARGIN_NS) / MS, abs=160)
    call.play(4 * S)
    assert call.sink.pictures[0].tick == 75


def test_an_ended_track_is_covered_as_ended() -> None:
    call = Call()
    call.play(2 * S)
    call.tracks["video"].end()
    call.tracks["video"].end()
    call.play(3 * S, silent=("video",))
    assert [reason for _, _, reason in call.gaps("video")] == [GapReason.ENDED]
    assert call.sink.states.count(("video", TrackState.ENDED)) == 1


def test_a_single_lost_block_of_audio_is_a_gap_of_its_own() -> None:
    call = Call()
    call.play(2 * S)
    call.play(2 * S + 20 * MS, silent=("audio",))
    call.play(4 * S)
    call.play(4 * S + 20 * MS, silent=("audio",))
    call.play(5 * S)
    gaps = [gap for gap in call.sink.gaps if gap.track == "audio"]
    assert [gap.reason for gap in gaps] == [GapReason.LOSS] * 2
    assert [gap.span.duration_ns / MS for gap in gaps] == pytest.approx([20, 20], abs=1)
    assert [gap.span.start_ns / MS for gap in gaps] == pytest.approx([2000, 4000], abs=1)
    assert call.tracks["audio"].lost_ns == pytest.approx(40 * MS, abs=2 * MS)
    assert call.tracks["audio"].late == 0


@pytest.mark.parametrize("shift_ms", [-7, 7])
def test_jitter_of_the_timestamps_is_no_gap(shift_ms: int) -> None:
    call = Call()
    for index in range(100):
        call.now_ns = 100 * S + index * 20 * MS
        call.frame("audio", index * 20 * MS + (shift_ms * MS if index % 2 else 0))
    assert call.sink.gaps == []
    assert call.tracks["audio"].late == 0


def test_a_freeze_is_held_only_so_long_and_then_a_gap() -> None:
    call = Call()
    call.play(2 * S)
    call.play(2 * S + 400 * MS, undecodable=("video",))
    call.play(4 * S)
    ((start_ms, end_ms, reason),) = call.gaps("video")
    assert reason is GapReason.LOSS
    assert start_ms == pytest.approx(2000 + HOLD_NS / MS, abs=41)
    assert end_ms == pytest.approx(2400, abs=41)
    assert call.tracks["video"].lost_ns == pytest.approx(200 * MS, abs=41 * MS)
    ticks = [picture.tick for picture in call.sink.pictures]
    held = [tick for tick in ticks if 2000 <= tick * 40 < 2400]
    assert len(held) <= HOLD_NS // TICK_NS + 1
