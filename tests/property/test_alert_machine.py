"""The alert machine in virtual time, against rules read off the whole history."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.alerts.machine import MAX_STEP_NS, SUSPICION_LAPSES_AFTER_NS, AlertMachine
from realtime.config import AlertConfig
from realtime.timebase import NS_PER_S
from realtime.types import AlertState, Modality, Seam, TimeSpan
from tests.support.evidence import footprint
from tests.support.naive import NaiveMachine

HOP_NS = 400_000_000
FACE = "identity_changed"
LIPS = "lips_do_not_fit_voice"
SEAM = Seam(
    kind=Modality.INTRA, a=TimeSpan(start_ns=0, end_ns=1), b=TimeSpan(start_ns=2, end_ns=3), value=-0.5
)

configs = st.builds(
    AlertConfig,
    suspicious_after_ns=st.sampled_from([0, HOP_NS, 2 * HOP_NS]),
    alert_after_ns=st.sampled_from([0, 2 * HOP_NS, 5 * HOP_NS]),
    clear_after_ns=st.sampled_from([0, 2 * HOP_NS, 6 * HOP_NS]),
)
margin = st.one_of(st.none(), st.sampled_from([-0.5, -0.1, 0.0, 0.1, 0.25, 0.3, 0.4, 0.5, 1.0]))
stretches = st.lists(
    st.tuples(
        st.integers(1, 12), margin, margin, st.sampled_from([HOP_NS, HOP_NS, HOP_NS // 3, 20 * NS_PER_S])
    ),
    max_size=20,
)


def timeline(parts):
    time_ns = 0
    for repeats, face, lips, step_ns in parts:
        for _ in range(repeats):
            time_ns += step_ns
            yield time_ns, {FACE: face, LIPS: lips}


def play(machine, levels, *, start_ns=0, channel=LIPS):
    """Feed one level per hop to one channel and return the transitions."""
    alerts = []
    for k, level in enumerate(levels, start=1):
        alert = machine.update(start_ns + k * HOP_NS, {channel: level}, lambda: (SEAM,), {})
        if alert is not None:
            alerts.append(alert)
    return alerts


@settings(deadline=None)
@given(parts=stretches, config=configs)
def test_every_update_agrees_with_the_whole_history(parts, config):
    machine = AlertMachine(config)
    naive = NaiveMachine(config, SUSPICION_LAPSES_AFTER_NS, MAX_STEP_NS)
    for time_ns, margins in timeline(parts):
        alert = machine.update(time_ns, margins, lambda: (SEAM,), {})
        assert (None if alert is None else alert.state) == naive.update(time_ns, margins)
        assert machine.state is naive.state


@settings(deadline=None)
@given(parts=stretches, config=configs)
def test_transitions_are_legal_and_carry_their_evidence(parts, config):
    machine = AlertMachine(config)
    state, calls = AlertState.CLEAR, []

    def seams():
        calls.append(1)
        return (SEAM,)

    for time_ns, margins in timeline(parts):
        before = len(calls)
        alert = machine.update(time_ns, margins, seams, {"score": 0.5})
        if alert is None:
            assert len(calls) == before
            continue
        assert alert.previous is state
        assert (alert.previous, alert.state) in {
            (AlertState.CLEAR, AlertState.SUSPICIOUS),
            (AlertState.SUSPICIOUS, AlertState.ALERT),
            (AlertState.SUSPICIOUS, AlertState.CLEAR),
            (AlertState.ALERT, AlertState.CLEAR),
        }
        assert alert.time_ns == time_ns
        assert alert.values == {"score": 0.5}
        state = alert.state
        if state is AlertState.CLEAR:
            assert alert.reasons in {("consistent_again",), ("evidence_ran_out",)}
            assert alert.seams == ()
            assert (alert.margin is None) == (alert.reasons == ("evidence_ran_out",))
        else:
            limit = config.onset_margin if state is AlertState.SUSPICIOUS else config.alert_margin
            assert alert.margin < limit
            assert alert.seams == (SEAM,)
            assert alert.reasons
            assert all(margins[reason] is not None and margins[reason] < limit for reason in alert.reasons)
    assert machine.state is state


@settings(deadline=None)
@given(parts=stretches, config=configs)
def test_no_transition_comes_before_its_minimum_duration(parts, config):
    machine = AlertMachine(config)
    history: list[tuple[int, dict[str, float | None]]] = []

    def unbroken_ns(channel, holds):
        """Call time since the channel's evidence last failed the test (or since its first evidence)."""
        start = None
        for time_ns, margins in history:
            if margins[channel] is None:
                continue
            start = (start if start is not None else time_ns) if holds(margins[channel]) else None
        return -1 if start is None else history[-1][0] - start

    for time_ns, margins in timeline(parts):
        history.append((time_ns, margins))
        alert = machine.update(time_ns, margins, tuple, {})
        if alert is None or alert.reasons == ("evidence_ran_out",):
            continue
        if alert.state is AlertState.CLEAR:
            assert any(
                unbroken_ns(c, lambda m: m > config.offset_margin) >= config.clear_after_ns
                for c in (FACE, LIPS)
            )
        elif alert.state is AlertState.SUSPICIOUS:
            for channel in alert.reasons:
                lasted = unbroken_ns(channel, lambda m: m < config.onset_margin)
                assert lasted >= config.suspicious_after_ns
        else:
            for channel in alert.reasons:
                assert unbroken_ns(channel, lambda m: m < config.alert_margin) >= config.alert_after_ns


