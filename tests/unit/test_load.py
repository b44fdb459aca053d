"""The load governor and the admission of participants, in virtual time."""

from __future__ import annotations

import pytest

from realtime.load import BUSY_SPAN_S, CALM_NS, BusyMeter, DeviceLoad, LoadGovernor, overloaded_device
from realtime.timebase import NS_PER_S


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


def test_busy_is_the_average_of_the_last_whole_seconds() -> None:
    meter = BusyMeter()
    assert meter.busy(10 * NS_PER_S) == 0
    for second in range(100):
        meter.add(second * NS_PER_S, second * NS_PER_S + NS_PER_S // 4)
    assert meter.busy(100 * NS_PER_S) == pytest.approx(0.25)
    assert meter.busy(102 * NS_PER_S) == pytest.approx(0.25 * (BUSY_SPAN_S - 2) / BUSY_SPAN_S)
    assert meter.busy(200 * NS_PER_S) == 0
    assert len(meter._busy_ns) <= BUSY_SPAN_S + 1


def test_runs_at_the_same_time_add_up() -> None:
    meter = BusyMeter()
    for second in range(BUSY_SPAN_S):
        for _ in range(3):
            meter.add(second * NS_PER_S, second * NS_PER_S + NS_PER_S // 2)
    assert meter.busy(BUSY_SPAN_S * NS_PER_S) == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("busy", "capacity", "participants", "full"),
    [
        (0.0, 1.0, 0, False),
        (5.0, 1.0, 0, False),
        (0.39, 1.0, 1, False),
        (0.41, 1.0, 1, True),
        (1.2, 2.0, 4, False),
        (1.3, 2.0, 4, True),
        (0.7, 1.0, 8, False),
        (0.7, 1.0, 6, True),
    ],
)
def test_one_more_participant_must_fit_beside_those_that_are_there(
    busy, capacity, participants, full
) -> None:
    idle = DeviceLoad(device="idle", busy=0.0, capacity=1.0)
    load = DeviceLoad(device="cpu", busy=busy, capacity=capacity)
    assert overloaded_device([idle, load], participants) == (load if full else None)
