from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.evaluate.metrics import Ranking, auc, average_precision, equal_error_rate, roc_points

CLIPS = st.lists(st.tuples(st.booleans(), st.integers(-4, 4)), min_size=1, max_size=40)


def split(clips: list[tuple[bool, int]]) -> tuple[list[bool], list[float]]:
    return [fake for fake, _ in clips], [value / 4 for _, value in clips]


def auc_by_pairs(is_fake: list[bool], evidence: list[float]) -> float | None:
    wins = [
        1.0 if fake > genuine else 0.5 if fake == genuine else 0.0
        for is_one, fake in zip(is_fake, evidence, strict=True)
        if is_one
        for is_other, genuine in zip(is_fake, evidence, strict=True)
        if not is_other
    ]
    return sum(wins) / len(wins) if wins else None


@given(CLIPS)
def test_auc_counts_pairs_with_ties_half(clips: list[tuple[bool, int]]) -> None:
    is_fake, evidence = split(clips)
    expected = auc_by_pairs(is_fake, evidence)
    assert auc(is_fake, evidence) == (None if expected is None else pytest.approx(expected, abs=1e-12))


@given(CLIPS)
def test_auc_and_precision_agree_with_scikit_learn(clips: list[tuple[bool, int]]) -> None:
    reference = pytest.importorskip("sklearn.metrics", reason="needs scikit-learn, to compare with")
    is_fake, evidence = split(clips)
    if any(is_fake):
        expected = reference.average_precision_score(is_fake, evidence)
        assert average_precision(is_fake, evidence) == pytest.approx(expected, abs=1e-12)
    else:
        assert average_precision(is_fake, evidence) is None
    if any(is_fake) and not all(is_fake):
        assert auc(is_fake, evidence) == pytest.approx(reference.roc_auc_score(is_fake, evidence), abs=1e-12)


@given(CLIPS, st.randoms(use_true_random=False))
def test_a_weight_is_a_number_of_copies(clips: list[tuple[bool, int]], random) -> None:
    weights = [random.randint(0, 3) for _ in clips]
    copies = [clip for clip, weight in zip(clips, weights, strict=True) for _ in range(weight)]
    ranking = Ranking(*split(clips))
    repeated = Ranking(*split(copies)) if copies else None
    for name in ("auc", "average_precision"):
        expected = None if repeated is None else getattr(repeated, name)()
        weighted = getattr(ranking, name)(np.array(weights))
        assert weighted == (None if expected is None else pytest.approx(expected, abs=1e-12))


@given(CLIPS)
def test_the_roc_encloses_the_auc(clips: list[tuple[bool, int]]) -> None:
    is_fake, evidence = split(clips)
    if all(is_fake) or not any(is_fake):
        with pytest.raises(ValueError, match="ROC"):
            roc_points(is_fake, evidence)
        return
    false_rate, true_rate = roc_points(is_fake, evidence)
    assert (false_rate[0], true_rate[0], false_rate[-1], true_rate[-1]) == (0, 0, 1, 1)
    assert (np.diff(false_rate) >= 0).all()
    assert (np.diff(true_rate) >= 0).all()
    area = np.sum(np.diff(false_rate) * (true_rate[1:] + true_rate[:-1]) / 2)
    assert auc(is_fake, evidence) == pytest.approx(area, abs=1e-12)


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        ([0, 1, 2, 3], 0.0),
        ([3, 2, 1, 0], 1.0),
        ([0, 0, 0, 0], 0.5),
        ([0, 2, 1, 3], 0.5),
    ],
)
def test_equal_error_rate(evidence: list[float], expected: float) -> None:
    assert equal_error_rate([False, False, True, True], evidence) == pytest.approx(expected)


@given(CLIPS)
def test_at_the_equal_error_rate_both_errors_are_possible(clips: list[tuple[bool, int]]) -> None:
    is_fake, evidence = split(clips)
    rate = equal_error_rate(is_fake, evidence)
    if all(is_fake) or not any(is_fake):
        assert rate is None
        return
    assert rate is not None
    false_rate, true_rate = roc_points(is_fake, evidence)
    assert np.interp(rate, false_rate, true_rate) >= 1 - rate - 1e-9
    assert 0 <= rate <= 1


def test_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        auc([True, False], [np.nan, 0.0])
    with pytest.raises(ValueError, match="length"):
        auc([True, False], [0.0])
