import importlib
import io
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from engines.backends.base import BuildRequest, MissingBackendError
from engines.backends.registry import get_backend
from engines.backends.tensorrt_profiles import profiles
from engines.checkpoint import DEFAULT_CHECKPOINT, checkpoint_graphs
from engines.errors import EngineError
from engines.spec import Role

torch = pytest.importorskip("torch", reason="needs the training extra")

from torch import nn

from training.engines import torch_tensorrt_engine
from training.engines.half_convolutions import with_half_convolutions
from training.engines.torch_engine import checkpoint_weights, module_of
from training.engines.torch_tensorrt_engine import export

ROLES = (Role.VISUAL, Role.AUDIO)


def request(role, precision="fp32"):
    graphs = checkpoint_graphs(DEFAULT_CHECKPOINT, 1)
    source = graphs.visual if role is Role.VISUAL else graphs.audio
    return BuildRequest(
        role=role,
        graph=source.graph,
        spec=source.spec,
        precision=precision,
        max_batch=4,
        lengths=(25,),
        checkpoint=DEFAULT_CHECKPOINT,
    )


def inputs(role, batch, ticks=25):
    generator = torch.Generator().manual_seed(batch)

    def noise(low, high, *shape):
        return low + (high - low) * torch.rand(batch, *shape, generator=generator)

    if role is Role.AUDIO:
        return (noise(-2, 2, 2 * ticks, 384),)
    return noise(0.9, 1.1, ticks, 40, 2), noise(0, 255, ticks, 64, 64)


@pytest.mark.parametrize("role", ROLES)
def test_convolutions_in_fp16_keep_the_embeddings(role):
    module = module_of(checkpoint_weights(request(role)), request(role).spec)
    half = with_half_convolutions(module)
    convolutions = [part for part in half.modules() if isinstance(part, nn.Conv1d | nn.Conv2d)]
    assert convolutions
    assert {part.weight.dtype for part in convolutions} == {torch.float16}
    kept = [part for part in half.modules() if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d)]
    assert kept
    assert {part.running_var.dtype for part in kept} == {torch.float32}
    assert all(weight.dtype == torch.float32 for weight in module.parameters())
    with torch.no_grad():
        expected, found = module(*inputs(role, 2)), half(*inputs(role, 2))
    assert found.dtype == torch.float32
    assert 0 < (1 - (expected * found).sum(-1)).max() < 1e-4


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("half", [False, True])
def test_exported_programs_are_free_in_their_batch(role, half):
    wanted = request(role)
    module = module_of(checkpoint_weights(wanted), wanted.spec)
    module = with_half_convolutions(module) if half else module
    (profile,) = profiles(role, wanted.spec.inputs, wanted.max_batch, wanted.lengths)
    program = export(module, profile, "cpu").module()
    for batch in (1, 3, 4):
        given = inputs(role, batch)
        with torch.no_grad():
            torch.testing.assert_close(program(*given), module(*given), atol=2e-3, rtol=0)


class NoStream:
    """Stands in for a CUDA stream, and for the context that makes it current."""

    def __init__(self, *_, **__):
        pass

    __enter__ = __exit__ = __init__


@pytest.fixture
def on_cpu(monkeypatch):
    """Runs the engine's programs on the CPU, as torch exports them."""
    monkeypatch.setattr(torch_tensorrt_engine, "DEVICE", "cpu")
    monkeypatch.setattr(torch.cuda, "Stream", NoStream)
    monkeypatch.setattr(torch.cuda, "stream", NoStream)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    monkeypatch.setitem(sys.modules, "torch_tensorrt", SimpleNamespace())


def saved(role, lengths):
    wanted = replace(request(role), lengths=lengths)
    module = module_of(checkpoint_weights(wanted), wanted.spec)
    files = {}
    for profile, length in zip(
        profiles(role, wanted.spec.inputs, wanted.max_batch, lengths), lengths, strict=True
    ):
        buffer = io.BytesIO()
        torch.export.save(export(module, profile, "cpu"), buffer)
        steps = 1 if role is Role.VISUAL else 2
        files[f"{steps * length}.pt2"] = buffer.getvalue()
    return module, files, wanted.spec


@pytest.mark.parametrize("role", ROLES)
def test_each_length_runs_its_own_program(role, on_cpu):
    module, files, spec = saved(role, (25, 30))
    engine = torch_tensorrt_engine.load(files, spec)
    for ticks in (30, 25):
        given = inputs(role, 2, ticks)
        arrays = {name: tensor.numpy() for name, tensor in zip(spec.inputs, given, strict=True)}
        with torch.no_grad():
            expected = module(*given).numpy()
        np.testing.assert_allclose(engine.run(arrays)["frames"], expected, atol=1e-5)
    engine.close()
    with pytest.raises(EngineError, match="is closed"):
        engine.run(arrays)


def test_shapes_that_no_program_takes_are_refused(on_cpu):
    _, files, spec = saved(Role.AUDIO, (25,))
    engine = torch_tensorrt_engine.load(files, spec)
    with pytest.raises(EngineError, match="was not built for"):
        engine.run({"speech": inputs(Role.AUDIO, 1, 26)[0].numpy()})
    with pytest.raises(EngineError, match="max-batch"):
        engine.run({"speech": inputs(Role.AUDIO, 5)[0].numpy()})


@pytest.mark.parametrize("files", [{}, {"50.pt2": b"damaged"}, {"readme": b""}])
def test_damaged_programs_are_refused(on_cpu, files):
    with pytest.raises(EngineError, match=r"cannot be loaded|holds no program"):
        torch_tensorrt_engine.load(files, request(Role.AUDIO).spec)


def test_a_batch_of_one_is_fixed():
    wanted = request(Role.AUDIO)
    module = module_of(checkpoint_weights(wanted), wanted.spec)
    (profile,) = profiles(Role.AUDIO, wanted.spec.inputs, 1, wanted.lengths)
    assert export(module, profile, "cpu").module()(*inputs(Role.AUDIO, 1)).shape == (1, 15, 96)


def test_the_extra_is_named_where_the_library_is_missing(monkeypatch):
    real = importlib.import_module

    def import_module(name, *rest):
        if name == "torch_tensorrt":
            raise ModuleNotFoundError("No module named 'torch_tensorrt'")
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", import_module)
    backend = get_backend("torch-tensorrt")
    for act in (backend.require, backend.fingerprint, lambda: backend.build(request(Role.AUDIO))):
        with pytest.raises(MissingBackendError, match="torch_tensorrt") as caught:
            act()
        assert "seamwatch[torch-tensorrt]" in caught.value.fix


def test_no_gpu_is_refused(monkeypatch):
    real = importlib.import_module
    stand_ins = {
        "torch_tensorrt": SimpleNamespace(),
        "torch": SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: False)),
    }
    monkeypatch.setattr(
        importlib, "import_module", lambda name, *rest: stand_ins.get(name) or real(name, *rest)
    )
    with pytest.raises(MissingBackendError, match="needs an NVIDIA GPU"):
        get_backend("torch-tensorrt").require()


@pytest.mark.parametrize("precision", ["int8", "bf16"])
def test_other_precisions_are_refused(precision):
    with pytest.raises(EngineError, match="fp32 or fp16"):
        get_backend("torch-tensorrt").build(request(Role.AUDIO, precision))


def test_roles_without_a_module_are_refused():
    with pytest.raises(EngineError, match="no torch module"):
        get_backend("torch-tensorrt").build(replace(request(Role.AUDIO), role=Role.IDENTITY))
