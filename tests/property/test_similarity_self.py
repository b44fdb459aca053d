"""The self-similarity ring against the T x T matrix computed anew after every update."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.similarity.histogram import SimilarityHistogram
from realtime.similarity.self_similarity import SelfSimilarity
from realtime.types import Modality
from tests.support.evidence import embedding, footprint
from tests.support.naive import NaiveSelf, overlap

DIMENSION = 6
ROUNDING = 1e-5

steps = st.lists(
    st.tuples(
        st.integers(1, 5),
        st.integers(0, 2),
        st.floats(0.0, 1.0, allow_subnormal=False),
        st.integers(0, 2**32),
    ),
    min_size=1,
    max_size=40,
)


def call_of(moves):
    """Windows with gaps between them; each shows one of three faces, more or less blurred."""
    faces = np.random.default_rng(7).normal(size=(3, DIMENSION))
    index = 0
    for gap, face, noise, seed in moves:
        index += gap
        blur = np.random.default_rng(seed).normal(size=DIMENSION)
        yield embedding(index, faces[face] + noise * blur)


@settings(deadline=None)
@given(moves=steps, capacity=st.integers(1, 12), percentile=st.sampled_from([1.0, 5.0, 50.0]))
def test_every_update_agrees_with_the_naive_matrix(moves, capacity, percentile):
    ring = SelfSimilarity(capacity, DIMENSION, percentile)
    naive = NaiveSelf(capacity, percentile)
    assert ring.score is None
    for item in call_of(moves):
        row = ring.update(item)
        naive.seen.append(item)
        expected = naive.matrix()
        assert ring.count == len(expected)
        assert row.dtype == np.float32
        np.testing.assert_allclose(row, expected[-1, :-1], atol=ROUNDING)
        assert ring.score == pytest.approx(naive.score(), abs=SimilarityHistogram().bin_width + ROUNDING)
        snapshot = ring.matrix()
        np.testing.assert_allclose(snapshot.values, expected, atol=ROUNDING)
        assert snapshot.spans == tuple(held.span for held in naive.held)
        if len(expected) == 1:
            assert snapshot.worst is None
        else:
            off_diagonal = expected[np.triu_indices(len(expected), 1)]
            assert snapshot.worst[0] < snapshot.worst[1]
            assert expected[snapshot.worst] == pytest.approx(off_diagonal.min(), abs=ROUNDING)


@settings(deadline=None)
@given(moves=steps, capacity=st.integers(1, 20), count=st.integers(0, 5))
def test_seams_are_the_worst_pairs_of_distinct_moments(moves, capacity, count):
    ring = SelfSimilarity(capacity, DIMENSION, 5.0)
    naive = NaiveSelf(capacity, 5.0)
    for item in call_of(moves):
        ring.update(item)
        naive.seen.append(item)
    seams = ring.seams(count)
    assert len(seams) <= count
    assert [seam.value for seam in seams] == sorted(seam.value for seam in seams)
    moments = [span for seam in seams for span in (seam.a, seam.b)]
    for position, moment in enumerate(moments):
        partner = position ^ 1
        others = [other for k, other in enumerate(moments) if k not in (position, partner)]
        assert not any(overlap(moment, other) for other in others)
    assert all(seam.kind is Modality.INTRA and seam.a < seam.b for seam in seams)
    if _untied(naive):
        expected = naive.worst_pairs(count)
        assert [(seam.a, seam.b) for seam in seams] == [(a, b) for a, b, _ in expected]
        assert [seam.value for seam in seams] == pytest.approx(
            [value for _, _, value in expected], abs=ROUNDING
        )


def _untied(naive: NaiveSelf) -> bool:
    matrix = naive.matrix()
    pairs = np.sort(matrix[np.triu_indices(len(matrix), 1)])
    return bool(np.all(np.diff(pairs) > ROUNDING))


@settings(deadline=None)
@given(windows=st.integers(20, 120), exchanged=st.integers(1, 60))
def test_an_exchanged_face_shows_as_soon_as_its_pairs_outnumber_the_percentile(windows, exchanged):
    exchanged = min(exchanged, windows // 2)
    ring = SelfSimilarity(256, DIMENSION, 5.0)
    first, second = np.eye(DIMENSION)[:2]
    for index in range(windows):
        ring.update(embedding(index, second if index >= windows - exchanged else first))
    low_pairs = 2 * exchanged * (windows - exchanged)
    position = 0.05 * (windows**2 - 1)
    if low_pairs > position + 1:
        assert ring.score < 0.01
    elif low_pairs <= position:
        assert ring.score > 0.99


def test_an_evicted_face_leaves_no_trace():
    ring = SelfSimilarity(10, DIMENSION, 5.0)
    first, second = np.eye(DIMENSION)[:2]
    for index in range(5):
        ring.update(embedding(index, first))
    for index in range(5, 15):
        ring.update(embedding(index, second))
    assert ring.score > 0.99
    assert ring.seams(1)[0].value > 0.99


@pytest.mark.parametrize("vector", [np.full(6, 0.5), np.full(6, np.nan), np.eye(5)[0]])
def test_vectors_that_are_no_unit_embedding_are_refused_and_leave_the_ring_alone(vector):
    ring = SelfSimilarity(2, DIMENSION, 5.0)
    for index in range(3):
        ring.update(embedding(index, np.eye(DIMENSION)[0]))
    before = ring.score
    item = embedding(3, np.eye(len(vector))[0])
    object.__setattr__(item, "vector", vector.astype(np.float32))
    with pytest.raises(ValueError, match=r"unit norm|dimension"):
        ring.update(item)
    assert ring.count == 2
    assert ring.score == before


def test_an_hour_of_windows_grows_nothing():
    rng = np.random.default_rng(1)
    ring = SelfSimilarity(64, DIMENSION, 5.0)
    vectors = rng.normal(size=(9000, DIMENSION))
    sizes = set()
    for index, vector in enumerate(vectors):
        ring.update(embedding(index, vector))
        if index >= 64 and index % 500 == 0:
            sizes.add(footprint(ring))
    assert len(sizes) == 1
    exact = NaiveSelf(64, 5.0)
    exact.seen = [embedding(i, v) for i, v in enumerate(vectors[-64:])]
    assert ring.score == pytest.approx(exact.score(), abs=SimilarityHistogram().bin_width + ROUNDING)
