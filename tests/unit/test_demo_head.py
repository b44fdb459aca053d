"""The synthetic head looks like a face to the models, and its mouth does what it is told."""

import itertools

import numpy as np
import pytest

from clients.demo.cast import CALLER_FACE, GENUINE_FACE, INTRUDER_FACE
from clients.demo.head_identity import draw_identity
from clients.demo.performance import perform
from clients.demo.synthetic_head import HeadFrame, SyntheticHead
from clients.demo.utterance import draw_utterance
from engines.frontend.alignment import align_face, mesh_roi, similarity_transform
from engines.frontend.lips import lip_opening, normalise_lips
from engines.frontend.picture import RgbPicture
from engines.loader import EngineSet
from realtime.encoders.identity import PooledIdentityEncoder
from realtime.faces.detector import FaceDetector
from realtime.faces.mesh import FaceMesh
from realtime.types import Float32, UInt8

FACES = (GENUINE_FACE, CALLER_FACE, INTRUDER_FACE)
POSES = (
    HeadFrame(),
    HeadFrame(opening=0.8, yaw=0.15, pitch=0.05, lamp=0.8),
    HeadFrame(opening=0.4, yaw=-0.15, roll=0.08, exposure=0.85),
    HeadFrame(opening=0.6, roundness=0.8, pitch=-0.08, shift=(1.0, 0.4), lamp=0.0),
    HeadFrame(lids=1.0, yaw=0.08, roundness=-0.8, exposure=1.15),
)


@pytest.fixture(scope="module")
def heads() -> list[SyntheticHead]:
    return [SyntheticHead(face) for face in FACES]


def points_of(engine_set: EngineSet, image: UInt8) -> Float32:
    found = FaceDetector(engine_set.detector).detect(RgbPicture(image))
    assert found
    assert found[0].confidence >= 0.8
    return found[0].points


def test_a_seed_always_gives_the_same_picture() -> None:
    frame = HeadFrame(opening=0.5, yaw=0.1, lids=0.5)
    first = SyntheticHead(draw_identity(7), size=(320, 240)).render(frame)
    again = SyntheticHead(draw_identity(7), size=(320, 240)).render(frame)
    other = SyntheticHead(draw_identity(8), size=(320, 240)).render(frame)
    assert first.shape == (240, 320, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert np.abs(first.astype(int) - other).mean() > 5


def test_rendering_one_frame_leaves_no_trace_in_the_next(heads: list[SyntheticHead]) -> None:
    closed = heads[0].render(HeadFrame())
    heads[0].render(HeadFrame(opening=1.0, lids=1.0, yaw=0.2))
    np.testing.assert_array_equal(heads[0].render(HeadFrame()), closed)


def test_every_picture_carries_the_caption(heads: list[SyntheticHead]) -> None:
    corner = (slice(450, 478), slice(5, 110))
    for head in heads:
        picture = head.render(HeadFrame(exposure=0.8))[corner]
        bright, dark = picture.min(axis=2) > 180, picture.max(axis=2) < 50
        assert bright.sum() > 100
        assert dark.sum() > 500


def test_the_detector_finds_one_identity_in_all_poses_and_tells_three_apart(
    heads: list[SyntheticHead], engine_set: EngineSet
) -> None:
    encoder = PooledIdentityEncoder(engine_set.identity, 128)
    embeddings = []
    for head in heads:
        images = [head.render(pose) for pose in POSES]
        crops = np.stack([align_face(image, points_of(engine_set, image)) for image in images])
        embeddings.append(encoder.embed(crops))
    for own in embeddings:
        assert (own @ own.T).min() >= 0.6
    for one, other in itertools.combinations(embeddings, 2):
        assert np.median(one @ other.T) <= 0.35
        assert (one @ other.T).max() < 0.5


@pytest.mark.parametrize("index", range(len(FACES)))
def test_landmarks_follow_the_mouth(heads: list[SyntheticHead], engine_set: EngineSet, index: int) -> None:
    performance = perform(draw_utterance(8.0, seed=5), seed=3)[10:130]
    mesh = FaceMesh(engine_set.landmarks)
    rois = []
    for frame in performance:
        image = heads[index].render(frame)
        rois.append(mesh_roi(image, similarity_transform(points_of(engine_set, image))))
    result = mesh.locate(np.stack(rois))
    gaps = lip_opening(normalise_lips(result.landmarks))
    driven = [frame.opening for frame in performance]
    assert np.corrcoef(gaps, driven)[0, 1] > 0.8
    assert result.confidence.min() > 0.9
