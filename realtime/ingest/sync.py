"""RTP timestamps of two tracks onto one timeline of the call.

Each track counts its own clock from its own random origin. A sender report (RFC 3550, section 6.4.1) pairs
such a timestamp with the sender's wall clock, which both tracks share. Until reports have come, the earliest
arrivals stand in for them: they carry the network's delay, which is nearly the same for both tracks. Reports
that contradict the arrivals by seconds are not believed.

The audio track is the ruler: its samples are counted, so its place on the timeline is fixed once and stays.
Only the pictures are moved, smoothly, to where the sender's clock says they belong beside the audio.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import median
from typing import Literal

from realtime.timebase import NS_PER_MS, NS_PER_S
from realtime.types import TrackKind

WINDOW_NS = 10 * NS_PER_S
RESTART_NS = 2 * NS_PER_S
REMAP_NS = 200 * NS_PER_MS
MAX_REPORT_AGE_NS = 10 * NS_PER_S
MAX_SILENCE_NS = NS_PER_S
MAX_REPORTS = 64
MAX_DRIFT_DIVISOR = 100
MAX_PLAUSIBLE_SKEW_NS = 2 * NS_PER_S
SLEW_DIVISOR = 20
STEP_NS = 500 * NS_PER_MS
ARRIVAL_UNCERTAINTY_NS = 20 * NS_PER_MS
FEW_REPORTS = 3
FEW_REPORTS_UNCERTAINTY_NS = 10 * NS_PER_MS

_WRAP = 1 << 32


def ntp_to_ns(ntp: int) -> int:
    """Convert a 64-bit NTP timestamp (32.32 fixed point) to nanoseconds."""
    return (ntp * NS_PER_S) >> 32


def rtp_distance(rtp: int, origin: int) -> int:
    """Return the signed number of ticks from one 32-bit RTP timestamp to another, the short way round."""
    return (rtp - origin + _WRAP // 2) % _WRAP - _WRAP // 2


@dataclass(slots=True)
class _Segment:
    """A stretch of RTP timestamps that advance together with the track's media time."""

    first_rtp: int
    newest_rtp: int
    newest_media_ns: int
    clock_hz: int

    def media_ns(self, rtp: int) -> int:
        return self.newest_media_ns + rtp_distance(rtp, self.newest_rtp) * NS_PER_S // self.clock_hz

    def holds(self, rtp: int) -> bool:
        slack = RESTART_NS * self.clock_hz // NS_PER_S
        after_first = rtp_distance(rtp, self.first_rtp)
        before_newest = rtp_distance(self.newest_rtp, rtp)
        return before_newest >= -slack and (after_first >= -slack or before_newest <= slack)


