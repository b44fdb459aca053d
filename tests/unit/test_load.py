"""The load governor in virtual time."""

from __future__ import annotations

from realtime.load import CALM_NS, LoadGovernor


def test_a_growing_backlog_lowers_the_sampling_rate_at_once() -> None:
    governor = LoadGovernor()
    assert [governor.update(0, backlog) for backlog in (0, 9, 10, 17, 18, 25)] == [1, 1, 2, 2, 4, 4]


def test_calm_lifts_one_step_at_a_time() -> None:
    governor = LoadGovernor()
    governor.update(0, 20)
    assert governor.update(1, 0) == 4
    assert governor.update(CALM_NS, 0) == 4
    assert governor.update(1 + CALM_NS, 0) == 2
    assert governor.update(1 + 2 * CALM_NS, 0) == 1


def test_a_middling_backlog_restarts_the_calm() -> None:
    governor = LoadGovernor()
    governor.update(0, 12)
    governor.update(1, 0)
    governor.update(CALM_NS, 6)
    governor.update(CALM_NS + 1, 0)
    assert governor.update(2 * CALM_NS, 0) == 2
    assert governor.update(2 * CALM_NS + 1, 0) == 1