@settings(deadline=None)
@given(
    dips=st.lists(st.tuples(st.integers(1, 1), st.integers(1, 6)), max_size=30), level=st.floats(-2.0, 0.2)
)
def test_short_dips_never_raise(dips, level):
    """A dip of one hop lasts no longer than the one sample that shows it."""
    levels = [value for low, high in dips for value in [level] * low + [0.9] * high]
    assert play(AlertMachine(AlertConfig()), levels) == []


def test_a_lasting_dip_is_suspicious_then_an_alert_then_clear():
    machine = AlertMachine(AlertConfig())
    alerts = play(machine, [0.9] * 5 + [-0.5] * 10 + [0.9] * 20)
    assert [(a.state, a.time_ns // HOP_NS) for a in alerts] == [
        (AlertState.SUSPICIOUS, 7),
        (AlertState.ALERT, 11),
        (AlertState.CLEAR, 29),
    ]
    assert [a.reasons for a in alerts] == [(LIPS,), (LIPS,), ("consistent_again",)]


def test_between_the_thresholds_nothing_moves():
    machine = AlertMachine(AlertConfig())
    assert play(machine, [0.3] * 100) == []
    raised = play(machine, [0.1] * 3 + [0.3] * 100, start_ns=1000 * NS_PER_S)
    assert [a.state for a in raised] == [AlertState.SUSPICIOUS]


def test_silence_neither_raises_nor_clears():
    machine = AlertMachine(AlertConfig())
    assert play(machine, [0.1] + [None] * 100) == []
    raised = play(machine, [-0.5] * 10, start_ns=1000 * NS_PER_S)
    assert raised[-1].state is AlertState.ALERT
    assert play(machine, [None] * 5000, start_ns=2000 * NS_PER_S) == []
    assert machine.state is AlertState.ALERT


def test_a_good_face_does_not_clear_an_alert_about_the_voice():
    machine = AlertMachine(AlertConfig())
    play(machine, [-0.5] * 10)
    for k in range(11, 3000):
        assert machine.update(k * HOP_NS, {FACE: 1.0, LIPS: None}, tuple, {}) is None
    assert machine.state is AlertState.ALERT
    lifted = play(machine, [1.0] * 14, start_ns=3000 * HOP_NS)
    assert [a.state for a in lifted] == [AlertState.CLEAR]


def test_a_second_channel_that_goes_low_must_recover_too():
    machine = AlertMachine(AlertConfig())
    play(machine, [-0.5] * 10)
    play(machine, [-0.5] * 10, start_ns=20 * HOP_NS, channel=FACE)
    assert play(machine, [1.0] * 50, start_ns=40 * HOP_NS) == []
    assert [a.state for a in play(machine, [1.0] * 14, start_ns=100 * HOP_NS, channel=FACE)] == [
        AlertState.CLEAR
    ]


def test_a_mere_suspicion_lapses_when_evidence_runs_out_and_does_not_come_back_by_itself():
    machine = AlertMachine(AlertConfig())
    play(machine, [0.1] * 3)
    assert machine.state is AlertState.SUSPICIOUS
    lapsed = play(machine, [None] * 1000, start_ns=3 * HOP_NS)
    assert [(a.state, a.reasons, a.margin) for a in lapsed] == [
        (AlertState.CLEAR, ("evidence_ran_out",), None)
    ]
    assert lapsed[0].time_ns - 3 * HOP_NS >= SUSPICION_LAPSES_AFTER_NS


def test_two_samples_far_apart_do_not_vouch_for_the_time_between():
    machine = AlertMachine(AlertConfig())
    machine.update(0, {LIPS: -1.0}, tuple, {})
    machine.update(3600 * NS_PER_S, {LIPS: -1.0}, tuple, {})
    assert machine.update(3601 * NS_PER_S - 1, {LIPS: -1.0}, tuple, {}) is None
    assert machine.state is AlertState.SUSPICIOUS


@pytest.mark.parametrize("time_ns", [HOP_NS * 3, HOP_NS * 2])
def test_time_that_does_not_rise_is_refused_and_changes_nothing(time_ns):
    machine = AlertMachine(AlertConfig())
    play(machine, [0.9, 0.9, -0.5])
    with pytest.raises(ValueError, match="must rise"):
        machine.update(time_ns, {LIPS: -0.5}, tuple, {})
    assert machine.state is AlertState.CLEAR
    assert [a.time_ns for a in play(machine, [-0.5], start_ns=3 * HOP_NS)] == [4 * HOP_NS]


@pytest.mark.parametrize("level", [float("nan"), float("inf"), float("-inf")])
def test_a_margin_that_is_not_finite_is_refused(level):
    machine = AlertMachine(AlertConfig())
    with pytest.raises(ValueError, match="finite"):
        machine.update(1, {LIPS: level}, tuple, {})
    assert machine.state is AlertState.CLEAR


def test_an_hour_of_evidence_grows_nothing():
    machine = AlertMachine(AlertConfig())
    sizes = set()
    for k in range(1, 9001):
        level = None if k % 7 == 0 else (-0.5 if (k // 50) % 2 else 0.9)
        machine.update(k * HOP_NS, {LIPS: level, FACE: 0.8}, tuple, {})
        if machine.state is AlertState.ALERT and k % 7 != 0:
            sizes.add(footprint(machine))
    assert len(sizes) == 1
