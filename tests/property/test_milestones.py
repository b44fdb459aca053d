from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from realtime.config import FaceConfig, MonitorConfig, WindowConfig
from realtime.milestones import Milestones
from realtime.timebase import SAMPLES_PER_TICK

windows = st.builds(
    WindowConfig, length_ticks=st.integers(1, 60), hop_ticks=st.integers(1, 30), band_ticks=st.integers(0, 12)
)


@given(windows, st.lists(st.integers(1, 5000), min_size=1, max_size=60))
def test_the_block_that_completes_what_a_window_hears_is_a_milestone(
    config: WindowConfig, lengths: list[int]
) -> None:
    milestones = Milestones.of(MonitorConfig(windows=config))
    heard = config.length_ticks + config.band_ticks
    start = 0
    for length in lengths:
        end = start + length
        ends = range(heard, end // SAMPLES_PER_TICK + 1, config.hop_ticks)
        completed = any(start < tick * SAMPLES_PER_TICK <= end for tick in ends)
        assert milestones.met_by_audio(start, end) == completed
        start = end


@given(st.integers(1, 12), st.integers(0, 1000))
def test_pictures_on_which_the_detector_runs_are_milestones(interval: int, tick: int) -> None:
    faces = FaceConfig(detection_interval_ticks=interval, identity_interval_ticks=interval)
    milestones = Milestones.of(MonitorConfig(faces=faces))
    assert milestones.met_by_picture(tick) == (tick % interval == 0)
