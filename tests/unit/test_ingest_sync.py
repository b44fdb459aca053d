import random
from collections.abc import Iterator
from itertools import pairwise

import pytest

from realtime.ingest.sync import (
    MAX_PLAUSIBLE_SKEW_NS,
    CallClock,
    TrackClock,
    ntp_to_ns,
    rtp_distance,
)
from realtime.types import TrackKind

MS = 1_000_000
S = 1_000_000_000
NTP_BASE = 3_900_000_000 * S
RATES: dict[TrackKind, int] = {"audio": 48_000, "video": 90_000}


class Sender:
    """A participant whose capture times are known: RTP clocks of any origin and drift, and reports."""

    def __init__(
        self,
        *,
        origins: dict[TrackKind, int] | None = None,
        drift: dict[TrackKind, float] | None = None,
        delay_ns: dict[TrackKind, int] | None = None,
        first_report_ns: int = 2 * S,
        report_noise_ns: int = 0,
        skew_ns: dict[TrackKind, int] | None = None,
    ) -> None:
        self.origins = origins or {"audio": 0x12345678, "video": 0xFFFFF000}
        self.drift = drift or {}
        self.delay_ns = delay_ns or {"audio": 30 * MS, "video": 30 * MS}
        self.first_report_ns = first_report_ns
        self.report_noise_ns = report_noise_ns
        self.skew_ns = skew_ns or {}
        self.clock = CallClock()
        self.tracks = {kind: TrackClock(clock_hz=RATES[kind]) for kind in RATES}
        for kind, track in self.tracks.items():
            self.clock.add_track(kind, track)
        self.random = random.Random(7)
        self.reports = True

    def rtp(self, kind: TrackKind, capture_ns: int) -> int:
        ticks = round(capture_ns * (1 + self.drift.get(kind, 0.0)) * RATES[kind] / S)
        return (self.origins[kind] + ticks) % (1 << 32)

    def play(
        self, seconds: float, *, start_ns: int = 0, kinds: tuple[TrackKind, ...] = ("audio", "video")
    ) -> Iterator[tuple[TrackKind, int, int]]:
        """Send frames; yields kind, capture time and the call time given to the frame."""
        events: list[tuple[int, str, TrackKind]] = []
        for kind in kinds:
            step = 20 * MS if kind == "audio" else 33 * MS
            events += [(t, "frame", kind) for t in range(start_ns, start_ns + int(seconds * S), step)]
            first = max(start_ns, self.first_report_ns)
            events += [(t, "report", kind) for t in range(first, start_ns + int(seconds * S), S)]
        for capture_ns, what, kind in sorted(events):
            arrival_ns = capture_ns + self.delay_ns[kind] + self.random.randint(0, 8 * MS)
            rtp = self.rtp(kind, capture_ns)
            if what == "frame":
                self.tracks[kind].on_packet(rtp, arrival_ns)
                time_ns = self.clock.time_ns(kind, rtp)
                assert time_ns is not None
                yield kind, capture_ns, time_ns
            elif self.reports:
                noise_ns = self.random.randint(-self.report_noise_ns, self.report_noise_ns)
                ntp_ns = NTP_BASE + capture_ns + noise_ns + self.skew_ns.get(kind, 0)
                self.tracks[kind].on_report(ntp_ns, rtp, arrival_ns)


def misalignment_ns(times: list[tuple[TrackKind, int, int]], tail: int = 50) -> int:
    """Largest difference between the two tracks' capture-to-call offsets among the last frames."""
    audio = [call - capture for kind, capture, call in times if kind == "audio"][-tail:]
    video = [call - capture for kind, capture, call in times if kind == "video"][-tail:]
    return max(abs(max(audio) - min(video)), abs(max(video) - min(audio)))


def assert_ordered(times: list[tuple[TrackKind, int, int]]) -> None:
    for wanted in RATES:
        calls = [call for kind, _, call in times if kind == wanted]
        assert calls == sorted(calls)


def test_conversions() -> None:
    assert ntp_to_ns((5 << 32) + (1 << 31)) == 5 * S + S // 2
    assert rtp_distance(3, 0xFFFFFFFE) == 5
    assert rtp_distance(0xFFFFFFFE, 3) == -5


