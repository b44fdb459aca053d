"""Findings of a sequential test beside margins, against rules read off the whole history."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.alerts.machine import MAX_STEP_NS, SUSPICION_LAPSES_AFTER_NS, AlertMachine, Finding
from realtime.config import AlertConfig
from realtime.types import AlertState
from tests.property.test_alert_machine import (
    FACE,
    HOP_NS,
    LIPS,
    SEAM,
    configs,
    margin,
    play,
    stretches,
    timeline,
)
from tests.support.naive import NaiveMachine

NOTHING = Finding(suspects=(), culprits=())
SUSPICION = Finding(suspects=(LIPS,), culprits=())
ALARM = Finding(suspects=(LIPS,), culprits=(LIPS,))
findings = st.sampled_from(
    [
        None,
        NOTHING,
        SUSPICION,
        ALARM,
        Finding(suspects=(FACE,), culprits=()),
        Finding(suspects=(FACE, LIPS), culprits=(FACE,)),
    ]
)
tested_channels = st.sampled_from([(), (LIPS,), (FACE, LIPS)])


@settings(deadline=None)
@given(
    parts=st.lists(st.tuples(stretches.map(lambda parts: parts[:3]), findings), max_size=8),
    config=configs,
    tested=tested_channels,
)
def test_findings_and_margins_together_agree_with_the_whole_history(parts, config, tested):
    machine = AlertMachine(config, tested)
    naive = NaiveMachine(config, SUSPICION_LAPSES_AFTER_NS, MAX_STEP_NS, tested)
    updates = [(time_ns, margins, finding) for part, finding in parts for time_ns, margins in timeline(part)]
    now_ns = before_ns = 0
    for time_ns, margins, finding in updates:
        now_ns += time_ns - before_ns if time_ns > before_ns else time_ns
        before_ns = time_ns
        alert = machine.update(now_ns, margins, lambda: (SEAM,), {}, finding)
        assert (None if alert is None else alert.state) == naive.update(now_ns, margins, finding)
        assert machine.state is naive.state


@settings(deadline=None)
@given(
    steps=st.lists(st.tuples(margin, margin, findings), max_size=80), config=configs, tested=tested_channels
)
def test_every_step_with_a_finding_of_its_own_agrees_with_the_whole_history(steps, config, tested):
    machine = AlertMachine(config, tested)
    naive = NaiveMachine(config, SUSPICION_LAPSES_AFTER_NS, MAX_STEP_NS, tested)
    for k, (face, lips, finding) in enumerate(steps, start=1):
        margins = {FACE: face, LIPS: lips}
        alert = machine.update(k * HOP_NS, margins, lambda: (SEAM,), {}, finding)
        assert (None if alert is None else alert.state) == naive.update(k * HOP_NS, margins, finding)


@settings(deadline=None)
@given(parts=stretches, config=configs)
def test_a_tested_channel_is_never_an_alert_by_its_margin(parts, config):
    machine = AlertMachine(config, tested=(FACE, LIPS))
    for time_ns, margins in timeline(parts):
        machine.update(time_ns, margins, tuple, {}, NOTHING)
        assert machine.state is not AlertState.ALERT


def play_found(machine, steps, *, start=1):
    """Feed one pair of a margin of the lips and a finding per hop and return the transitions."""
    fed = (
        machine.update(k * HOP_NS, {LIPS: level}, lambda: (SEAM,), {}, finding)
        for k, (level, finding) in enumerate(steps, start=start)
    )
    return [alert for alert in fed if alert is not None]


def test_an_alarm_of_the_test_is_an_alert_whatever_the_margins_say():
    machine = AlertMachine(AlertConfig(), tested=(LIPS,))
    alerts = play_found(machine, [(0.9, NOTHING)] * 5 + [(0.9, ALARM)] * 3)
    assert [(a.state, a.time_ns // HOP_NS, a.reasons) for a in alerts] == [
        (AlertState.SUSPICIOUS, 6, (LIPS,)),
        (AlertState.ALERT, 7, (LIPS,)),
    ]
    assert alerts[-1].seams == (SEAM,)


def test_an_alert_waits_for_both_the_test_and_the_margin_to_be_calm():
    machine = AlertMachine(AlertConfig(), tested=(LIPS,))
    play_found(machine, [(-0.5, ALARM)] * 10)
    assert machine.state is AlertState.ALERT
    assert play_found(machine, [(0.9, ALARM)] * 100, start=11) == []
    assert play_found(machine, [(0.9, SUSPICION)] * 100, start=111) == []
    assert play_found(machine, [(-0.5, NOTHING)] * 100, start=211) == []
    assert [a.state for a in play_found(machine, [(0.9, NOTHING)] * 20, start=311)] == [AlertState.CLEAR]


def test_silence_keeps_what_the_test_last_found():
    machine = AlertMachine(AlertConfig(), tested=(LIPS,))
    play_found(machine, [(0.9, ALARM)] * 2)
    assert machine.state is AlertState.ALERT
    assert play_found(machine, [(None, None)] * 5000, start=3) == []
    assert machine.state is AlertState.ALERT


def test_a_suspicion_of_the_test_lapses_like_any_other():
    machine = AlertMachine(AlertConfig(), tested=(LIPS,))
    play_found(machine, [(0.9, SUSPICION)])
    lapsed = play_found(machine, [(None, None)] * 1000, start=2)
    assert [(a.state, a.reasons) for a in lapsed] == [(AlertState.CLEAR, ("evidence_ran_out",))]


def test_other_channels_still_alert_by_their_margin():
    machine = AlertMachine(AlertConfig(), tested=(LIPS,))
    assert play(machine, [-0.5] * 10, channel=FACE)[-1].reasons == (FACE,)
