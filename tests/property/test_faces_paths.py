"""Smoothed paths against an oracle with unlimited memory, and the bridging of overload."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.faces.interpolation import SmoothPath, bridge_overload
from realtime.types import FaceFrame, FaceReason


def naive(ticks, values, tick, smoothing_ticks):
    half = smoothing_ticks // 2
    window = range(tick - half, min(tick + half, max(ticks[-1], tick)) + 1)
    return np.mean([np.interp(around, ticks, values) for around in window])


@given(
    gaps=st.lists(st.integers(1, 9), min_size=1, max_size=40),
    values=st.lists(st.floats(-1e3, 1e3), min_size=41, max_size=41),
    smoothing_ticks=st.sampled_from([1, 3, 7]),
    beyond=st.integers(0, 4),
)
def test_blocks_give_what_the_whole_history_gives_in_bounded_memory(gaps, values, smoothing_ticks, beyond):
    path = SmoothPath(smoothing_ticks)
    ticks, tick, done = [], 3, 0
    for gap, value in zip(gaps, values, strict=False):
        tick += gap
        ticks.append(tick)
        path.observe(tick, [[value, -value]])
        asked = list(range(done + 1, tick + beyond + 1))
        if asked:
            done = asked[-1]
            got = path.at(asked)
            wanted = [naive(ticks, values[: len(ticks)], at, smoothing_ticks) for at in asked]
            assert got[:, 0, 0] == pytest.approx(wanted, abs=1e-6)
            assert got[:, 0, 1] == pytest.approx(-np.array(wanted), abs=1e-6)
        assert len(path) <= smoothing_ticks + beyond + 1


def test_observations_must_increase():
    path = SmoothPath()
    path.observe(5, [0])
    with pytest.raises(ValueError, match="tick 5"):
        path.observe(5, [0])


STATES = st.sampled_from(["usable", "left out", "no face", "other track"])


@given(states=st.lists(STATES, max_size=30), split=st.integers(0, 30))
def test_left_out_ticks_are_bridged_between_usable_neighbours_of_one_track(states, split):
    def frame(tick, state):
        if state in ("left out", "no face"):
            return FaceFrame(
                tick=tick, reason=FaceReason.OVERLOAD if state == "left out" else FaceReason.NO_FACE
            )
        track = 0 if state == "usable" else 1
        return FaceFrame(tick=tick, reason=None, track_id=track, lips=np.full((40, 2), tick, np.float32))

    frames = [frame(tick, state) for tick, state in enumerate(states)]
    bridged = bridge_overload(None, frames)
    assert [face.tick for face in bridged] == list(range(len(frames)))
    for index, (before, after) in enumerate(zip(frames, bridged, strict=True)):
        if before.reason is not FaceReason.OVERLOAD:
            assert after is before
            continue
        left = next((face for face in frames[index::-1] if face.reason is not FaceReason.OVERLOAD), None)
        right = next((face for face in frames[index:] if face.reason is not FaceReason.OVERLOAD), None)
        usable = left is not None and right is not None and left.reason is None and right.reason is None
        if usable and left.track_id == right.track_id:
            assert after.reason is None
            assert after.track_id == left.track_id
            assert np.allclose(after.lips, after.tick, atol=1e-4)
        else:
            assert after is before

    head = bridge_overload(None, frames[:split])
    if head and head[-1].reason is not FaceReason.OVERLOAD:
        tail = bridge_overload(head[-1], frames[split:])
        assert [face.reason for face in head + tail] == [face.reason for face in bridged]
