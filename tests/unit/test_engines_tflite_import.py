import numpy as np
import onnx
import pytest
import tflite
from hypothesis import given
from hypothesis import strategies as st

from engines import tflite_import
from engines.errors import EngineError

pytest_plugins = ["tests.support.models"]

# Computed with OpenVINO 2026.4, which reads the .tflite file itself: landmark index to (x, y, depth).
GOLDEN_LANDMARKS = [
    {
        0: (113.679, 114.4985, -9.3997),
        61: (87.7528, 119.7786, 4.2447),
        133: (94.7064, 68.9869, 0.0308),
        263: (144.7423, 67.9279, 7.369),
        467: (146.1264, 64.2855, 5.6631),
    },
    {
        0: (98.3117, 136.1066, -10.0828),
        61: (72.6735, 139.91, 3.9267),
        133: (89.04, 86.4768, 1.1843),
        263: (140.6879, 87.3747, 6.5788),
        467: (142.5846, 83.8252, 4.7322),
    },
]
GOLDEN_CONFIDENCE = [-9.769556, -9.872534]


def mosaic():
    """Return two pictures of 12 x 12 flat cells, float32, shape (2, 192, 192, 3)."""
    cells = np.random.default_rng(20).random((2, 12, 12, 3), dtype=np.float32)
    return cells.repeat(16, axis=1).repeat(16, axis=2)


def test_landmarks_equal_those_of_an_independent_implementation(engine_set):
    outputs = engine_set.landmarks.run({"faces": mosaic()})
    for landmarks, expected in zip(outputs["landmarks"], GOLDEN_LANDMARKS, strict=True):
        np.testing.assert_allclose(landmarks[list(expected)], list(expected.values()), atol=1e-3)
    np.testing.assert_allclose(outputs["confidence"], GOLDEN_CONFIDENCE, atol=1e-4)


def test_a_batch_gives_what_its_faces_give_alone(engine_set):
    faces = mosaic()
    batch = engine_set.landmarks.run({"faces": faces})
    for index in range(len(faces)):
        alone = engine_set.landmarks.run({"faces": faces[index : index + 1]})
        np.testing.assert_allclose(batch["landmarks"][index], alone["landmarks"][0], atol=1e-3)
        np.testing.assert_allclose(batch["confidence"][index], alone["confidence"][0], atol=1e-4)


def test_converted_graph_is_valid_onnx(model_store):
    data = model_store.path("facemesh-468").read_bytes()
    onnx.checker.check_model(tflite_import.convert(data), full_check=True)


def test_an_unknown_operator_is_refused_by_name(model_store):
    data = bytearray(model_store.path("facemesh-468").read_bytes())
    model = tflite.Model.GetRootAsModel(data, 0)
    codes = [model.OperatorCodes(index) for index in range(model.OperatorCodesLength())]
    prelu = next(code for code in codes if code.DeprecatedBuiltinCode() == tflite.BuiltinOperator.PRELU)
    position = prelu._tab.Pos + prelu._tab.Offset(4)
    data[position] = tflite.BuiltinOperator.HARD_SWISH
    with pytest.raises(EngineError, match="HARD_SWISH"):
        tflite_import.convert(bytes(data))


@pytest.mark.parametrize("data", [b"", b"<html>not found</html>"])
def test_other_files_are_refused(data):
    with pytest.raises(EngineError, match="not a TFLite file"):
        tflite_import.convert(data)


@given(size=st.integers(1, 40), kernel=st.integers(1, 7), stride=st.integers(1, 4))
def test_same_padding_is_the_least_that_gives_every_stride_an_output(size, kernel, stride):
    before, after = tflite_import.same_padding(size, kernel, stride)

    def outputs(padding):
        return max((size + padding - kernel) // stride + 1, 0)

    wanted = len(range(0, size, stride))
    least = next(padding for padding in range(100) if outputs(padding) >= wanted)
    assert before + after == least
    assert after - before in (0, 1)
