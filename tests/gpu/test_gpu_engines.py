"""Real engines on a real GPU, held against ONNX Runtime on the CPU."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import numpy as np
import pytest

from engines.backends.base import BuildRequest
from engines.backends.tensorrt_backend import TensorRtBackend
from engines.backends.tensorrt_timing import TimingCache
from engines.build.evidence import made_up
from engines.build.parity import TOLERANCES, cosine_distances
from engines.build.record import Windows
from engines.build.sources import read_sources
from engines.errors import EngineError
from engines.onnxruntime_engine import OnnxRuntimeEngine
from engines.spec import Role
from realtime.config import WindowConfig
from tests.gpu.conftest import require_backend

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(900)]

WINDOWS = Windows(**asdict(WindowConfig()))
MAX_BATCH = 4
CASES = [
    *itertools.product(["tensorrt"], Role, ["fp32", "fp16"]),
    *itertools.product(["torch-tensorrt"], [Role.VISUAL, Role.AUDIO], ["fp32", "fp16"]),
]


@pytest.fixture(scope="module")
def sources(model_store):
    return read_sources(model_store, None, 1)


@pytest.fixture(scope="module")
def built(sources):
    """Builds an engine once for all tests; skips where its backend is missing."""
    engines = {}

    def get(name, role, precision):
        backend = require_backend(name)
        source = sources.graphs[role]
        request = BuildRequest(
            role=role,
            graph=source.graph,
            spec=source.spec,
            precision=precision,
            max_batch=MAX_BATCH,
            lengths=WINDOWS.lengths(role),
            checkpoint=sources.folder if role in (Role.VISUAL, Role.AUDIO) else None,
        )
        if (name, role, precision) not in engines:
            made = backend.build(request)
            assert made.device_fingerprint == backend.fingerprint()
            spec = replace(source.spec, backend=name, precision=precision, device=made.device)
            engines[name, role, precision] = (backend.load(made.files, spec), made, spec)
        return request, *engines[name, role, precision]

    yield get
    for engine, _, _ in engines.values():
        engine.close()


@pytest.mark.parametrize(("name", "role", "precision"), CASES)
def test_an_engine_says_what_the_graph_says(built, name, role, precision):
    request, engine, _, _ = built(name, role, precision)
    reference = OnnxRuntimeEngine(request.graph, request.spec)
    distances = [
        cosine_distances(role, engine.run(inputs), reference.run(inputs), engine.spec.id)
        for inputs in made_up(request)
    ]
    assert np.percentile(np.concatenate(distances), 99) <= TOLERANCES[precision]


@pytest.mark.parametrize(("name", "role", "precision"), CASES)
def test_threads_get_their_own_results(built, name, role, precision):
    request, engine, _, _ = built(name, role, precision)
    inputs = list(made_up(request))[::3]
    alone = [engine.run(one) for one in inputs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(engine.run, inputs * 4))
    for k, found in enumerate(together):
        for output, expected in alone[k % len(inputs)].items():
            np.testing.assert_allclose(found[output], expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("role", [Role.IDENTITY, Role.SPEECH, Role.VISUAL, Role.AUDIO])
def test_every_shape_becomes_a_cuda_graph(built, role):
    request, engine, _, _ = built("tensorrt", role, "fp16")
    shapes = set()
    for inputs in made_up(request):
        engine.run(inputs)
        shapes.add(tuple(array.shape for array in inputs.values()))
    assert engine.captured_shapes >= len(shapes)


@pytest.mark.parametrize("name", ["tensorrt", "torch-tensorrt"])
def test_a_batch_beyond_the_profile_is_refused(built, name):
    _, engine, _, _ = built(name, Role.AUDIO, "fp32")
    (length,) = WINDOWS.lengths(Role.AUDIO)
    with pytest.raises(EngineError, match="max-batch"):
        engine.run({"speech": np.zeros((MAX_BATCH + 1, 2 * length, 384), np.float32)})


@pytest.mark.parametrize("name", ["tensorrt", "torch-tensorrt"])
def test_a_damaged_file_is_refused(built, name):
    _, _, made, spec = built(name, Role.AUDIO, "fp32")
    damaged = {file: content[: len(content) // 2] for file, content in made.files.items()}
    with pytest.raises(EngineError, match="cannot be loaded"):
        require_backend(name).load(damaged, spec)


def test_a_second_build_uses_the_timing_cache(built, tmp_path):
    request, _, _, _ = built("tensorrt", Role.AUDIO, "fp32")
    cache = TimingCache(tmp_path)
    backend = TensorRtBackend(cache)
    backend.build(request)
    measured = cache.read(backend.fingerprint())
    assert measured
    backend.build(request)
    assert len(cache.read(backend.fingerprint())) >= len(measured)
