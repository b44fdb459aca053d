"""The matrix of lips and voice is filled when somebody looks; when that is makes no difference."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.similarity.cross_similarity import CrossSimilarity
from tests.support.evidence import embedding, lag_embeddings

DIMENSION = 5


@settings(deadline=None)
@given(
    capacity=st.integers(1, 9),
    windows=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40),
    seed=st.integers(0, 2**32),
)
def test_looking_now_and_then_shows_the_same_bits_as_looking_always(capacity, windows, seed):
    rng = np.random.default_rng(seed)
    always, sometimes = (CrossSimilarity(capacity, DIMENSION, 1) for _ in range(2))
    for index, (looked_at, heard) in enumerate(windows):
        lips = embedding(index, rng.normal(size=DIMENSION))
        voice = lag_embeddings(index, rng.normal(size=(3, DIMENSION)), [True, heard, True])
        always.update(lips, voice)
        expected = always.matrix()
        sometimes.update(lips, voice)
        if looked_at or index == len(windows) - 1:
            seen = sometimes.matrix()
            np.testing.assert_array_equal(seen.values, expected.values)
            assert (seen.spans, seen.worst) == (expected.spans, expected.worst)