class TrackClock:
    """One track: RTP timestamps to its media time, and where the sender's clock puts that.

    Media time starts at 0 with the first packet and survives wraps, reordering and restarts. A restart (a
    jump of the timestamps that the arrivals do not share) continues it by the time that passed. Whatever is
    sent, media time runs at most 1 % and ``RESTART_NS`` ahead of the arrivals.

    Args:
        clock_hz: RTP clock rate.
        codec_delay_ns: Delay of the codec that the sender does not account for.
    """

    def __init__(self, *, clock_hz: int, codec_delay_ns: int = 0) -> None:
        self._clock_hz = clock_hz
        self._codec_delay_ns = codec_delay_ns
        self._segment: _Segment | None = None
        self._previous: _Segment | None = None
        self._first_arrival_ns = 0
        self._newest_arrival_ns = 0
        self._arrivals: deque[tuple[int, int]] = deque()
        self._reports: deque[tuple[int, int]] = deque(maxlen=MAX_REPORTS)
        self._last_report: tuple[int, int] | None = None
        self._report_offset_ns: int | None = None
        self._remap_candidate_ns: int | None = None
        self.restarts = 0
        self.ignored_reports = 0

    def media_ns(self, rtp: int) -> int | None:
        """Return the media time of a timestamp, None for one that no recent packet had."""
        for segment in (self._segment, self._previous):
            if segment is not None and segment.holds(rtp):
                return segment.media_ns(rtp) - self._codec_delay_ns
        return None

    def span_ns(self, first_rtp: int, last_rtp: int) -> int:
        """Return the media time from one timestamp to another of the same segment."""
        return rtp_distance(last_rtp, first_rtp) * NS_PER_S // self._clock_hz

    def on_packet(self, rtp: int, arrival_ns: int) -> None:
        """Take note of an arriving packet."""
        if self._segment is None:
            self._segment = _Segment(rtp, rtp, 0, self._clock_hz)
            self._first_arrival_ns = self._newest_arrival_ns = arrival_ns
        segment = self._segment
        step_ns = rtp_distance(rtp, segment.newest_rtp) * NS_PER_S // self._clock_hz
        passed_ns = arrival_ns - self._newest_arrival_ns
        too_far = step_ns > passed_ns + RESTART_NS or segment.media_ns(rtp) > self._latest_ns(arrival_ns)
        if too_far or step_ns < -RESTART_NS:
            if self._previous is not None and self._previous.holds(rtp):
                return
            self._restart(rtp, segment.newest_media_ns + max(0, passed_ns))
        elif step_ns > 0:
            segment.newest_media_ns = segment.media_ns(rtp)
            segment.newest_rtp = rtp
        if step_ns >= 0 or self._segment is not segment:
            self._newest_arrival_ns = arrival_ns
        self._note_arrival(arrival_ns, arrival_ns - self._segment.media_ns(rtp))

    def on_report(self, ntp_ns: int, rtp: int, arrival_ns: int) -> None:
        """Take note of a sender report; repeated, empty and far-off ones are ignored and counted.

        So are those that come while no media does: there is nothing that they could rest on.
        """
        segment = self._segment
        if segment is None or ntp_ns == 0 or (ntp_ns, rtp) == self._last_report:
            self.ignored_reports += 1
            return
        if arrival_ns - self._newest_arrival_ns > MAX_SILENCE_NS:
            self.ignored_reports += 1
            return
        off_ns = abs(rtp_distance(rtp, segment.newest_rtp)) * NS_PER_S // self._clock_hz
        if off_ns > MAX_REPORT_AGE_NS:
            self.ignored_reports += 1
            return
        self._last_report = (ntp_ns, rtp)
        offset_ns = ntp_ns - segment.media_ns(rtp)
        usual_ns = self.report_offset_ns
        if usual_ns is not None and abs(offset_ns - usual_ns) > REMAP_NS:
            candidate, self._remap_candidate_ns = self._remap_candidate_ns, offset_ns
            if candidate is None or abs(offset_ns - candidate) > REMAP_NS:
                self.ignored_reports += 1
                return
            self._remap(segment, offset_ns - usual_ns, arrival_ns)
            offset_ns = ntp_ns - segment.media_ns(rtp)
        self._remap_candidate_ns = None
        while self._reports and self._reports[0][0] < arrival_ns - WINDOW_NS:
            self._reports.popleft()
        self._reports.append((arrival_ns, offset_ns))
        self._report_offset_ns = int(median(offset for _, offset in self._reports))

    @property
    def arrival_offset_ns(self) -> int | None:
        """Smallest recent difference between arrival and media time; None before the first packet."""
        if not self._arrivals:
            return None
        return min(offset for _, offset in self._arrivals)

    @property
    def report_offset_ns(self) -> int | None:
        """Median recent difference between the sender's clock and media time; None without a report."""
        return self._report_offset_ns

    @property
    def report_spread_ns(self) -> int:
        """Median absolute deviation of the recent reports; an assumption while there are only a few."""
        middle = self.report_offset_ns
        if middle is None:
            return 0
        if len(self._reports) < FEW_REPORTS:
            return FEW_REPORTS_UNCERTAINTY_NS
        return int(median(abs(offset - middle) for _, offset in self._reports))

    def _restart(self, rtp: int, media_ns: int) -> None:
        self._previous = self._segment
        self._segment = _Segment(rtp, rtp, media_ns, self._clock_hz)
        self._forget_reports()
        self._remap_candidate_ns = None
        self.restarts += 1

    def _latest_ns(self, arrival_ns: int) -> int:
        passed_ns = arrival_ns - self._first_arrival_ns
        return passed_ns + passed_ns // MAX_DRIFT_DIVISOR + RESTART_NS

    def _remap(self, segment: _Segment, change_ns: int, arrival_ns: int) -> None:
        """Follow a sender whose mapping changed: a pause that its timestamps left out moves media time on."""
        self._forget_reports()
        if change_ns > 0:
            moved_ns = segment.newest_media_ns + change_ns
            segment.newest_media_ns = min(moved_ns, self._latest_ns(arrival_ns))

    def _forget_reports(self) -> None:
        self._reports.clear()
        self._report_offset_ns = None

    def _note_arrival(self, arrival_ns: int, offset_ns: int) -> None:
        """Keep the smallest offset of every second of the window."""
        second = arrival_ns // NS_PER_S
        while self._arrivals and self._arrivals[0][0] < second - WINDOW_NS // NS_PER_S:
            self._arrivals.popleft()
        if self._arrivals and self._arrivals[-1][0] >= second:
            offset_ns = min(offset_ns, self._arrivals.pop()[1])
        self._arrivals.append((second, offset_ns))


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncState:
    """How well the two tracks are aligned.

    Attributes:
        source: What the alignment rests on; "single" while there is only one track.
        uncertainty_ns: What may be left of a misalignment: spread of the evidence plus what is still to slew.
        skew_ns: By how much the sender's clock moves the pictures against the arrival-time estimate; 0
            without reports.
    """

    source: Literal["single", "arrival", "reports"]
    uncertainty_ns: int
    skew_ns: int = 0


