"""Connections one after the other: one timeline without hole or overlap, whatever each of them brings."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from realtime.ingest.continuation import Continuation
from realtime.ingest.sink import EndReason, PendingPicture, TrackState
from realtime.timebase import NS_PER_MS, TICK_NS, sample_time_ns
from realtime.types import AudioFrame, GapReason, MediaGap, TimeSpan, TrackKind


@dataclass
class Recorder:
    """Remembers what a sink is told, as spans per track."""

    spans: dict[TrackKind, list[tuple[int, int, str]]] = field(
        default_factory=lambda: {"audio": [], "video": []}
    )
    states: list[tuple[TrackKind, TrackState]] = field(default_factory=list)
    ends: list[EndReason] = field(default_factory=list)

    def on_audio(self, frame: AudioFrame) -> None:
        end_ns = frame.start_ns + sample_time_ns(len(frame.samples))
        self.spans["audio"].append((frame.start_ns, end_ns, "media"))

    def on_picture(self, picture: PendingPicture) -> None:
        self.spans["video"].append((picture.tick * TICK_NS, (picture.tick + 1) * TICK_NS, "media"))

    def on_gap(self, gap: MediaGap) -> None:
        self.spans[gap.track].append((gap.span.start_ns, gap.span.end_ns, str(gap.reason)))

    def on_track(self, kind: TrackKind, state: TrackState) -> None:
        self.states.append((kind, state))

    def on_end(self, reason: EndReason) -> None:
        self.ends.append(reason)


class Clock:
    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


connections = st.lists(
    st.tuples(
        st.integers(0, 90_000),  # ms before its first media
        st.lists(
            st.tuples(st.sampled_from(["audio", "video", "audio_gap", "video_gap"]), st.integers(1, 30))
        ),
    ),
    min_size=1,
    max_size=5,
)


@given(connections)
def test_the_tracks_stay_whole_over_every_change_of_connection(plan: list) -> None:
    clock, recorder = Clock(), Recorder()
    continuation = Continuation(recorder, clock_ns=clock)
    ends = []
    for wait_ms, items in plan:
        sink = continuation.connection()
        clock.now_ns += wait_ms * NS_PER_MS
        covered = {"audio": 0, "video": 0}
        for what, ticks in items:
            kind = "audio" if what.startswith("audio") else "video"
            start, end = covered[kind], covered[kind] + ticks
            covered[kind] = end
            if what == "audio":
                sink.on_audio(AudioFrame(start_ns=start * TICK_NS, samples=np.zeros(ticks * 640, np.float32)))
            elif what == "video":
                for tick in range(start, end):
                    sink.on_picture(PendingPicture(tick=tick, arrival_ns=None, convert=lambda: None))
            else:
                span = TimeSpan(start_ns=start * TICK_NS, end_ns=end * TICK_NS)
                sink.on_gap(MediaGap(track=kind, span=span, reason=GapReason.MUTED))
        clock.now_ns += 1_000 * NS_PER_MS
        sink.on_end(EndReason.PEER_LEFT)
        ends.append((clock.now_ns, bool(items)))
    for spans in recorder.spans.values():
        assert all(before[1] == after[0] for before, after in pairwise(spans))
        assert not spans or spans[0][0] == 0
    assert recorder.ends == [EndReason.PEER_LEFT] * len(plan)
    media = sum(1 for spans in recorder.spans.values() for *_, what in spans if what == "media")
    sent = sum(
        ticks if what == "video" else 1 for _, items in plan for what, ticks in items if "_" not in what
    )
    assert media == sent


def test_a_later_connection_starts_after_the_time_that_passed() -> None:
    clock, recorder = Clock(), Recorder()
    continuation = Continuation(recorder, clock_ns=clock)
    first = continuation.connection()
    first.on_picture(PendingPicture(tick=0, arrival_ns=None, convert=lambda: None))
    first.on_end(EndReason.PEER_LEFT)
    clock.now_ns = 10_001 * NS_PER_MS
    second = continuation.connection()
    second.on_picture(PendingPicture(tick=0, arrival_ns=None, convert=lambda: None))
    tick = 252  # one tick of media, 10.001 s of absence, rounded up to whole ticks
    assert recorder.spans["video"] == [
        (0, TICK_NS, "media"),
        (TICK_NS, tick * TICK_NS, "ended"),
        (tick * TICK_NS, (tick + 1) * TICK_NS, "media"),
    ]
    assert recorder.spans["audio"] == [(0, tick * TICK_NS, "ended")]


def test_what_a_replaced_connection_still_says_is_not_handed_on() -> None:
    clock, recorder = Clock(), Recorder()
    continuation = Continuation(recorder, clock_ns=clock)
    stale = continuation.connection()
    continuation.connection()
    stale.on_picture(PendingPicture(tick=0, arrival_ns=None, convert=lambda: None))
    stale.on_track("video", TrackState.LIVE)
    stale.on_end(EndReason.PEER_LEFT)
    assert recorder.spans == {"audio": [], "video": []}
    assert not recorder.states
    assert not recorder.ends
