import numpy as np
import pytest

from engines.frontend.detector import STRIDES
from engines.frontend.picture import RgbPicture
from realtime.faces.detector import FaceDetector
from realtime.faces.mesh import FaceMesh


class FakeEngine:
    def __init__(self, answer):
        self._answer = answer
        self.inputs = {}

    def run(self, inputs):
        self.inputs = inputs
        return self._answer(inputs)

    def close(self):
        pass


def one_face(inputs):
    height, width = inputs["image"].shape[2:]
    outputs = {
        f"{name}_{stride}": np.zeros((1, height // stride * (width // stride), columns), np.float32)
        for name, columns in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))
        for stride in STRIDES
    }
    outputs["cls_32"][0, 12] = outputs["obj_32"][0, 12] = 0.8
    return outputs


def test_detections_are_in_px_of_the_picture():
    engine = FakeEngine(one_face)
    (found,) = FaceDetector(engine).detect(RgbPicture(np.full((512, 640, 3), 9, np.uint8)))
    assert engine.inputs["image"].shape == (1, 3, 256, 320)
    assert found.box == pytest.approx([96, 32, 64, 64])
    assert found.points == pytest.approx(np.tile([128, 64], (5, 1)))
    assert found.confidence == pytest.approx(0.8)
    half = found.scaled(0.5)
    assert half.box == pytest.approx([48, 16, 32, 32])
    assert half.points == pytest.approx(np.tile([64, 32], (5, 1)))


def test_regions_become_fractions_and_logits_probabilities():
    landmarks = np.random.default_rng(0).uniform(0, 192, (4, 468, 3)).astype(np.float32)
    logits = np.array([0, -1000, 1000, np.log(3)], np.float32)
    engine = FakeEngine(lambda inputs: {"landmarks": landmarks, "confidence": logits})
    regions = np.zeros((4, 192, 192, 3), np.uint8)
    regions[1] = 255
    result = FaceMesh(engine).locate(regions)
    faces = engine.inputs["faces"]
    assert (faces.dtype, faces.shape) == (np.float32, (4, 192, 192, 3))
    assert faces[0].max() == 0
    assert faces[1].min() == pytest.approx(1)
    assert np.array_equal(result.landmarks, landmarks)
    assert result.confidence == pytest.approx([0.5, 0, 1, 0.75])
