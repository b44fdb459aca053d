"""The histogram against numpy.percentile over the same values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from realtime.similarity.histogram import SimilarityHistogram

similarities = st.one_of(
    st.floats(-1.0, 1.0, width=32), st.sampled_from([-1.0, 0.0, 1.0]), st.floats(0.6875, 0.703125, width=32)
)
batches = st.lists(similarities, max_size=12)


@settings(deadline=None)
@given(
    bins=st.sampled_from([1, 7, 256, 4096]),
    operations=st.lists(st.tuples(batches, st.integers(1, 3), st.integers(0, 2**32)), max_size=25),
    percent=st.floats(0, 100),
)
def test_percentiles_stay_within_a_bin_of_the_exact_ones(bins, operations, percent):
    histogram = SimilarityHistogram(bins)
    held: list[tuple[list[float], int]] = []
    for values, multiplicity, pick in operations:
        if held and pick % 3 == 0:
            removed, times = held.pop(pick % len(held))
            histogram.remove(np.array(removed), times)
        else:
            histogram.add(np.array(values), multiplicity)
            held.append((values, multiplicity))
        exact = np.array([value for batch, times in held for value in batch * times])
        assert histogram.total == exact.size
        if exact.size == 0:
            with pytest.raises(ValueError, match="empty"):
                histogram.percentile(percent)
            continue
        for n in (0.0, 5.0, percent, 100.0):
            assert histogram.percentile(n) == pytest.approx(
                np.percentile(exact, n), abs=histogram.bin_width + 1e-12
            )


@settings(deadline=None)
@given(held=batches, stranger=similarities)
def test_removing_what_is_not_held_changes_nothing(held, stranger):
    histogram = SimilarityHistogram()
    assume(all(abs(value - stranger) > histogram.bin_width for value in held))
    histogram.add(np.array(held))
    with pytest.raises(ValueError, match="does not hold"):
        histogram.remove(np.array([*held, stranger]))
    assert histogram.total == len(held)
    histogram.remove(np.array(held))
    assert histogram.total == 0


def test_a_value_cannot_be_removed_more_often_than_added():
    histogram = SimilarityHistogram()
    histogram.add([0.5, 0.5])
    with pytest.raises(ValueError, match="does not hold"):
        histogram.remove([0.5], multiplicity=3)
    histogram.remove([0.5], multiplicity=2)
    assert histogram.total == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(value):
    histogram = SimilarityHistogram()
    with pytest.raises(ValueError, match="finite"):
        histogram.add([0.1, value])
    assert histogram.total == 0


def test_rounding_beyond_the_ends_counts_as_the_end():
    histogram = SimilarityHistogram()
    histogram.add([1.0000001, -1.0000001])
    assert histogram.percentile(100) == pytest.approx(1.0, abs=histogram.bin_width)
    assert histogram.percentile(0) == pytest.approx(-1.0, abs=histogram.bin_width)


@pytest.mark.parametrize("percent", [-0.1, 100.1, float("nan")])
def test_percentiles_outside_the_range_are_refused(percent):
    histogram = SimilarityHistogram()
    histogram.add([0.5])
    with pytest.raises(ValueError, match="between 0 and 100"):
        histogram.percentile(percent)
