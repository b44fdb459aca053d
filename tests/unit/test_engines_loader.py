import numpy as np
import pytest

from engines.contracts import CONTRACTS
from engines.errors import ModelStoreError
from engines.loader import load_engines
from engines.store.store import ModelStore

pytest_plugins = ["tests.support.models"]


def test_every_role_has_an_engine_with_its_contract(engine_set):
    assert engine_set.ids.keys() == {role.value for role in CONTRACTS}
    for role in CONTRACTS:
        spec = getattr(engine_set, role.value).spec
        assert spec.role is role
        assert (spec.inputs, spec.outputs) == (CONTRACTS[role].inputs, CONTRACTS[role].outputs)
        assert engine_set.ids[role] == spec.id
    assert engine_set.ids["identity"] == "sface-2021dec@0ba9fbfa/onnxruntime-fp32-cpu"


def test_an_empty_store_says_how_to_fill_it(tmp_path):
    with pytest.raises(ModelStoreError, match="seamwatch models pull"):
        load_engines(ModelStore(tmp_path))


def test_graphs_are_prepared_once_and_a_damaged_one_again(model_store, tmp_path):
    for status in model_store.status():
        (tmp_path / status.path.name).symlink_to(status.path)
    store = ModelStore(tmp_path)
    load_engines(store).close()
    prepared = {path: path.stat().st_mtime_ns for path in (tmp_path / "prepared").iterdir()}
    assert len(prepared) == len(CONTRACTS)

    damaged = min(prepared, key=lambda path: path.stat().st_size)
    damaged.write_bytes(damaged.read_bytes()[:-100])
    faces = np.zeros((1, 3, 112, 112), np.float32)
    engines = load_engines(store)
    assert engines.identity.run({"faces": faces})["embedding"].shape == (1, 128)
    engines.close()
    changed = {path for path in prepared if path.stat().st_mtime_ns != prepared[path]}
    assert changed == {damaged}


def test_embeddings_do_not_depend_on_the_rest_of_the_batch(engine_set):
    faces = np.random.default_rng(5).uniform(0, 255, (4, 3, 112, 112)).astype(np.float32)
    batch = engine_set.identity.run({"faces": faces})["embedding"]
    alone = engine_set.identity.run({"faces": faces[2:3]})["embedding"]
    np.testing.assert_allclose(batch[2:3], alone, atol=1e-5)
    assert np.abs(batch[0] - batch[1]).max() > 0.01


def test_silence_is_not_speech_and_the_state_is_carried(engine_set):
    state = np.zeros((2, 1, 128), np.float32)
    rate = np.array(16_000, np.int64)
    for _ in range(5):
        outputs = engine_set.vad.run({"input": np.zeros((1, 576), np.float32), "state": state, "sr": rate})
        assert 0 <= outputs["output"].item() < 0.2
        assert np.abs(outputs["stateN"] - state).max() > 0
        state = outputs["stateN"]


def test_an_empty_picture_holds_no_face(engine_set):
    outputs = engine_set.detector.run({"image": np.full((1, 3, 96, 128), 90, np.float32)})
    for stride in (8, 16, 32):
        assert outputs[f"cls_{stride}"].shape == (1, 96 * 128 // stride**2, 1)
        score = outputs[f"cls_{stride}"] * outputs[f"obj_{stride}"]
        assert score.max() < 0.25


def test_a_flat_region_is_no_face_for_the_landmarks(engine_set):
    faces = np.full((1, 192, 192, 3), 0.4, np.float32)
    assert engine_set.landmarks.run({"faces": faces})["confidence"][0] < 0
