import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.backends.base import BuildRequest, BuiltEngine, MissingBackendError
from engines.errors import EngineError
from engines.selection import MIN_GAIN, cheapest, complete_with_default, describe, select_backends
from engines.selection_measure import RUNS, Trial, choose_backends, measure_costs
from engines.spec import EngineSpec, Role, TensorSpec

ROLES = list(Role)


class FakeEngine:
    def __init__(self, name, log):
        self.name, self.log = name, log

    def run(self, inputs):
        self.log.append(("run", self.name))
        return dict(inputs)

    def close(self):
        self.log.append(("close", self.name))


class FakeBackend:
    """Counts what is asked of it; ``absent`` has no library, ``refuses`` cannot build these roles."""

    def __init__(self, name, *, absent=False, refuses=(), version="1"):
        self.name, self.absent, self.refuses, self.version = name, absent, refuses, version
        self.roles = frozenset(Role)
        self.log = []

    def require(self):
        if self.absent:
            raise MissingBackendError(f"{self.name} is missing.", fix="Install it.")

    def fingerprint(self):
        return f"{self.name} {self.version}"

    def build(self, request):
        if request.role in self.refuses:
            raise EngineError("It cannot be built.", fix="Build another.")
        self.log.append(("build", request.role))
        return BuiltEngine(files={}, versions={}, device="cpu", device_fingerprint="")

    def load(self, _files, spec):
        assert (spec.backend, spec.precision, spec.threads) == (self.name, "fp32", 1)
        return FakeEngine(self.name, self.log)


def trial(role, size=2):
    tensor = TensorSpec(shape=(None, 2))
    spec = EngineSpec(
        model="model",
        role=role,
        inputs={"x": tensor},
        outputs={"y": tensor},
        frontend="none",
        source_sha256="0" * 64,
        backend="onnxruntime",
        precision="fp32",
        device="cpu",
        threads=4,
    )
    request = BuildRequest(role=role, graph=b"graph", spec=spec, precision="int8", threads=4)
    return Trial(request=request, inputs={"x": np.zeros((1, size), np.float32)})


def choose(tmp_path, *backends, roles=(Role.VAD, Role.AUDIO), **changes):
    present = {backend.name: backend for backend in backends}
    return choose_backends(
        {role: trial(role, **changes) for role in roles},
        cache=tmp_path / "costs.json",
        find_backend=lambda name: present.get(name) or FakeBackend(name, absent=True),
    )


@given(st.dictionaries(st.sampled_from(["onnxruntime", "openvino", "torch"]), st.floats(0.01, 100)))
def test_the_cheapest_backend_is_chosen_unless_the_default_is_as_good(costs):
    chosen = cheapest(costs)
    if "onnxruntime" not in costs:
        assert chosen == min(costs, key=costs.get, default="onnxruntime")
    elif chosen == "onnxruntime":
        assert all(cost >= (1 - MIN_GAIN) * costs["onnxruntime"] - 1e-9 for cost in costs.values())
    else:
        assert costs[chosen] == min(costs.values())
        assert costs[chosen] <= (1 - MIN_GAIN) * costs["onnxruntime"]


@given(
    st.sets(st.sampled_from(ROLES)),
    st.dictionaries(
        st.sampled_from(ROLES),
        st.fixed_dictionaries({"onnxruntime": st.floats(1, 9), "openvino": st.floats(1, 9)}),
    ),
)
def test_every_role_gets_one_backend_and_tensorrt_comes_first(on_gpu, costs):
    selection = select_backends(ROLES, on_gpu=on_gpu, costs=costs, processor="A CPU", gpu="A GPU")
    assert list(selection.backends) == ROLES
    for role, backend in selection.backends.items():
        assert backend == ("tensorrt" if role in on_gpu else cheapest(costs.get(role, {})))
    assert "\n" not in selection.reason
    assert ("A GPU" in selection.reason) == bool(on_gpu)
    assert ("A CPU" in selection.reason) == bool(costs)


def test_the_reason_says_who_runs_what():
    costs = {Role.AUDIO: {"onnxruntime": 2.0, "openvino": 1.0}}
    selection = select_backends(
        [Role.VAD, Role.AUDIO, Role.VISUAL], on_gpu=(), costs=costs, processor="X", gpu=None
    )
    assert selection.reason == (
        "auto: openvino runs audio, onnxruntime runs vad, visual (CPU time measured on X)"
    )
    alone = select_backends([Role.VAD], on_gpu=(), costs={}, processor="X", gpu=None)
    assert alone.reason == "auto: onnxruntime runs everything (no other CPU backend is installed)"


def test_what_a_backend_cannot_build_goes_to_the_default_and_is_told():
    some = complete_with_default("torch-tensorrt", {Role.AUDIO}, [Role.AUDIO, Role.VAD])
    assert some.backends == {Role.AUDIO: "torch-tensorrt", Role.VAD: "onnxruntime"}
    assert some.reason == (
        "onnxruntime runs vad, torch-tensorrt runs audio (torch-tensorrt builds no others)"
    )
    whole = complete_with_default("openvino", set(Role), [Role.AUDIO, Role.VAD])
    assert set(whole.backends.values()) == {"openvino"}
    assert whole.reason == "openvino runs everything"


