import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engines.build.evidence import batched, has_free_batch, made_up, no_evidence
from engines.build.parity import TOLERANCES, Distances, Parity, cosine_distances
from engines.build.plan import make_plan, parse_choices, with_named_backends
from engines.build.sources import build_request
from engines.contracts import MAX_VAD_CHUNKS
from engines.errors import EngineError
from engines.selection import Selection
from engines.spec import Role
from tests.support.engine_builds import WINDOWS, tiny_sources


def request_for(role, *, max_batch=3, precision="fp32"):
    return build_request(
        tiny_sources(), role, precision, WINDOWS, no_evidence(), max_batch=max_batch, threads=1
    )


def naive_distance(a, b):
    return 1 - float(np.dot(a, b) / (np.sqrt(np.dot(a, a)) * np.sqrt(np.dot(b, b))))


vectors = hnp.arrays(
    np.float64, (4, 5), elements=st.floats(-10, 10).filter(lambda x: x == 0 or abs(x) > 1e-3)
).filter(lambda x: (np.linalg.norm(x, axis=1) > 0.1).all())


@given(vectors, vectors)
def test_embeddings_count_one_by_one(a, b):
    found = cosine_distances(Role.IDENTITY, {"embedding": a}, {"embedding": b}, "engine")
    assert found == pytest.approx([naive_distance(x, y) for x, y in zip(a, b, strict=True)], abs=1e-9)


@given(vectors, vectors)
def test_maps_count_whole(a, b):
    found = cosine_distances(Role.DETECTOR, {"cls_8": a[None]}, {"cls_8": b[None]}, "engine")
    assert found == pytest.approx([naive_distance(a.ravel(), b.ravel())], abs=1e-9)


@given(vectors)
def test_the_same_is_no_distance_away_to_the_last_bit(a):
    assert cosine_distances(Role.SPEECH, {"x": a}, {"x": a}, "engine").max() == 0.0


def test_a_tiny_turn_is_seen_and_not_lost_in_cancellation():
    a, b = np.array([[1.0, 0.0]]), np.array([[1.0, 1e-6]])
    assert cosine_distances(Role.IDENTITY, {"x": a}, {"x": b}, "engine") == pytest.approx([5e-13], rel=1e-3)


def test_single_numbers_and_nothings_have_distances_too():
    one, two = np.array([[0.5]]), np.array([[0.6]])
    wanted = naive_distance(np.array([1, 0.5]), np.array([1, 0.6]))
    assert cosine_distances(Role.VAD, {"output": one}, {"output": two}, "engine") == pytest.approx([wanted])
    nothing, something = np.zeros((1, 4)), np.ones((1, 4))
    assert cosine_distances(Role.IDENTITY, {"x": nothing}, {"x": nothing}, "engine") == [0.0]
    assert cosine_distances(Role.IDENTITY, {"x": nothing}, {"x": something}, "engine") == [0.5]


def test_another_shape_is_refused():
    with pytest.raises(EngineError, match="has the shape"):
        cosine_distances(Role.IDENTITY, {"x": np.ones((1, 4))}, {"x": np.ones((1, 5))}, "engine")


def distances(p99, tolerance):
    return Distances(
        reference="onnx", inputs="random", outputs=1, mean=0, p99=p99, max=2, tolerance=tolerance
    )


@pytest.mark.parametrize(
    ("comparisons", "passed"),
    [
        ((), False),
        ((distances(0, None),), False),
        ((distances(1e-4, 1e-4),), True),
        ((distances(1.1e-4, 1e-4),), False),
        ((distances(float("nan"), 1e-4),), False),
        ((distances(0, 1e-4), distances(1, None)), True),
        ((distances(0, 1e-4), distances(1, 1e-4)), False),
    ],
)
def test_what_was_not_compared_has_not_passed(comparisons, passed):
    assert Parity(comparisons=comparisons, evidence="", evidence_sha256="").passed is passed


def test_tolerances_are_those_that_are_promised():
    assert TOLERANCES == {"fp32": 1e-4, "fp16": 1e-3, "bf16": 1e-3, "int8": 1e-2}


@pytest.mark.parametrize("role", list(Role))
def test_made_up_inputs_keep_to_the_contract_and_repeat(role):
    request = request_for(role)
    first, second = list(made_up(request)), list(made_up(request))
    batches = set()
    for one, again in zip(first, second, strict=True):
        for name, tensor in request.spec.inputs.items():
            assert tensor.fits(one[name].shape), (name, one[name].shape)
            assert one[name].dtype.name == tensor.dtype
            np.testing.assert_array_equal(one[name], again[name])
        batches.add(next(iter(one.values())).shape[0])
    largest = MAX_VAD_CHUNKS if role is Role.VAD else 3 if has_free_batch(request) else 1
    assert batches == {1, largest}
    other = next(made_up(request, seed=1))
    assert any((other[name] != first[0][name]).any() for name in other if other[name].size > 1)


def test_inputs_of_equal_shape_are_joined_up_to_the_largest_batch():
    request = request_for(Role.SPEECH, max_batch=2)
    short = [{"mel": np.full((1, 4, 80), k, np.float32)} for k in range(3)]
    long = [{"mel": np.full((1, 8, 80), 9, np.float32)}]
    shapes = [one["mel"].shape for one in batched([short[0], long[0], *short[1:]], request)]
    assert shapes == [(2, 4, 80), (1, 4, 80), (1, 8, 80)]
    detector = request_for(Role.DETECTOR, max_batch=2)
    pictures = [{"image": np.zeros((1, 3, 32, 32), np.float32)}] * 3
    assert [one["image"].shape[0] for one in batched(pictures, detector)] == [1, 1, 1]


def test_choices_are_read_and_wrong_ones_refused():
    chosen = parse_choices(["fp32", "vad=int8", "int8", "vad=fp32"], ("fp32", "int8"))
    assert (chosen.everywhere, chosen.by_role) == ("int8", {Role.VAD: "fp32"})
    with pytest.raises(EngineError, match="no 'fp8'"):
        parse_choices(["fp8"], ("fp32",))
    with pytest.raises(EngineError, match="no role 'nose'"):
        parse_choices(["nose=fp32"], ("fp32",))


def test_a_named_backend_must_do_what_is_asked_and_a_chosen_one_says_what_it_does():
    selection = Selection(backends={Role.VAD: "onnxruntime", Role.SPEECH: "tensorrt"}, reason="because")
    wanted = dict.fromkeys(selection.backends, "fp16")
    able = {"onnxruntime": {"fp32", "int8"}, "tensorrt": {"fp32", "fp16"}}
    plan = make_plan(selection, {Role.SPEECH}, wanted, able)
    assert plan.assignments[Role.VAD].precision == "fp32"
    assert plan.assignments[Role.SPEECH].precision == "fp16"
    assert plan.reason.startswith("because; vad in fp32")
    with pytest.raises(EngineError, match="does not build vad in fp16") as refused:
        make_plan(selection, {Role.VAD}, wanted, able)
    assert refused.value.fix == "Add --precision vad=fp32 or int8."
    changed = with_named_backends(selection, {Role.VAD: "openvino"})
    assert changed.backends == {Role.VAD: "openvino", Role.SPEECH: "tensorrt"}
    assert with_named_backends(selection, {}) is selection
