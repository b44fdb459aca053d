import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from engines.backends.base import BuildRequest, MissingBackendError
from engines.backends.registry import get_backend
from engines.checkpoint import DEFAULT_CHECKPOINT, checkpoint_graphs
from engines.errors import EngineError
from engines.onnxruntime_engine import OnnxRuntimeEngine
from engines.spec import Role

torch = pytest.importorskip("torch", reason="needs the training extra")

RNG = np.random.default_rng(3)


def uniform(*shape, high=1.0):
    return RNG.uniform(0, high, shape).astype(np.float32)


INPUTS = {
    Role.VISUAL: [
        {"lips": uniform(1, 25, 40, 2), "mouth": uniform(1, 25, 64, 64, high=255)},
        {"lips": uniform(2, 11, 40, 2), "mouth": uniform(2, 11, 64, 64, high=255)},
    ],
    Role.AUDIO: [{"speech": uniform(1, 78, 384)}, {"speech": uniform(3, 22, 384)}],
}


def source(role):
    graphs = checkpoint_graphs(DEFAULT_CHECKPOINT, 1)
    return graphs.visual if role is Role.VISUAL else graphs.audio


def request(role, checkpoint=DEFAULT_CHECKPOINT, precision="fp32"):
    graph = source(role)
    return BuildRequest(
        role=role, graph=graph.graph, spec=graph.spec, precision=precision, checkpoint=checkpoint
    )


def load(role, device="cpu"):
    backend = get_backend("torch")
    built = backend.build(request(role))
    return backend.load(built.files, replace(source(role).spec, backend="torch", device=device))


@pytest.mark.parametrize("role", list(INPUTS))
def test_the_modules_give_what_their_graphs_give(role):
    engine = load(role)
    assert engine.spec.id.endswith("/torch-fp32-cpu")
    reference = OnnxRuntimeEngine(source(role).graph, source(role).spec)
    for inputs in INPUTS[role]:
        np.testing.assert_allclose(engine.run(inputs)["frames"], reference.run(inputs)["frames"], atol=2e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use")
@pytest.mark.parametrize("role", list(INPUTS))
def test_a_gpu_gives_what_the_graphs_give(role):
    engine = load(role, "cuda:0")
    reference = OnnxRuntimeEngine(source(role).graph, source(role).spec)
    for inputs in INPUTS[role]:
        np.testing.assert_allclose(engine.run(inputs)["frames"], reference.run(inputs)["frames"], atol=1e-4)


def test_threads_share_an_engine_and_leave_the_process_as_it_was():
    engine, threads = load(Role.AUDIO), torch.get_num_threads()
    inputs = [{"speech": uniform(1, 2 * ticks, 384)} for ticks in (11, 12, 13, 14) * 5]
    alone = [engine.run(one)["frames"] for one in inputs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda one: engine.run(one)["frames"], inputs))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert torch.get_num_threads() == threads


def test_takes_arrays_that_are_not_contiguous_or_read_only():
    engine = load(Role.AUDIO)
    speech = uniform(1, 44, 768)[:, ::-2, ::2]
    speech.flags.writeable = False
    expected = engine.run({"speech": np.ascontiguousarray(speech)})["frames"]
    np.testing.assert_array_equal(engine.run({"speech": speech})["frames"], expected)


def test_inputs_are_held_to_the_contract_and_a_closed_engine_refuses():
    engine = load(Role.AUDIO)
    with pytest.raises(EngineError, match="must be float32"):
        engine.run({"speech": np.zeros((1, 22, 100), np.float32)})
    with pytest.raises(EngineError, match="failed"):
        engine.run({"speech": np.zeros((1, 2, 384), np.float32)})
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.run(INPUTS[Role.AUDIO][0])


def test_other_roles_and_precisions_are_refused():
    backend = get_backend("torch")
    assert backend.roles == {Role.VISUAL, Role.AUDIO}
    with pytest.raises(EngineError, match=r"The role vad has no torch module.*openvino"):
        backend.build(replace(request(Role.AUDIO), role=Role.VAD))
    with pytest.raises(EngineError, match="not in int8"):
        backend.build(request(Role.AUDIO, precision="int8"))


def test_missing_damaged_and_foreign_weights_are_refused(tmp_path):
    backend = get_backend("torch")
    with pytest.raises(EngineError, match="no checkpoint"):
        backend.build(request(Role.AUDIO, checkpoint=None))
    with pytest.raises(EngineError, match=r"no usable audio\.safetensors"):
        backend.build(request(Role.AUDIO, checkpoint=tmp_path))
    folder = tmp_path / "checkpoint"
    shutil.copytree(DEFAULT_CHECKPOINT, folder)
    weights = folder / "audio.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(EngineError, match="is damaged"):
        backend.build(request(Role.AUDIO, checkpoint=folder))

    visual, spec = backend.build(request(Role.VISUAL)).files, source(Role.AUDIO).spec
    with pytest.raises(EngineError, match="do not fit"):
        backend.load(visual, spec)
    with pytest.raises(EngineError, match="do not fit"):
        backend.load({"weights.safetensors": b"short"}, spec)
    with pytest.raises(EngineError, match="lacks weights"):
        backend.load({}, spec)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_an_engine_for_a_gpu_is_refused_without_one():
    backend = get_backend("torch")
    spec = replace(source(Role.AUDIO).spec, device="cuda:0")
    with pytest.raises(MissingBackendError, match="there is none"):
        backend.load(backend.build(request(Role.AUDIO)).files, spec)


def test_without_torch_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingBackendError, match=r"pip install 'seamwatch\[training\]'"):
        get_backend("torch").require()
