"""The identity memory against what it promises, over any sequence of faces."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.identity.memory import MAX_CANDIDATE_LOOKS, MAX_CANDIDATES, IdentityMemory, IdentityMemoryConfig
from realtime.timebase import NS_PER_MS
from tests.support.evidence import unit

DIMENSION = 6
HOP_NS = 400 * NS_PER_MS
CONFIG = IdentityMemoryConfig()
ROUNDING = 1e-5

#: A face between three people and noise, how far it may be learnt from, and windows since the last one.
faces = st.tuples(
    st.integers(0, 2),
    st.sampled_from([0.0, 0.0, 0.1, 0.4, 0.8]),
    st.integers(0, 2**32),
    st.sampled_from([0.0, 0.3, 1.0, 1.0, 1.0]),
    st.sampled_from([1, 1, 1, 2, 300]),
)
calls = st.lists(faces, min_size=1, max_size=60)


def played(call):
    """Yield index, vector and weight of every window."""
    index = 0
    for person, noise, seed, weight, step in call:
        index += step
        direction = np.eye(DIMENSION)[person] + noise * np.random.default_rng(seed).normal(size=DIMENSION)
        yield index, unit(direction), weight


def update(memory, index, vector, weight):
    return memory.update(index, vector, weight, index * HOP_NS)


class NaiveEnrolment:
    """The enrolment worked out from the whole history, each time anew."""

    def __init__(self):
        self.history = []

    def add(self, index, vector, weight):
        if weight > 0:
            self.history.append((index, vector.astype(np.float64), weight))

    def look(self, all_indices):
        """Return the enrolled look, None while too little was seen."""
        people = []
        gathered = 0.0
        for index, vector, weight in self.history:
            earlier = [other for other in all_indices if other < index]
            step = 1.0 if not earlier else min(1.0, float(index - earlier[-1]))
            view = step * weight
            similarity = [float(self._means(person["groups"])[0] @ vector) for person in people]
            if similarity and max(similarity) >= CONFIG.same_above:
                person = people[int(np.argmax(similarity))]
            else:
                if len(people) == MAX_CANDIDATES:
                    people.remove(min(people, key=lambda one: one["seen"]))
                person = {"groups": [], "seen": 0.0}
                people.append(person)
            self._join(person["groups"], vector, view)
            person["seen"] += step
            gathered += view
            if gathered * HOP_NS >= CONFIG.enrolment_ns - 1e-3:
                total = sum(one["seen"] for one in people)
                lasting = [one for one in people if one["seen"] >= CONFIG.min_share * total - 1e-9]
                chosen = lasting[0] if lasting else max(people, key=lambda one: one["seen"])
                views = [round(sum(view for _, view in group), 6) for group in chosen["groups"]]
                return self._means(chosen["groups"])[int(np.argmax(views))]
        return None

    @staticmethod
    def _means(groups):
        sums = [sum(view * vector for vector, view in group) for group in groups]
        return np.stack([total / np.linalg.norm(total) for total in sums])

    def _join(self, groups, vector, view):
        if groups:
            similarities = self._means(groups) @ vector
            if similarities.max() >= CONFIG.novel_below or len(groups) == MAX_CANDIDATE_LOOKS:
                groups[int(np.argmax(similarities))].append((vector, view))
                return
        groups.append([(vector, view)])


@given(calls)
def test_the_enrolment_is_that_of_the_whole_history(call):
    memory, naive, indices = IdentityMemory(CONFIG), NaiveEnrolment(), []
    for index, vector, weight in played(call):
        update(memory, index, vector, weight)
        naive.add(index, vector, weight)
        indices.append(index)
        expected = naive.look(indices)
        assert memory.is_enrolled == (expected is not None)
        if expected is not None:
            np.testing.assert_allclose(memory.looks()[0], expected, atol=ROUNDING)


@given(calls)
def test_a_window_is_compared_with_what_was_known_before_it(call):
    memory = IdentityMemory(CONFIG)
    enrolled = None
    for index, vector, weight in played(call):
        known = memory.looks()
        if enrolled is None and memory.is_enrolled:
            enrolled = known[:1]
        similarity = update(memory, index, vector, weight)
        if enrolled is None:
            assert similarity is None
            continue
        to_enrolment = float(np.max(enrolled @ vector))
        highest = min(float(np.max(known @ vector)), to_enrolment + CONFIG.max_gain)
        assert similarity == pytest.approx(highest, abs=ROUNDING)
        assert to_enrolment - ROUNDING <= similarity <= to_enrolment + CONFIG.max_gain + ROUNDING


@given(calls)
def test_memory_is_fixed_and_the_enrolment_never_changes(call):
    memory = IdentityMemory(CONFIG)
    enrolled = None
    for index, vector, weight in played(call):
        update(memory, index, vector, weight)
        if not memory.is_enrolled:
            assert memory.looks().size == 0
            continue
        looks = memory.looks()
        enrolled = looks[0].copy() if enrolled is None else enrolled
        np.testing.assert_array_equal(looks[0], enrolled)
        assert len(looks) <= 1 + CONFIG.max_learnt
        np.testing.assert_allclose(np.linalg.norm(looks, axis=1), 1.0, atol=ROUNDING)


@given(calls)
def test_what_is_unlike_the_memory_or_weighs_nothing_leaves_no_trace(call):
    """The same call without those windows leads to the same memory, so they were not even half learnt."""
    memory, without = IdentityMemory(CONFIG), IdentityMemory(CONFIG)
    for index, vector, weight in played(call):
        was_enrolled = memory.is_enrolled
        similarity = update(memory, index, vector, weight)
        ignored = was_enrolled and (similarity < CONFIG.same_above or weight == 0)
        update(without, index, vector, 0.0 if ignored else weight)
    np.testing.assert_array_equal(memory.looks(), without.looks())