def test_describe_names_every_role_once():
    backends = {role: "openvino" if role is Role.VAD else "onnxruntime" for role in ROLES}
    text = describe(backends)
    assert all(text.count(role.value) == 1 for role in ROLES)


def test_backends_take_turns_and_are_closed():
    log = []
    backends = [FakeBackend("onnxruntime"), FakeBackend("openvino")]
    for backend in backends:
        backend.log = log
    costs = measure_costs({Role.VAD: trial(Role.VAD)}, backends)
    assert costs[Role.VAD].keys() == {"onnxruntime", "openvino"}
    assert all(cost >= 0 for cost in costs[Role.VAD].values())
    runs = [name for kind, name in log if kind == "run"]
    assert len(runs) > 2 * RUNS
    assert runs == ["onnxruntime", "openvino"] * (len(runs) // 2)
    assert [entry for entry in log if entry[0] == "close"] == [
        ("close", "onnxruntime"),
        ("close", "openvino"),
    ]


def test_a_backend_that_cannot_build_a_role_is_no_candidate_for_it(tmp_path):
    backends = [FakeBackend("onnxruntime"), FakeBackend("openvino", refuses={Role.VAD})]
    costs = measure_costs({role: trial(role) for role in (Role.VAD, Role.AUDIO)}, backends)
    assert costs[Role.VAD].keys() == {"onnxruntime"}
    assert costs[Role.AUDIO].keys() == {"onnxruntime", "openvino"}
    with pytest.raises(EngineError, match="cannot be built"):
        measure_costs({Role.VAD: trial(Role.VAD)}, backends[::-1])


def test_the_default_alone_is_not_measured(tmp_path):
    backend = FakeBackend("onnxruntime")
    selection = choose(tmp_path, backend)
    assert set(selection.backends.values()) == {"onnxruntime"}
    assert backend.log == []
    assert not (tmp_path / "costs.json").exists()


def test_tensorrt_is_taken_unmeasured_where_it_is_present(tmp_path):
    backends = [FakeBackend("onnxruntime"), FakeBackend("openvino"), FakeBackend("tensorrt")]
    selection = choose(tmp_path, *backends)
    assert set(selection.backends.values()) == {"tensorrt"}
    assert "tensorrt 1" in selection.reason
    assert all(backend.log == [] for backend in backends)


def test_roles_that_tensorrt_lacks_are_measured(tmp_path):
    tensorrt = FakeBackend("tensorrt")
    tensorrt.roles = frozenset({Role.AUDIO})
    openvino = FakeBackend("openvino")
    selection = choose(tmp_path, FakeBackend("onnxruntime"), openvino, tensorrt)
    assert selection.backends[Role.AUDIO] == "tensorrt"
    assert {role for kind, role in openvino.log if kind == "build"} == {Role.VAD}


def test_measurements_are_kept_until_anything_changes(tmp_path):
    def measured(*roles, version="1", **changes):
        backends = [FakeBackend("onnxruntime"), FakeBackend("openvino", version=version)]
        choose(tmp_path, *backends, roles=roles, **changes)
        return {role for kind, role in backends[1].log if kind == "build"}

    assert measured(Role.VAD, Role.AUDIO) == {Role.VAD, Role.AUDIO}
    assert measured(Role.VAD, Role.AUDIO) == set()
    assert measured(Role.VAD, Role.SPEECH) == {Role.SPEECH}
    assert measured(Role.VAD, version="2") == {Role.VAD}
    assert measured(Role.VAD) == set()
    assert measured(Role.VAD, size=3) == {Role.VAD}


def test_what_is_kept_decides(tmp_path):
    backends = [FakeBackend("onnxruntime"), FakeBackend("openvino")]
    choose(tmp_path, *backends, roles=[Role.VAD])
    cache = tmp_path / "costs.json"
    (key,) = json.loads(cache.read_text())
    for cheaper in ("onnxruntime", "openvino"):
        cache.write_text(json.dumps({key: {"onnxruntime": 5.0, "openvino": 5.0, cheaper: 1.0}}))
        assert choose(tmp_path, *backends, roles=[Role.VAD]).backends == {Role.VAD: cheaper}


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": 1}', '{"a": {"openvino": "fast"}}'])
def test_a_damaged_cache_is_measured_again(tmp_path, content):
    (tmp_path / "costs.json").write_text(content)
    openvino = FakeBackend("openvino")
    choose(tmp_path, FakeBackend("onnxruntime"), openvino)
    assert len([entry for entry in openvino.log if entry[0] == "build"]) == 2
    assert len(json.loads((tmp_path / "costs.json").read_text())) == 2


def test_a_cache_that_cannot_be_written_does_not_matter(tmp_path):
    (tmp_path / "file").write_text("")
    selection = choose_backends(
        {Role.VAD: trial(Role.VAD)},
        cache=tmp_path / "file" / "costs.json",
        find_backend=lambda name: FakeBackend(name, absent=name == "tensorrt"),
    )
    assert selection.backends.keys() == {Role.VAD}
