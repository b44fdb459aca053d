"""False alarms as material of a calibration."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realtime.alerts.alert_runs import AlertRun, Origin
from realtime.alerts.feedback_line import FeedbackLine, RunRecord
from realtime.alerts.feedback_reading import FalseAlarms
from realtime.calibration_feedback import alarms_again, fed_back, with_false_alarms
from realtime.config import DecisionConfig
from realtime.decision.fitting import fit
from realtime.decision.sequential import SequentialTest
from realtime.errors import CalibrationError
from tests.support.decision import RULE, Law, observed

MODELS, SETTINGS = {"lips": "a", "voice": "b"}, "0" * 64
ORIGIN = Origin(models=MODELS, configuration_sha256=SETTINGS)
LAW = Law(between_sd=0.1, correlation=0.3)
ANN, BEN = "a" * 16, "b" * 16


def line_of(seq, person, observations, origin=ORIGIN):
    return FeedbackLine(
        store="s", seq=seq, at="2026-03-01T00:00:00+00:00", state="false_alarm", alert_state="alert",
        margin=None, reasons=[], values={}, evidence={}, threshold=None, engines={},
        run=RunRecord.of(AlertRun(person=person, observations=tuple(observations)), origin),
    )  # fmt: skip


def brought(*lines, damaged=0):
    return fed_back(FalseAlarms(lines=lines, damaged=damaged), MODELS, SETTINGS)


def fitted(speakers):
    return fit(speakers, rule=RULE, description="simulated", engine_ids=MODELS, configuration_sha256=SETTINGS)


def recorded(seed=0, people=24):
    return [[observed(values)] for values in LAW.windows(np.random.default_rng(seed), people, 100)]


def until_alarm(calibration, observations):
    """The run that a monitor would have kept, and None where no alarm is raised."""
    test = SequentialTest(calibration, DecisionConfig())
    for count, each in enumerate(observations, start=1):
        if test.update(each.time_ns, [each]).alarm:
            return observations[max(0, count - 300) : count]
    return None


def drops_to(drop, seed=3, start=200):
    values = LAW.windows(np.random.default_rng(seed), 1, 300)[0]
    values[start:] -= drop
    return observed(values)


def test_runs_of_one_participant_are_one_person_and_a_window_counts_once():
    run = observed([0.3] * 12)
    back = brought(
        line_of(1, ANN, run[:8]), line_of(2, ANN, run[4:]), line_of(3, BEN, run), line_of(3, BEN, run)
    )
    assert back.people == (tuple(run), tuple(run))
    assert back.used == 4


def test_what_other_models_or_settings_made_is_refused():
    run = observed([0.3] * 4)
    others = (
        Origin(models={**MODELS, "lips": "c"}, configuration_sha256=SETTINGS),
        Origin(models=MODELS, configuration_sha256="1" * 64),
    )
    bare = line_of(9, ANN, run).model_copy(update={"run": None})
    back = brought(*(line_of(seq, ANN, run, origin) for seq, origin in enumerate(others)), bare, damaged=2)
    assert back.people == ()
    assert (back.used, back.of_others, back.without_observations, back.damaged) == (0, 2, 1, 2)


def test_runs_that_contradict_each_other_are_refused():
    run = observed([0.3] * 4)
    with pytest.raises(CalibrationError, match="different things"):
        brought(line_of(1, ANN, run), line_of(2, ANN, [replace(run[0], value=0.2)]))
    squeezed = tuple(replace(each, time_ns=number) for number, each in enumerate(run))
    with pytest.raises(CalibrationError, match="different things"):
        alarms_again(squeezed, fitted(recorded()), DecisionConfig())


def test_without_any_usable_false_alarm_the_calibration_is_as_it_was():
    alone = fitted(recorded())
    effect = with_false_alarms(alone, brought(), lambda marked: pytest.fail("nothing to fit"))
    assert effect.calibration is alone
    assert effect.alarming_again == 0


@pytest.mark.parametrize("drop", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("people", [12, 24])
def test_a_false_alarm_that_was_fed_back_is_raised_no_more(drop, people):
    speakers = recorded(people=people)
    alone = fitted(speakers)
    run = until_alarm(alone, drops_to(drop))
    assert run is not None
    back = brought(line_of(1, ANN, run))
    assert alarms_again(back.people[0], alone, DecisionConfig())
    effect = with_false_alarms(alone, back, lambda marked: fitted([*speakers, *marked]))
    assert not alarms_again(back.people[0], effect.calibration, DecisionConfig())
    assert effect.alarming_again == 0


def test_the_recordings_alone_are_what_a_promise_rests_on():
    speakers = recorded()
    alone = fitted(speakers)
    back = brought(line_of(1, ANN, until_alarm(alone, drops_to(0.3))))
    material = with_false_alarms(
        alone, back, lambda marked: fitted([*speakers, *marked])
    ).calibration.material
    assert replace(material, description="simulated") == alone.material
    assert "1 false alarms" in material.description


def test_a_fake_is_still_found_after_a_mild_false_alarm():
    speakers = recorded()
    alone = fitted(speakers)
    back = brought(line_of(1, ANN, until_alarm(alone, drops_to(0.3))))
    effect = with_false_alarms(alone, back, lambda marked: fitted([*speakers, *marked]))
    for seed in range(10, 15):
        assert until_alarm(effect.calibration, drops_to(0.7, seed)) is not None