def test_time_starts_at_zero_and_survives_the_wrap() -> None:
    sender = Sender(origins={"audio": 0xFFFFFFFF - 48_000, "video": 0xFFFFFFFF - 45_000})
    times = list(sender.play(4))
    assert times[0][2] == 0
    assert_ordered(times)
    audio = [(capture, call) for kind, capture, call in times if kind == "audio"]
    assert all(abs(call - capture - (audio[0][1] - audio[0][0])) <= 25_000 for capture, call in audio)


@pytest.mark.parametrize("late_ms", [-300, 40, 1000])
def test_tracks_are_aligned_from_arrivals_before_any_report(late_ms: int) -> None:
    sender = Sender(first_report_ns=10**15)
    kinds: tuple[TrackKind, TrackKind] = ("audio", "video") if late_ms >= 0 else ("video", "audio")
    times = list(sender.play(abs(late_ms) / 1000, kinds=(kinds[0],)))
    times += sender.play(3, start_ns=abs(late_ms) * MS)
    assert misalignment_ns(times) <= 10 * MS
    assert sender.clock.state().source == "arrival"


def test_reports_correct_what_arrivals_cannot_know() -> None:
    sender = Sender(delay_ns={"audio": 30 * MS, "video": 130 * MS}, first_report_ns=3 * S)
    times = list(sender.play(3))
    assert 90 * MS <= misalignment_ns(times) <= 115 * MS
    times += sender.play(6, start_ns=3 * S)
    assert_ordered(times)
    assert misalignment_ns(times) <= 1 * MS
    state = sender.clock.state()
    assert state.source == "reports"
    assert state.uncertainty_ns <= MS


def test_a_late_first_report_slews_pictures_and_leaves_audio_alone() -> None:
    sender = Sender(delay_ns={"audio": 130 * MS, "video": 30 * MS}, first_report_ns=5 * S)
    times = list(sender.play(12))
    assert_ordered(times)
    audio = [call - capture for kind, capture, call in times if kind == "audio"]
    assert max(audio) - min(audio) <= 25_000
    video = [(capture, call) for kind, capture, call in times if kind == "video"]
    for (capture, call), (next_capture, next_call) in pairwise(video):
        assert abs((next_call - call) - (next_capture - capture)) <= (next_capture - capture) // 19 + 25_000
    assert misalignment_ns(times) <= 1 * MS


def test_noisy_reports_are_smoothed_and_their_spread_is_told() -> None:
    sender = Sender(report_noise_ns=20 * MS)
    times = list(sender.play(20))
    assert misalignment_ns(times) <= 20 * MS
    assert 4 * MS <= sender.clock.state().uncertainty_ns <= 60 * MS


def test_drift_between_the_tracks_is_followed() -> None:
    sender = Sender(drift={"audio": 1e-4, "video": -1e-4})
    times = list(sender.play(120))
    assert_ordered(times)
    assert misalignment_ns(times) <= 5 * MS


def test_implausible_reports_are_not_believed() -> None:
    sender = Sender(skew_ns={"video": MAX_PLAUSIBLE_SKEW_NS + S})
    times = list(sender.play(8))
    assert misalignment_ns(times) <= 12 * MS
    assert sender.clock.state().source == "arrival"


def test_stale_empty_and_repeated_reports_are_ignored() -> None:
    sender = Sender(first_report_ns=10**15)
    list(sender.play(2))
    track = sender.tracks["video"]
    newest = sender.rtp("video", 2 * S)
    track.on_report(0, newest, 2 * S)
    track.on_report(NTP_BASE, sender.rtp("video", -60 * S), 2 * S)
    assert track.report_offset_ns is None
    track.on_report(NTP_BASE, newest, 2 * S)
    before = track.report_offset_ns
    track.on_report(NTP_BASE, newest, 3 * S)
    track.on_report(NTP_BASE + 5 * S, newest, 3 * S)
    assert track.report_offset_ns == before
    assert track.ignored_reports == 4


@pytest.mark.parametrize("silence_ns", [2 * S, 30 * S])
def test_reports_of_a_track_that_sends_nothing_are_ignored(silence_ns: int) -> None:
    sender = Sender()
    times = list(sender.play(6))
    track = sender.tracks["video"]
    offset_ns, ignored = track.report_offset_ns, track.ignored_reports
    stuck = sender.rtp("video", times[-1][1])
    for passed_ns in range(2 * S, silence_ns + 1, S):
        track.on_report(NTP_BASE + 6 * S + passed_ns, stuck, 6 * S + passed_ns)
    assert track.report_offset_ns == offset_ns
    assert track.ignored_reports - ignored == silence_ns // S - 1
    list(sender.play(6, start_ns=6 * S + silence_ns, kinds=("audio",)))
    again = list(sender.play(6, start_ns=12 * S + silence_ns))
    assert misalignment_ns(again) <= 5 * MS


