import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.backends.tensorrt_profiles import ShapeRange, choose, profiles
from engines.contracts import CONTRACTS, MAX_VAD_CHUNKS, STEPS_PER_TICK, audio_contract, visual_contract
from engines.errors import EngineError
from engines.frontend.detector import LONGEST_SIDE_PX, prepare
from engines.frontend.picture import RgbPicture
from engines.spec import Role, TensorSpec

INPUTS = {role: contract.inputs for role, contract in CONTRACTS.items()} | {
    Role.VISUAL: visual_contract(96).inputs,
    Role.AUDIO: audio_contract(96).inputs,
}
LENGTHS = st.lists(st.integers(1, 200), min_size=1, max_size=4)
WINDOWED = sorted(STEPS_PER_TICK)
FREE_BATCH = [Role.IDENTITY, Role.LANDMARKS, *WINDOWED]


def shapes_of(role, batch, length):
    """What a run gets, by another way than the profiles': batch first, ticks times steps second."""
    steps = {Role.VISUAL: 1, Role.AUDIO: 2, Role.SPEECH: 4}.get(role)
    return {
        name: tuple(
            size if size is not None else batch if axis == 0 else steps * length
            for axis, size in enumerate(tensor.shape)
        )
        for name, tensor in INPUTS[role].items()
    }


@given(st.sampled_from(FREE_BATCH), st.integers(1, 64), LENGTHS)
def test_every_batch_of_every_length_in_use_has_a_profile(role, max_batch, lengths):
    available = profiles(role, INPUTS[role], max_batch, lengths)
    for batch, length in itertools.product({1, max_batch, (1 + max_batch) // 2}, lengths):
        index = choose(available, shapes_of(role, batch, length))
        assert all(
            available[index][name].holds(shape) for name, shape in shapes_of(role, batch, length).items()
        )


@given(st.sampled_from(FREE_BATCH), st.integers(1, 64), LENGTHS)
def test_a_larger_batch_has_none(role, max_batch, lengths):
    available = profiles(role, INPUTS[role], max_batch, lengths)
    with pytest.raises(EngineError, match="was not built for"):
        choose(available, shapes_of(role, max_batch + 1, lengths[0]))


@given(st.sampled_from(WINDOWED), st.integers(1, 8), LENGTHS, st.integers(1, 300))
def test_another_length_has_none(role, max_batch, lengths, other):
    available = profiles(role, INPUTS[role], max_batch, lengths)
    assert len(available) == len(set(lengths))
    if other not in lengths:
        with pytest.raises(EngineError, match="was not built for"):
            choose(available, shapes_of(role, 1, other))


@given(st.sampled_from(list(Role)), st.integers(1, 64), LENGTHS)
def test_all_bounds_keep_to_the_contract_and_are_in_order(role, max_batch, lengths):
    for profile in profiles(role, INPUTS[role], max_batch, lengths):
        assert profile.keys() == INPUTS[role].keys()
        for name, wanted in profile.items():
            for shape in (wanted.minimum, wanted.optimum, wanted.maximum):
                assert INPUTS[role][name].fits(shape)
                assert wanted.holds(shape)


@given(st.integers(1, 1200), st.integers(1, 1200))
def test_every_picture_that_the_detector_is_given_fits(width, height):

    tensor = prepare(RgbPicture(np.zeros((height, width, 3), np.uint8))).tensor
    available = profiles(Role.DETECTOR, INPUTS[Role.DETECTOR], 8, ())
    assert choose(available, {"image": tensor.shape}) == 0
    assert max(tensor.shape) <= LONGEST_SIDE_PX


def test_the_voice_detector_takes_a_burst_of_chunks_whatever_the_batch():
    (profile,) = profiles(Role.VAD, INPUTS[Role.VAD], 8, ())
    assert profile["sr"] == ShapeRange((), (), ())
    assert profile["input"] == ShapeRange((1, 576), (MAX_VAD_CHUNKS, 576), (MAX_VAD_CHUNKS, 576))
    assert profile["state"] == ShapeRange((2, 1, 128), (2, 1, 128), (2, 1, 128))


def test_the_largest_batch_is_the_one_that_kernels_are_chosen_for():
    (profile,) = profiles(Role.SPEECH, INPUTS[Role.SPEECH], 8, (39,))
    assert profile["mel"] == ShapeRange((1, 156, 80), (8, 156, 80), (8, 156, 80))


@pytest.mark.parametrize(
    ("max_batch", "lengths", "message"),
    [(0, (25,), "positive"), (1, (0,), "positive"), (1, (), "needs the window lengths")],
)
def test_nonsense_is_refused(max_batch, lengths, message):
    with pytest.raises(EngineError, match=message):
        profiles(Role.VISUAL, INPUTS[Role.VISUAL], max_batch, lengths)


def test_a_length_that_breaks_the_contract_is_refused():
    inputs = {"mel": TensorSpec(shape=(None, None, 80), multiples=(1, 16, 1))}
    with pytest.raises(EngineError, match=r"16 \* \?"):
        profiles(Role.SPEECH, inputs, 1, (5,))


def test_a_shape_of_another_rank_is_outside():
    assert not ShapeRange((1, 3), (1, 3), (2, 3)).holds((1, 3, 1))
