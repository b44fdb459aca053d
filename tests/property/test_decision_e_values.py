"""Conformal e-values: fair bets on genuine values, whatever their distribution."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.decision.conformal import Reference

cosine = st.floats(-1, 1, allow_nan=False, width=32)
people = st.lists(st.lists(cosine, min_size=1, max_size=8), min_size=1, max_size=6)


def reference(tilt, speakers):
    return Reference(tilt=tilt, speakers=tuple(tuple(sorted(own)) for own in speakers))


@settings(deadline=None)
@given(speakers=people, value=cosine, tilt=st.floats(0, 30))
def test_agrees_with_the_formula_in_the_linear_domain(speakers, value, tilt):
    pooled = [x for own in speakers for x in own]
    bets = [math.exp(-tilt * x) for x in pooled]
    averages = [np.mean([math.exp(-tilt * x) for x in own]) for own in speakers]
    total = max(sum(bets), len(pooled) * np.mean(averages))
    bet = math.exp(-tilt * value)
    expected = (len(pooled) + 1) * bet / (total + bet)
    assert math.exp(reference(tilt, speakers).log_e_value(value)) == pytest.approx(expected, rel=1e-9)


@settings(deadline=None)
@given(values=st.lists(cosine, min_size=2, max_size=12), tilt=st.floats(0, 200))
def test_is_a_fair_bet_on_any_exchangeable_values(values, tilt):
    """Each of n + 1 exchangeable values is as likely to be the tested one: the mean over them is exact."""
    e_values = [
        math.exp(reference(tilt, [values[:k] + values[k + 1 :]]).log_e_value(values[k]))
        for k in range(len(values))
    ]
    assert np.mean(e_values) == pytest.approx(1.0, rel=1e-9)


@settings(deadline=None)
@given(speakers=people, low=cosine, high=cosine, tilt=st.floats(0, 2000))
def test_never_claims_more_than_the_material_supports_and_falls_with_the_value(speakers, low, high, tilt):
    low, high = sorted((low, high))
    given_low, given_high = (reference(tilt, speakers).log_e_value(x) for x in (low, high))
    assert given_low <= math.log(sum(map(len, speakers)) + 1) + 1e-9
    assert given_high <= given_low + 1e-9


@pytest.mark.parametrize("tilt", [2.0, 10.0])
@pytest.mark.parametrize("law", ["normal", "lognormal", "two_groups"])
def test_mean_over_fresh_material_is_one(law, tilt):
    rng = np.random.default_rng(7)
    draws = {
        "normal": lambda: rng.normal(0.0, 0.1, 41),
        "lognormal": lambda: 0.2 - 0.1 * rng.lognormal(0.0, 0.5, 41),
        "two_groups": lambda: rng.choice([-0.3, 0.1], 41, p=[0.1, 0.9]) + rng.normal(0.0, 0.02, 41),
    }
    e_values = []
    for _ in range(4000):
        *genuine, tested = draws[law]()
        e_values.append(math.exp(reference(tilt, [genuine]).log_e_value(tested)))
    assert np.mean(e_values) == pytest.approx(1.0, abs=4 * np.std(e_values) / math.sqrt(len(e_values)))


def test_speakers_with_few_low_values_are_not_drowned_by_one_with_many():
    high, low = [0.2] * 50, [-0.2]
    drowned = Reference(tilt=10.0, speakers=((*low, *high),))
    heard = reference(10.0, [low, high])
    assert heard.log_e_value(-0.2) < drowned.log_e_value(-0.2) - 1.0
