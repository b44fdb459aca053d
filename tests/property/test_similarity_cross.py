"""The cross-similarity ring against sums and matrices computed anew after every update."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.config import WindowConfig
from realtime.similarity.cross_similarity import MAX_CAPACITY, CrossSimilarity
from realtime.timebase import TICK_NS
from realtime.types import Modality
from tests.support.evidence import embedding, footprint, lag_embeddings
from tests.support.naive import NaiveCross

DIMENSION = 5
ROUNDING = 1e-5

steps = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.integers(0, 2**32),
        st.lists(st.booleans(), min_size=7, max_size=7) | st.just([True] * 7),
    ),
    min_size=1,
    max_size=40,
)


def call_of(moves, band):
    index = 0
    for gap, seed, valid in moves:
        index += gap
        rng = np.random.default_rng(seed)
        lags = 2 * band + 1
        voice = lag_embeddings(index, rng.normal(size=(lags, DIMENSION)), valid[:lags])
        yield embedding(index, rng.normal(size=DIMENSION)), voice


@settings(deadline=None)
@given(moves=steps, capacity=st.integers(1, 12), band=st.integers(0, 3), recent=st.integers(1, 6))
def test_every_update_agrees_with_the_naive_sums(moves, capacity, band, recent):
    ring = CrossSimilarity(capacity, DIMENSION, band)
    naive = NaiveCross(capacity, band)
    assert ring.score is None
    for visual, audio in call_of(moves, band):
        row = ring.update(visual, audio)
        naive.seen.append((visual, audio))
        table = naive.by_lag()
        np.testing.assert_allclose(row, table[-1], atol=ROUNDING)
        np.testing.assert_array_equal(ring.lag_counts, np.isfinite(table).sum(axis=0))
        profile = ring.lag_profile()
        assert profile.shape == (2 * band + 1,)
        for lag in range(-band, band + 1):
            expected = naive.mean_at(lag)
            if expected is None:
                assert ring.mean_at(lag) is None
                assert math.isnan(profile[lag + band])
            else:
                assert ring.mean_at(lag) == pytest.approx(expected, abs=ROUNDING)
                assert profile[lag + band] == pytest.approx(expected, abs=ROUNDING)
        assert ring.score == ring.mean_at(0)

        snapshot = ring.matrix()
        expected_matrix = naive.matrix()
        np.testing.assert_allclose(snapshot.values, expected_matrix, atol=ROUNDING)
        assert snapshot.spans == tuple(held.span for held, _ in naive.held)
        diagonal = np.diagonal(expected_matrix)
        if np.isfinite(diagonal).any():
            assert snapshot.worst[0] == snapshot.worst[1]
            assert expected_matrix[snapshot.worst] == pytest.approx(np.nanmin(diagonal), abs=ROUNDING)
        else:
            assert snapshot.worst is None

        since = visual.window_index - 6
        wanted = [
            value
            for (held, _), value in zip(naive.held, table[:, band], strict=True)
            if held.window_index >= since
        ][-recent:]
        np.testing.assert_allclose(
            ring.newest(0, recent, since), [value for value in wanted if np.isfinite(value)], atol=ROUNDING
        )
        rows = table[[held.window_index >= since for held, _ in naive.held]][-recent:]
        means, counts = ring.recent_profile(recent, since)
        np.testing.assert_array_equal(counts, np.isfinite(rows).sum(axis=0))
        for column in range(2 * band + 1):
            present = rows[np.isfinite(rows[:, column]), column]
            expected = (
                pytest.approx(present.mean(), abs=ROUNDING)
                if present.size
                else pytest.approx(math.nan, nan_ok=True)
            )
            assert means[column] == expected


@settings(deadline=None)
@given(
    moves=steps,
    capacity=st.integers(1, 20),
    lag=st.integers(-3, 3),
    count=st.integers(0, 5),
    since=st.integers(0, 40),
)
def test_seams_are_the_worst_windows_at_the_lag(moves, capacity, lag, count, since):
    ring = CrossSimilarity(capacity, DIMENSION, 3)
    naive = NaiveCross(capacity, 3)
    for visual, audio in call_of(moves, 3):
        ring.update(visual, audio)
        naive.seen.append((visual, audio))
    seams = ring.seams(lag, count, since)
    assert all(seam.kind is Modality.CROSS for seam in seams)
    assert all(seam.b.start_ns - seam.a.start_ns == lag * TICK_NS for seam in seams)
    expected = naive.worst(lag, count, since)
    assert [seam.value for seam in seams] == pytest.approx([v for _, _, v in expected], abs=ROUNDING)
    assert [seam.a for seam in seams] == [a for a, _, _ in expected]


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), scale=st.sampled_from([1.0, 1e-3, 1e-9]))
def test_running_sums_are_exact_after_many_evictions(seed, scale):
    """Similarities of very different size, which would make a plain running sum drift."""
    rng = np.random.default_rng(seed)
    ring = CrossSimilarity(5, 2, 0)
    newest: list[float] = []
    for index in range(150):
        angle = np.pi / 2 - scale ** rng.integers(0, 2) * rng.normal()
        voice = lag_embeddings(index, [[np.cos(angle), np.sin(angle)]])
        newest.append(float(ring.update(embedding(index, [1.0, 0.0]), voice)[0]))
        held = newest[-5:]
        assert ring.score == math.fsum(held) / len(held)


def test_lag_rows_follow_the_sign_convention():
    """Row l is the audio moved by l - B ticks: a voice that comes 2 ticks late matches at lag +2."""
    windows = WindowConfig()
    rng = np.random.default_rng(3)
    speech = rng.normal(size=(400, 8))
    ring = CrossSimilarity(20, 8, windows.band_ticks)
    for index in range(20):
        tick = 20 + index * windows.hop_ticks
        rows = [speech[tick + lag - 2] for lag in range(-windows.band_ticks, windows.band_ticks + 1)]
        ring.update(embedding(index, speech[tick]), lag_embeddings(index, rows))
    assert ring.mean_at(2) == pytest.approx(1.0, abs=ROUNDING)
    assert int(np.argmax(ring.lag_profile())) - windows.band_ticks == 2


def test_a_mismatched_pair_is_refused_and_leaves_the_ring_alone():
    ring = CrossSimilarity(4, 3, 1)
    rows = np.eye(3)
    ring.update(embedding(0, rows[0]), lag_embeddings(0, rows))
    with pytest.raises(ValueError, match="voice of window 2"):
        ring.update(embedding(1, rows[0]), lag_embeddings(2, rows))
    with pytest.raises(ValueError, match="lags"):
        ring.update(embedding(1, rows[0]), lag_embeddings(1, rows[:2]))
    with pytest.raises(ValueError, match="dimension"):
        ring.update(embedding(1, np.eye(4)[0]), lag_embeddings(1, rows))
    assert ring.count == 1
    assert ring.lag_counts.tolist() == [1, 1, 1]


@pytest.mark.parametrize("lag", [-2, 2])
def test_a_lag_outside_the_band_is_refused(lag):
    with pytest.raises(ValueError, match="outside the band"):
        CrossSimilarity(4, 3, 1).mean_at(lag)


def test_a_capacity_that_would_not_be_exact_is_refused():
    with pytest.raises(ValueError, match="at most"):
        CrossSimilarity(MAX_CAPACITY + 1, 3, 1)


def test_an_hour_of_windows_grows_nothing():
    rng = np.random.default_rng(2)
    ring = CrossSimilarity(32, DIMENSION, 2)
    sizes = set()
    for index in range(9000):
        voice = lag_embeddings(index, rng.normal(size=(5, DIMENSION)), rng.random(5) > 0.1)
        ring.update(embedding(index, rng.normal(size=DIMENSION)), voice)
        if index >= 32 and index % 500 == 0:
            sizes.add(footprint(ring))
    assert len(sizes) == 1
