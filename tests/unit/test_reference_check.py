"""A participant against the reference: the value of a window, and when it speaks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realtime.config import MonitorConfig, ReferenceConfig
from realtime.errors import ConfigurationError
from realtime.identity.reference import NOT_THE_REFERENCE, Reference, ReferenceCheck
from realtime.judge import EncodedWindow, Judge
from realtime.types import AlertState, Verdict
from tests.support.evidence import embedding, unit, window

CONFIG = ReferenceConfig()
FRONT, SIDE, STRANGER = np.eye(8)[:3]
KNOWN = Reference(looks=unit([FRONT, SIDE]), engine_id="test")


def alike(similarity, look=FRONT):
    """Return a face of a given similarity to a look, and none to the other."""
    return similarity * look + np.sqrt(1 - similarity**2) * STRANGER


def shown(check, values, start=0, step=1):
    margins = []
    for number, value in enumerate(values):
        index = start + number * step
        check.update(None if value is None else embedding(index, alike(value)))
        margins.append(check.margin)
    return margins


@pytest.mark.parametrize("look", [FRONT, SIDE])
@pytest.mark.parametrize("value", [0.95, 0.4, 0.1])
def test_a_window_is_compared_with_the_look_that_it_is_most_like(look, value):
    check = ReferenceCheck(KNOWN, CONFIG)
    assert check.update(embedding(0, alike(value, look))) == pytest.approx(value, abs=1e-5)


def test_the_margin_is_that_of_the_mean_over_the_newest_windows():
    check = ReferenceCheck(KNOWN, CONFIG)
    values = [0.9] * 5 + [0.2] * 5
    margins = shown(check, values)
    assert margins[:4] == [None] * 4
    for number in range(4, 10):
        mean = np.mean(values[number - 4 : number + 1])
        expected = (mean - CONFIG.alert) / (CONFIG.genuine - CONFIG.alert)
        assert margins[number] == pytest.approx(expected, abs=1e-4)


def test_a_window_without_a_face_says_nothing():
    check = ReferenceCheck(KNOWN, CONFIG)
    shown(check, [0.1] * 10)
    assert check.update(None) is None
    assert check.margin is None


def test_faces_seen_long_ago_are_not_joined_to_new_ones():
    check = ReferenceCheck(KNOWN, CONFIG)
    shown(check, [0.1] * 5)
    margins = shown(check, [0.9] * 5, start=1000)
    assert margins[:4] == [None] * 4
    assert margins[4] > 1


def test_another_engine_is_refused():
    check = ReferenceCheck(KNOWN, CONFIG)
    with pytest.raises(ValueError, match="cannot be compared"):
        check.update(replace(embedding(0, FRONT), engine_id="other"))


def test_nothing_biometric_is_printed():
    assert "looks" not in repr(KNOWN)
    assert "0." not in repr(KNOWN)


@pytest.mark.parametrize("wrong", [{"alert": 0.6}, {"mean_windows": 0}, {"mean_windows": 30}])
def test_settings_that_contradict_each_other_are_refused(wrong):
    with pytest.raises(ConfigurationError):
        ReferenceConfig(**wrong)


def judged(values, reference, config=MonitorConfig()):  # noqa: B008
    judge = Judge(config, reference=reference)
    return [
        judge.take(
            EncodedWindow(
                window=window(index, config.windows, faces=0.0 if value is None else 1.0, speech=0.0),
                identity=None if value is None else embedding(index, alike(value)),
                lips=None,
                voice=None,
            )
        )
        for index, value in enumerate(values)
    ]


def test_somebody_else_from_the_start_is_an_alert_that_says_so():
    results = judged([0.1] * 25, KNOWN)
    alerts = [result.alert for result in results if result.alert is not None]
    assert [alert.state for alert in alerts] == [AlertState.SUSPICIOUS, AlertState.ALERT]
    assert {alert.reasons for alert in alerts} == {(NOT_THE_REFERENCE,)}
    assert alerts[-1].values["reference"] == pytest.approx(0.1, abs=1e-4)
    assert results[-1].verdict is Verdict.FAKE
    assert results[-1].score.reference == pytest.approx(0.1, abs=1e-4)


def test_the_right_person_changes_nothing():
    with_reference, without = judged([0.9] * 60, KNOWN), judged([0.9] * 60, None)
    assert [result.alert for result in with_reference] == [None] * 60
    assert [result.verdict for result in with_reference] == [result.verdict for result in without]
    assert {result.verdict for result in with_reference} == {Verdict.INSUFFICIENT}


def test_no_face_is_no_accusation():
    assert [result.alert for result in judged([None] * 100, KNOWN)] == [None] * 100


def test_a_glance_aside_is_no_accusation():
    assert not any(result.alert for result in judged(([0.8] * 8 + [0.2]) * 10, KNOWN))


def test_without_a_reference_nothing_is_said_about_one():
    results = judged([0.1] * 10, None)
    assert {result.score.reference for result in results} == {None}
