"""Nobody looks for lips where nobody speaks; where somebody does, they are those of an eager search."""

import numpy as np
import pytest

from realtime.config import FaceConfig, WindowConfig
from realtime.faces.analyzer import FaceAnalyzer
from realtime.faces.lips import LipFinder
from realtime.types import FaceReason
from realtime.windows.cutter import WindowCutter
from tests.support.faces import BrightnessMesh, ScriptedDetector, detection, frames

CONFIG = FaceConfig(identity_interval_ticks=10, mouth_crops=True)
WINDOWS = WindowConfig(length_ticks=10, hop_ticks=4, band_ticks=3)


def unsure_at(*numbers):
    return BrightnessMesh(lambda value: 0.1 if round(value) in numbers else 0.9)


def analysed(mesh, *, on_demand, stride=1, ticks=41):
    detector = ScriptedDetector(lambda number: [detection()])
    analyzer = FaceAnalyzer(CONFIG, detector, mesh, lips_on_demand=on_demand)
    analyzer.set_stride(stride)
    return [face for frame in frames(range(ticks)) for face in analyzer.push(frame)]


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_lips_found_later_are_those_found_at_once(stride):
    mesh = unsure_at(58, 63, 64, 70)
    at_once = analysed(mesh, on_demand=False, stride=stride)
    awaited = analysed(mesh, on_demand=True, stride=stride)
    later = LipFinder(CONFIG, mesh).look_and_bridge(awaited)
    assert [face.reason for face in later] == [face.reason for face in at_once]
    for one, other in zip(at_once, later, strict=True):
        assert not other.awaits_lips
        assert (one.lips is None) == (other.lips is None)
        assert one.lips is None or np.array_equal(one.lips, other.lips)
        assert (one.mouth is None) == (other.mouth is None)
        assert (one.identity_crop is None) == (other.identity_crop is None)


def test_only_faces_for_identity_cost_landmarks_before_lips_are_wanted():
    mesh = unsure_at(70)
    faces = analysed(mesh, on_demand=True)
    assert mesh.batches == [1] * 5
    assert [face.tick for face in faces if face.lips is not None] == [0, 10, 30, 40]
    assert [face.tick for face in faces if face.identity_crop is not None] == [0, 10, 30, 40]
    assert faces[20].reason is FaceReason.LANDMARKS_UNSURE
    assert all(face.region.pixels().shape == (192, 192, 3) for face in faces if face.awaits_lips)


def test_landmarks_run_in_batches_that_engines_are_built_for():
    mesh = BrightnessMesh()
    awaited = analysed(mesh, on_demand=True)
    mesh.batches.clear()
    LipFinder(CONFIG, mesh).look(awaited)
    assert sum(mesh.batches) == sum(face.region is not None for face in awaited)
    assert max(mesh.batches) == CONFIG.detection_interval_ticks


def test_a_window_takes_lips_for_granted_until_it_is_cut_again():
    awaited = analysed(BrightnessMesh(), on_demand=True)
    cutter = WindowCutter(WINDOWS, 4, 64)
    for face in awaited:
        cutter.push_face(face)
    window = next(cutter.flush())
    assert window.lips_present.all()
    assert cutter.recut(window).lips_present.tolist() == [tick == 0 for tick in range(10)]
    cutter.replace_faces(LipFinder(CONFIG, BrightnessMesh()).look_and_bridge(cutter.faces(0, 10)))
    again = cutter.recut(window)
    assert again.lips_present.all()
    assert again.mouth_present.all()
    assert np.abs(again.lips).sum(axis=(1, 2)).all()


def test_regions_are_kept_no_longer_than_windows_want_them():
    cutter = WindowCutter(WINDOWS, 4, 64)
    for face in analysed(BrightnessMesh(), on_demand=True):
        cutter.push_face(face)
    for _ in cutter.flush():
        held = [face.tick for face in cutter.faces(0) if face.region is not None]
        assert min(held, default=cutter.open_from_tick) >= cutter.open_from_tick
    assert cutter.open_from_tick > 30
    held = [face.tick for face in cutter.faces(0) if face.region is not None]
    assert min(held, default=cutter.open_from_tick) >= cutter.open_from_tick