class CallClock:
    """Both tracks of a participant on one timeline that starts at 0 with the first media asked for.

    Times of one track never go backwards. Audio times are exact relative to each other. Picture times follow
    their target with a slew of at most 5 %; more than 500 ms forward is a step, more than 500 ms backward
    holds them still.
    """

    def __init__(self) -> None:
        self._tracks: dict[TrackKind, TrackClock] = {}
        self._offset_ns: dict[TrackKind, int] = {}
        self._newest: dict[TrackKind, tuple[int, int]] = {}

    def add_track(self, kind: TrackKind, track: TrackClock) -> None:
        """Register a track before its first packet."""
        self._tracks[kind] = track

    def time_ns(self, kind: TrackKind, rtp: int) -> int | None:
        """Return the call time of a frame; None if no packet of its track was seen."""
        media_ns = self._tracks[kind].media_ns(rtp)
        if media_ns is None:
            return None
        if kind not in self._offset_ns:
            self._offset_ns[kind] = self._first_offset_ns(kind, media_ns)
        elif kind == "video" and "audio" in self._offset_ns:
            self._follow_audio(media_ns)
        time_ns = media_ns + self._offset_ns[kind]
        if kind in self._newest:
            newest_media_ns, newest_ns = self._newest[kind]
            time_ns = max(time_ns, newest_ns)
            media_ns = max(media_ns, newest_media_ns)
        self._newest[kind] = (media_ns, time_ns)
        return time_ns

    def span_ns(self, kind: TrackKind, first_rtp: int, last_rtp: int) -> int:
        """Return the media time from one timestamp of a track to another."""
        return self._tracks[kind].span_ns(first_rtp, last_rtp)

    def state(self) -> SyncState:
        """Return how well the tracks are aligned."""
        if len(self._offset_ns) < 2:
            return SyncState(source="single", uncertainty_ns=0)
        left_ns = abs(self._video_target_ns() - self._offset_ns["video"])
        spread_ns = sum(track.report_spread_ns for track in self._tracks.values())
        reported_ns = self._reported_skew_ns()
        if reported_ns is None:
            return SyncState(source="arrival", uncertainty_ns=ARRIVAL_UNCERTAINTY_NS + left_ns)
        return SyncState(
            source="reports",
            uncertainty_ns=spread_ns + left_ns,
            skew_ns=reported_ns - self._arrival_skew_ns(),
        )

    def _first_offset_ns(self, kind: TrackKind, media_ns: int) -> int:
        if not self._offset_ns:
            return -media_ns
        if kind == "video":
            return self._video_target_ns()
        return self._offset_ns["video"] - self._skew_ns()

    def _follow_audio(self, media_ns: int) -> None:
        error_ns = self._video_target_ns() - self._offset_ns["video"]
        if abs(error_ns) <= STEP_NS:
            budget_ns = max(0, media_ns - self._newest["video"][0]) // SLEW_DIVISOR
            error_ns = max(-budget_ns, min(budget_ns, error_ns))
        self._offset_ns["video"] += error_ns

    def _video_target_ns(self) -> int:
        return self._offset_ns["audio"] + self._skew_ns()

    def _skew_ns(self) -> int:
        """Return by how much the offset of the video track exceeds that of the audio track."""
        reported_ns = self._reported_skew_ns()
        return self._arrival_skew_ns() if reported_ns is None else reported_ns

    def _arrival_skew_ns(self) -> int:
        video_ns = self._tracks["video"].arrival_offset_ns
        audio_ns = self._tracks["audio"].arrival_offset_ns
        return 0 if video_ns is None or audio_ns is None else video_ns - audio_ns

    def _reported_skew_ns(self) -> int | None:
        video_ns = self._tracks["video"].report_offset_ns
        audio_ns = self._tracks["audio"].report_offset_ns
        if video_ns is None or audio_ns is None:
            return None
        skew_ns = video_ns - audio_ns
        if abs(skew_ns - self._arrival_skew_ns()) > MAX_PLAUSIBLE_SKEW_NS:
            return None
        return skew_ns
