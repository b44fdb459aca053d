import numpy as np
import pytest
from onnx import helper

from engines.errors import EngineError
from engines.insightface_models import DIMENSION, find_recogniser, load_insightface_identity
from tests.support.onnx_graphs import make_model

WEIGHTS = np.random.default_rng(3).normal(size=(3, DIMENSION)).astype(np.float32)


def write_pack(folder, name):
    """Write a recogniser with the signature of the real ones: mean colour times a matrix."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["input.1"], ["pooled"]),
        helper.make_node("PRelu", ["pooled", "slope"], ["rectified"]),
        helper.make_node("Flatten", ["rectified"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["683"]),
    ]
    weights = {"weights": WEIGHTS, "slope": np.full((3, 1, 1), 0.25, np.float32)}
    model = make_model(nodes, {"input.1": ["None", 3, 112, 112]}, {"683": [1, DIMENSION]}, weights)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(model.SerializeToString())


def test_a_pack_takes_pixels_and_normalises_them_itself(tmp_path):
    write_pack(tmp_path / "buffalo_s", "w600k_mbf.onnx")
    engine = load_insightface_identity(tmp_path)
    faces = np.random.default_rng(4).uniform(0, 255, (3, 3, 112, 112)).astype(np.float32)

    colour = ((faces - 127.5) / 127.5).mean(axis=(2, 3))
    expected = np.where(colour < 0, 0.25 * colour, colour) @ WEIGHTS
    np.testing.assert_allclose(engine.run({"faces": faces})["embedding"], expected, atol=1e-4)
    assert engine.spec.id.startswith("insightface-w600k-mbf@")


def test_the_more_accurate_recogniser_is_preferred(tmp_path):
    write_pack(tmp_path / "buffalo_s", "w600k_mbf.onnx")
    write_pack(tmp_path / "buffalo_l", "w600k_r50.onnx")
    assert find_recogniser(tmp_path).name == "w600k_r50.onnx"
    assert find_recogniser(tmp_path / "buffalo_s").name == "w600k_mbf.onnx"


def test_without_a_pack_the_error_names_the_extra_and_the_licence(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(EngineError) as caught:
        load_insightface_identity(tmp_path)
    assert "seamwatch[insightface]" in caught.value.fix
    assert "research only" in caught.value.fix


def test_a_model_of_another_form_is_refused(tmp_path):
    node = helper.make_node("Relu", ["x"], ["y"])
    model = make_model([node], {"x": [1, 3, 112, 112]}, {"y": [1, 3, 112, 112]})
    (tmp_path / "w600k_r50.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(EngineError):
        load_insightface_identity(tmp_path)
    (tmp_path / "w600k_r50.onnx").write_bytes(b"<html>")
    with pytest.raises(EngineError, match="not an ONNX model"):
        load_insightface_identity(tmp_path)
