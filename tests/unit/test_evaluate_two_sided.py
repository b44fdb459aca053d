from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.evaluate.clip_statistics import (
    CROSS_STATISTICS,
    INTRA_STATISTICS,
    ClipTrace,
    clip_statistics,
    piece_statistics,
)
from training.evaluate.clips import ClipScore, ClipStatus, EvaluationClip
from training.evaluate.references import with_two_sided
from training.evaluate.two_sided import MIN_REFERENCE, two_sided_ranks, typicality


def genuine_statistics(generator: np.random.Generator, clips: int, *, ties: bool) -> np.ndarray:
    """Three statistics, two of them strongly dependent and one skewed."""
    base = generator.normal(size=(clips, 1))
    values = np.hstack(
        [
            base,
            base + 0.1 * generator.normal(size=(clips, 1)),
            generator.exponential(size=(clips, 1)),
        ]
    )
    return np.round(values) if ties else values


@pytest.mark.parametrize("rule", ["sum", "max"])
@pytest.mark.parametrize("ties", [False, True])
def test_p_values_of_exchangeable_clips_are_super_uniform(rule, ties: bool) -> None:
    generator = np.random.default_rng(11)
    trials = 1500
    combined, single = [], []
    for _ in range(trials):
        values = genuine_statistics(generator, 40, ties=ties)
        result = typicality(values[0], values[1:], rule)
        assert result is not None
        combined.append(result.p_value)
        single.append(result.p_values)
    for level in (0.05, 0.1, 0.25, 0.5, 0.8):
        allowed = level + 3 * np.sqrt(level * (1 - level) / trials)
        assert np.mean(np.array(combined) <= level) <= allowed
        assert (np.mean(np.array(single) <= level, axis=0) <= allowed).all()
    if not ties:
        assert np.mean(np.array(combined) <= 0.5) > 0.45


@pytest.mark.parametrize("rule", ["sum", "max"])
@pytest.mark.parametrize("shift", [-6.0, 6.0])
def test_both_too_little_and_too_much_is_untypical(rule, shift: float) -> None:
    values = genuine_statistics(np.random.default_rng(1), 200, ties=False)
    typical = typicality(np.median(values, axis=0), values, rule)
    odd = typicality(np.median(values, axis=0) + np.array([shift, 0, 0]), values, rule)
    assert typical is not None
    assert odd is not None
    assert odd.evidence > typical.evidence
    assert odd.p_values[0] == pytest.approx(2 / 201)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=25))
def test_ranks_count_both_sides(column: list[int]) -> None:
    expected = [
        min(
            1.0,
            2
            * min(sum(other <= value for other in column), sum(other >= value for other in column))
            / len(column),
        )
        for value in column
    ]
    assert two_sided_ranks(np.array(column)[:, None])[:, 0] == pytest.approx(expected)


@given(st.permutations(range(30)))
def test_the_order_of_the_reference_does_not_matter(order: list[int]) -> None:
    values = genuine_statistics(np.random.default_rng(2), 31, ties=True)
    first = typicality(values[0], values[1:])
    second = typicality(values[0], values[1:][list(order)])
    assert first is not None
    assert second is not None
    assert first.evidence == second.evidence
    assert first.p_value == second.p_value


def test_too_small_a_reference_says_nothing() -> None:
    values = genuine_statistics(np.random.default_rng(3), MIN_REFERENCE, ties=False)
    assert typicality(values[0], values[1:]) is None
    assert typicality(values[0], values) is not None
    with pytest.raises(ValueError, match="finite"):
        typicality(np.array([np.nan, 0, 0]), values)
    with pytest.raises(ValueError, match="expected"):
        typicality(np.zeros(2), values)


def scored(name: str, statistics: dict[str, float], *, fake: bool = False, windows: int = 0, condition=""):
    """A clip whose pieces, of so many windows, are all alike; a short one without a length."""
    clip = EvaluationClip(
        path=Path(name), is_fake=fake, kind="k", generator="", speaker=name, condition=condition
    )
    return ClipScore(
        clip=clip,
        status=ClipStatus.SCORED,
        cross_windows=windows,
        statistics=statistics,
        pieces={windows: (statistics, statistics)} if windows else {},
        evidence={"live": 1.0},
    )


def every_statistic(value: float) -> dict[str, float]:
    return dict.fromkeys(INTRA_STATISTICS + CROSS_STATISTICS, value)


def reference(count: int = 40, **changes) -> list[ClipScore]:
    return [scored(f"ref{index}", every_statistic(float(index)), **changes) for index in range(count)]


def test_two_sided_columns_join_the_others() -> None:
    low, middle, high = with_two_sided(
        [scored(name, every_statistic(value)) for name, value in (("a", -1.0), ("b", 19.5), ("c", 99.0))],
        reference(),
    )
    for channel in ("two_sided", "two_sided_intra", "two_sided_cross"):
        assert low.evidence[channel] == pytest.approx(high.evidence[channel])
        assert low.evidence[channel] > middle.evidence[channel]
    assert low.evidence["live"] == 1.0
    assert low.evidence["two_sided"] == pytest.approx(
        low.evidence["two_sided_intra"] + low.evidence["two_sided_cross"]
    )