def test_reports_that_are_written_from_relay_time_are_averaged_out() -> None:
    """As from Janus: mostly within a few ms, some far off, at the same rate on both tracks."""
    sender = Sender(first_report_ns=10**15)
    noise = random.Random(3)
    times = []
    for second in range(20):
        times += list(sender.play(1, start_ns=second * S))
        for kind, track in sender.tracks.items():
            late_ns = int(noise.expovariate(1 / (12 * MS)))
            capture_ns = (second + 1) * S - 40 * MS
            track.on_report(NTP_BASE + capture_ns + late_ns, sender.rtp(kind, capture_ns), (second + 1) * S)
    assert_ordered(times)
    assert misalignment_ns(times) <= 15 * MS
    assert sender.clock.state().source == "reports"


def test_a_first_report_is_not_taken_for_certainty() -> None:
    sender = Sender(first_report_ns=2 * S)
    list(sender.play(2.5))
    state = sender.clock.state()
    assert state.source == "reports"
    assert state.uncertainty_ns >= 20 * MS
    list(sender.play(8, start_ns=2 * S + S // 2))
    assert sender.clock.state().uncertainty_ns <= 5 * MS


def test_the_skew_tells_by_how_much_reports_and_arrivals_disagree() -> None:
    sender = Sender(delay_ns={"audio": 130 * MS, "video": 30 * MS}, first_report_ns=3 * S)
    list(sender.play(2))
    assert sender.clock.state().skew_ns == 0
    list(sender.play(8, start_ns=2 * S))
    assert sender.clock.state().skew_ns == pytest.approx(100 * MS, abs=3 * MS)


def test_a_restart_of_the_timestamps_goes_on_where_the_clock_is() -> None:
    sender = Sender()
    times = list(sender.play(5))
    for kind, origin in (("audio", 77), ("video", 0x7654321)):
        sender.origins[kind] = origin
    again = list(sender.play(6, start_ns=8 * S))
    assert_ordered(times + again)
    assert abs((again[-1][2] - times[-1][2]) - (again[-1][1] - times[-1][1])) <= 60 * MS
    assert misalignment_ns(again) <= 15 * MS
    assert {track.restarts for track in sender.tracks.values()} == {1}


def test_frames_from_before_a_restart_keep_their_time() -> None:
    sender = Sender()
    times = list(sender.play(2, kinds=("audio",)))
    waiting = sender.rtp("audio", times[-1][1])
    sender.origins["audio"] = 0x40000000
    sender.tracks["audio"].on_packet(sender.rtp("audio", 2 * S), 2 * S + 30 * MS)
    assert sender.clock.time_ns("audio", waiting) == times[-1][2]


def test_a_pause_that_the_timestamps_leave_out_is_put_back() -> None:
    sender = Sender()
    times = list(sender.play(5))
    for kind, rate in RATES.items():
        sender.origins[kind] -= rate
    again = list(sender.play(8, start_ns=6 * S))
    assert_ordered(times + again)
    audio = [call - capture for kind, capture, call in again if kind == "audio"]
    assert abs(audio[-1] - (times[-1][2] - times[-1][1])) <= 30 * MS
    assert misalignment_ns(again) <= 5 * MS


def test_time_is_unknown_before_the_first_packet() -> None:
    clock = CallClock()
    clock.add_track("audio", TrackClock(clock_hz=48_000))
    assert clock.time_ns("audio", 5) is None
    assert clock.state().source == "single"


def test_the_codec_delay_moves_audio_only() -> None:
    shifts = []
    for delay_ns in (0, 6_500_000):
        clock = CallClock()
        video = TrackClock(clock_hz=90_000)
        audio = TrackClock(clock_hz=48_000, codec_delay_ns=delay_ns)
        clock.add_track("video", video)
        clock.add_track("audio", audio)
        video.on_packet(1000, 5 * S)
        audio.on_packet(1000, 5 * S)
        assert clock.time_ns("video", 1000) == 0
        shifts.append(clock.time_ns("audio", 1000))
    assert shifts == [0, -6_500_000]
