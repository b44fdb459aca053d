"""The real models on a generated head; skipped where the models cannot be had."""

import numpy as np
import pytest

from clients.demo.head_identity import draw_identity
from clients.demo.synthetic_head import HeadFrame, SyntheticHead
from engines.frontend.lips import lip_opening
from engines.frontend.picture import RgbPicture
from realtime.config import FaceConfig
from realtime.faces.analyzer import FaceAnalyzer
from realtime.faces.detector import FaceDetector
from realtime.faces.mesh import FaceMesh
from realtime.types import FaceReason, VideoFrame

pytest_plugins = ["tests.support.models"]

TICKS = 61


@pytest.fixture(scope="module")
def openings():
    """An irregular opening, so that no shift of it looks like itself."""
    time_s = np.arange(TICKS) / 25
    return 0.5 + 0.25 * np.sin(2 * np.pi * 2.3 * time_s) + 0.25 * np.sin(2 * np.pi * 3.7 * time_s + 1)


@pytest.fixture(scope="module")
def faces(engine_set, openings):
    head = SyntheticHead(draw_identity(3))
    analyzer = FaceAnalyzer(FaceConfig(), FaceDetector(engine_set.detector), FaceMesh(engine_set.landmarks))
    out = []
    for tick, opening in enumerate(openings):
        frame = HeadFrame(
            opening=float(opening),
            yaw=0.1 * np.sin(tick / 15),
            roll=0.08 * np.sin(tick / 11),
            shift=(np.sin(tick / 9), 0.5 * np.cos(tick / 13)),
        )
        out += analyzer.push(VideoFrame(tick=tick, image=RgbPicture(head.render(frame))))
    return out + analyzer.flush()


def test_the_head_is_one_face_on_every_tick(faces):
    assert [face.tick for face in faces] == list(range(TICKS))
    assert {face.reason for face in faces} == {None}
    assert {face.track_id for face in faces} == {0}
    with_crop = [face.tick for face in faces if face.identity_crop is not None]
    assert with_crop == list(range(0, TICKS, FaceConfig().identity_interval_ticks))


def test_the_lips_follow_the_mouth_on_the_same_tick(faces, openings):
    measured = lip_opening(np.stack([face.lips for face in faces]))

    def correlation(lag):
        inner = slice(4, TICKS - 4)
        return np.corrcoef(measured[inner], np.roll(openings, lag)[inner])[0, 1]

    by_lag = {lag: correlation(lag) for lag in range(-4, 5)}
    assert max(by_lag, key=by_lag.__getitem__) == 0
    assert by_lag[0] > 0.8


def test_a_picture_without_a_face_is_no_face(engine_set):
    analyzer = FaceAnalyzer(FaceConfig(), FaceDetector(engine_set.detector), FaceMesh(engine_set.landmarks))
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    (face,) = analyzer.push(VideoFrame(tick=0, image=RgbPicture(noise)))
    assert face.reason is FaceReason.NO_FACE


def test_the_mesh_is_sure_of_a_face_and_not_of_noise_in_one_batch(engine_set, faces):
    crop = next(face.identity_crop for face in faces if face.identity_crop is not None)
    regions = np.zeros((2, 192, 192, 3), np.uint8)
    regions[0, 40:152, 40:152] = crop
    regions[1] = np.random.default_rng(0).integers(0, 256, regions[1].shape, dtype=np.uint8)
    sure, unsure = FaceMesh(engine_set.landmarks).locate(regions).confidence
    assert sure > 0.9
    assert unsure < 0.1