def test_a_missing_statistic_leaves_its_channel_out() -> None:
    [judged] = with_two_sided([scored("a", dict.fromkeys(INTRA_STATISTICS, 3.0))], reference())
    assert judged.evidence["two_sided_intra"] is not None
    assert judged.evidence["two_sided_cross"] is None
    assert judged.evidence["two_sided"] is None


def test_the_reference_is_of_the_same_length_and_condition() -> None:
    clip = scored("a", every_statistic(0.5), windows=8, condition="lq")
    for other in (0, 4, 16):
        assert (
            with_two_sided([clip], reference(windows=other, condition="lq"))[0].evidence["two_sided"] is None
        )
    same = reference(windows=8, condition="lq")
    expected = with_two_sided([clip], same)[0].evidence["two_sided"]
    assert expected is not None
    shifted = [
        replace(score, pieces={8: (every_statistic(score.statistics["sync_best"] - 20),)})
        for score in reference(windows=8, condition="hq")
    ]
    assert with_two_sided([clip], [*same, *shifted])[0].evidence["two_sided"] == expected
    assert with_two_sided([clip], shifted)[0].evidence["two_sided"] is not None


def test_the_evidence_of_a_clip_is_the_mean_of_its_longest_pieces() -> None:
    pieces = [every_statistic(value) for value in (-1.0, 7.5, 19.0)]
    genuine = reference(windows=4)
    alone = [
        with_two_sided([scored("a", piece, windows=4)], genuine)[0].evidence["two_sided"] for piece in pieces
    ]
    clip = replace(scored("a", pieces[0]), pieces={4: tuple(pieces)})
    assert with_two_sided([clip], genuine)[0].evidence["two_sided"] == pytest.approx(np.mean(alone))
    longer = replace(clip, pieces={4: tuple(pieces), 8: (pieces[1],)})
    assert with_two_sided([longer], genuine)[0].evidence["two_sided"] is None


def test_fakes_and_the_clip_itself_are_no_reference() -> None:
    clean = reference(MIN_REFERENCE)
    fakes = [scored(f"f{index}", every_statistic(5.0), fake=True) for index in range(50)]
    clip = scored("a", every_statistic(5.0))
    assert with_two_sided([clip], [*clean, *fakes]) == with_two_sided([clip], clean)
    assert with_two_sided([clean[0]], clean)[0].evidence["two_sided"] is None


def naive_sync(profiles: np.ndarray) -> tuple[float, float]:
    means = [np.nanmean(column) for column in profiles.T if 2 * np.isfinite(column).sum() >= len(profiles)]
    return max(means), max(means) - float(np.median(means))


def test_statistics_of_a_trace() -> None:
    generator = np.random.default_rng(4)
    vectors = generator.normal(size=(6, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    identity = (vectors @ vectors.T).astype(np.float32)
    profiles = generator.uniform(-1, 1, size=(12, 7)).astype(np.float32)
    profiles[:, 2] += 1
    profiles[3, 0] = np.nan
    found = clip_statistics(ClipTrace(identity=identity, lag_profiles=profiles))
    pairs = [float(identity[a, b]) for a in range(6) for b in range(a)]
    assert found["identity_low"] == pytest.approx(np.percentile(pairs, 5))
    assert found["identity_spread"] == pytest.approx(np.std(pairs))
    assert (found["sync_best"], found["sync_rise"]) == pytest.approx(naive_sync(profiles))
    assert found["sync_spread"] == pytest.approx(np.std(profiles[:, 2].astype(np.float64)))
    own = [int(np.nanargmax(row)) for row in profiles]
    assert found["lag_scatter"] == pytest.approx(np.mean([abs(lag - 2) for lag in own]))


def test_pieces_follow_each_other_and_cover_the_clip_alike() -> None:
    generator = np.random.default_rng(5)
    profiles = generator.uniform(-1, 1, size=(17, 5)).astype(np.float32)
    identity = generator.uniform(-1, 1, size=(34, 34)).astype(np.float32)
    found = piece_statistics(ClipTrace(identity=identity, lag_profiles=profiles))
    assert {length: len(pieces) for length, pieces in found.items()} == {4: 4, 8: 2, 16: 1}
    assert found[8][1] == clip_statistics(
        ClipTrace(identity=identity[16:32, 16:32], lag_profiles=profiles[8:16])
    )
    assert piece_statistics(ClipTrace(identity=identity, lag_profiles=profiles[:3])) == {}


def test_statistics_of_little() -> None:
    empty = ClipTrace(identity=np.zeros((0, 0), np.float32), lag_profiles=np.zeros((0, 15), np.float32))
    assert clip_statistics(empty) == {}
    one = ClipTrace(identity=np.ones((1, 1), np.float32), lag_profiles=np.eye(1, 15, 4, dtype=np.float32))
    assert clip_statistics(one) == {
        "identity_low": 1.0,
        "identity_spread": 0.0,
        "sync_best": 1.0,
        "sync_rise": 1.0,
        "sync_spread": 0.0,
        "lag_scatter": 0.0,
    }
    unheard = ClipTrace(
        identity=np.zeros((0, 0), np.float32), lag_profiles=np.full((3, 15), np.nan, np.float32)
    )
    assert clip_statistics(unheard) == {}
