"""Whatever comes in, every tick comes out once, in order, soon, and with what belongs to it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from engines.frontend.picture import RgbPicture
from realtime.config import FaceConfig
from realtime.faces.analyzer import FaceAnalyzer
from realtime.types import FaceReason, GapReason, VideoFrame
from tests.support.faces import BrightnessMesh, ScriptedDetector, detection, picture

FACES = {
    "none": [],
    "left": [detection((8, 20, 64, 80))],
    "right": [detection((80, 16, 64, 80))],
    "both": [detection((8, 20, 64, 80)), detection((80, 10, 78, 96))],
    "turned": [detection((8, 20, 64, 80), turn=0.7)],
    "small": [detection((8, 20, 20, 26))],
    "unsure": [detection((8, 20, 64, 80), confidence=0.55)],
}
STEPS = st.tuples(
    st.integers(1, 3) | st.integers(4, 14), st.booleans() | st.just(True), st.sampled_from(sorted(FACES))
)


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(STEPS, min_size=1, max_size=50),
    start=st.integers(0, 9),
    strides=st.lists(st.integers(1, 6), min_size=50, max_size=50) | st.just([1] * 50),
    interval=st.integers(1, 6),
)
def test_every_tick_once_in_order(steps, start, strides, interval):
    ticks, tick = [], start
    for step, _, _ in steps:
        ticks.append(tick)
        tick += step
    numbers = {tick: 60 + index * 2 for index, tick in enumerate(ticks)}
    shows = {numbers[tick]: FACES[faces] for tick, (_, _, faces) in zip(ticks, steps, strict=True)}
    config = FaceConfig(detection_interval_ticks=interval, identity_interval_ticks=2 * interval)
    mesh = BrightnessMesh()
    analyzer = FaceAnalyzer(config, ScriptedDetector(lambda number: shows[number]), mesh)

    out, pushed = [], []
    for tick, (_, has_picture, _), stride in zip(ticks, steps, strides, strict=False):
        analyzer.set_stride(stride)
        image = RgbPicture(picture(numbers[tick])) if has_picture else None
        gap = None if has_picture else GapReason.LOSS
        out += analyzer.push(VideoFrame(tick=tick, image=image, gap=gap, arrival_ns=tick))
        pushed.append(tick)
        assert [face.tick for face in out] == pushed[: len(out)]
        assert all(held // interval == tick // interval and held % interval for held in pushed[len(out) :])
    out += analyzer.flush()

    assert [face.tick for face in out] == ticks
    for face, (_, has_picture, _) in zip(out, steps, strict=True):
        assert (face.lips is None) == (face.reason is not None)
        assert (face.track_id is None) == (face.box is None)
        assert (face.reason is FaceReason.NO_PICTURE) == (not has_picture)
        assert face.arrival_ns == face.tick
        if face.identity_crop is not None:
            assert face.reason is None
            assert face.tick % (2 * interval) == 0
        if set(strides) == {1} and face.lips is not None:
            assert abs(float(face.lips[:, 1].mean()) - numbers[face.tick]) < 1.5
    assert max(mesh.batches, default=0) <= interval
