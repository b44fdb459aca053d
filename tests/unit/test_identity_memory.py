"""Calls in virtual time: what the identity memory follows, and what it must never take in."""

from __future__ import annotations

import numpy as np
import pytest

from realtime.errors import ConfigurationError
from realtime.identity.memory import IdentityMemory, IdentityMemoryConfig
from realtime.timebase import NS_PER_MS, NS_PER_S
from tests.support.evidence import unit

DIMENSION = 32
HOP_NS = 400 * NS_PER_MS
CONFIG = IdentityMemoryConfig()
ANNA, BERT, LAMP, GLASSES = np.eye(DIMENSION)[:4]


class Call:
    """Feeds a memory window by window, with a little noise on every face."""

    def __init__(self, config: IdentityMemoryConfig = CONFIG, hop_ns: int = HOP_NS) -> None:
        self.memory = IdentityMemory(config)
        self._hop_ns = hop_ns
        self._index = 0
        self._rng = np.random.default_rng(7)

    def show(self, face, seconds: float, *, weight: float = 1.0) -> list[float | None]:
        """Show a face, or one that changes: a function of the share of the time that has passed."""
        values = []
        windows = round(seconds * NS_PER_S / self._hop_ns)
        for number in range(windows):
            direction = face((number + 1) / windows) if callable(face) else face
            values.append(self._take(direction, weight))
        return values

    def away(self, seconds: float) -> None:
        self._index += round(seconds * NS_PER_S / self._hop_ns)

    def _take(self, direction, weight):
        self._index += 1
        vector = unit(direction + 0.03 * self._rng.normal(size=DIMENSION))
        return self.memory.update(self._index, vector, weight, self._index * self._hop_ns)


def between(start, end):
    """Return the way from one face to another, evenly in angle."""
    angle = np.arccos(np.clip(unit(start) @ unit(end), -1, 1))
    return lambda share: np.sin((1 - share) * angle) * unit(start) + np.sin(share * angle) * unit(end)


def test_the_first_seconds_enrol_and_the_same_person_stays_alike():
    call = Call()
    values = call.show(ANNA, 60)
    first = values.index(next(value for value in values if value is not None))
    assert first * HOP_NS == CONFIG.enrolment_ns
    assert min(values[first:]) > 0.9


def test_a_poor_view_takes_longer_to_enrol():
    call = Call()
    assert call.show(ANNA, 4, weight=0.25) == [None] * 10
    assert not call.memory.is_enrolled
    call.show(ANNA, 4.4, weight=0.25)
    assert call.memory.is_enrolled


def test_a_start_without_a_face_only_puts_the_enrolment_off():
    call = Call()
    call.away(120)
    values = call.show(ANNA, 4)
    assert values[:5] == [None] * 5
    assert min(values[5:]) > 0.9


def test_windows_that_weigh_nothing_enrol_nobody():
    call = Call()
    assert call.show(ANNA, 60, weight=0) == [None] * 150


def test_a_swap_that_stays_is_never_taken_in():
    call = Call()
    call.show(ANNA, 30)
    looks = call.memory.looks()
    values = call.show(BERT, 3600)
    assert max(values) < 0.3
    np.testing.assert_array_equal(call.memory.looks(), looks)
    assert min(call.show(ANNA, 10)) > 0.9


def test_a_swap_over_windows_that_show_both_people_is_not_taken_in():
    call = Call()
    call.show(ANNA, 30)
    call.show(between(ANNA, BERT), 1.2)
    assert max(call.show(BERT, 600)) < 0.3


def test_a_swap_before_the_enrolment_is_closed_does_not_replace_the_first_person():
    call = Call()
    call.show(ANNA, 0.8)
    call.show(BERT, 1.6)
    assert call.memory.is_enrolled
    assert max(call.show(BERT, 60)) < 0.3
    assert min(call.show(ANNA, 10)) > 0.9


def test_windows_that_blend_two_people_do_not_join_them_in_the_enrolment():
    call = Call()
    call.show(ANNA, 1.2, weight=0.5)
    call.show(unit(ANNA + BERT), 0.8, weight=0.5)
    call.show(BERT, 1.2)
    assert call.memory.is_enrolled
    assert max(call.show(BERT, 60)) < 0.3
    assert min(call.show(ANNA, 4)) > 0.9


def test_a_first_person_in_poor_light_is_not_outweighed_by_a_crisp_second_one():
    call = Call()
    call.show(ANNA, 4, weight=0.2)
    call.show(BERT, 60)
    assert min(call.show(ANNA, 4)) > 0.9


def test_a_wrong_face_in_the_first_window_does_not_become_the_person():
    call = Call()
    call.show(BERT, 0.4)
    call.show(ANNA, 2)
    assert min(call.show(ANNA, 10)) > 0.9


def test_two_people_who_take_turns_are_one_person_and_a_stranger():
    call = Call()
    values = {0: [], 1: []}
    for turn in range(60):
        values[turn % 2] += call.show((ANNA, BERT)[turn % 2], 4)
    assert min(value for value in values[0] if value is not None) > 0.9
    assert max(values[1]) < 0.3


def test_a_slow_change_of_light_is_followed():
    dimmed = unit(ANNA + 0.9 * LAMP)
    followed, fixed = Call(), Call(IdentityMemoryConfig(max_gain=0.0))
    for call in (followed, fixed):
        call.show(ANNA, 30)
        call.show(between(ANNA, dimmed), 120)
    now, without = np.mean(followed.show(dimmed, 20)), np.mean(fixed.show(dimmed, 20))
    assert without == pytest.approx(float(unit(ANNA) @ dimmed), abs=0.05)
    assert now > without + 0.1
    assert min(followed.show(ANNA, 4)) > 0.9


def test_glasses_are_learnt_once_they_stay_and_not_at_a_glance():
    with_glasses = unit(ANNA + 0.9 * GLASSES)
    call = Call()
    call.show(ANNA, 30)
    before = call.show(with_glasses, 0.8)
    call.show(ANNA, 10)
    assert len(call.memory.looks()) == 1
    after = call.show(with_glasses, 10)
    assert len(call.memory.looks()) == 2
    assert after[-1] > np.mean(before) + 0.1


def test_a_learnt_look_moves_towards_what_is_seen():
    with_glasses = unit(ANNA + 0.9 * GLASSES)
    in_the_evening = unit(with_glasses + 0.4 * LAMP)
    call = Call()
    call.show(ANNA, 10)
    call.show(with_glasses, 10)
    start = float(call.memory.looks()[1] @ in_the_evening)
    call.show(in_the_evening, CONFIG.follow_ns / NS_PER_S)
    end = float(call.memory.looks()[1] @ in_the_evening)
    assert np.arccos(end) == pytest.approx(np.arccos(start) / np.e, abs=0.05)
    assert len(call.memory.looks()) == 2


def test_small_steps_lead_no_further_from_the_enrolment_than_the_gain():
    """An hour of morphing from one person to another, always within what is learnt."""
    call = Call()
    call.show(ANNA, 30)
    values = call.show(between(ANNA, BERT), 3600)
    assert max(values[-100:]) < 0.35
    assert max(call.show(BERT, 600)) < 0.35
    assert min(call.show(ANNA, 10)) > 0.9


def test_steps_to_and_fro_do_not_wear_the_enrolment_down():
    call = Call()
    call.show(ANNA, 30)
    for _ in range(50):
        call.show(between(ANNA, BERT), 30)
        call.show(between(BERT, ANNA), 30)
    assert max(call.show(BERT, 60)) < 0.35
    assert min(call.show(ANNA, 60)) > 0.9


def test_the_person_is_known_again_after_a_long_pause_and_a_stranger_is_not():
    call = Call()
    call.show(ANNA, 30)
    call.away(3 * 3600)
    assert max(call.show(BERT, 10)) < 0.3
    call.away(3 * 3600)
    assert min(call.show(ANNA, 10)) > 0.9


def test_more_windows_a_second_neither_enrol_nor_learn_faster():
    plain, dense = Call(), Call(hop_ns=HOP_NS // 10)
    with_glasses = unit(ANNA + 0.9 * GLASSES)
    for call in (plain, dense):
        call.show(ANNA, 1.2)
        assert not call.memory.is_enrolled
        call.show(ANNA, 10)
        call.show(with_glasses, 1.2)
        assert len(call.memory.looks()) == 1
        call.show(with_glasses, 10)
        assert len(call.memory.looks()) == 2


def test_the_look_not_seen_for_longest_makes_room():
    call = Call()
    call.show(ANNA, 10)
    others = [unit(ANNA + 0.9 * extra) for extra in np.eye(DIMENSION)[4:9]]
    for number in (0, 1, 2, 3, 0, 4):
        call.show(others[number], 10)
    looks = call.memory.looks()
    assert len(looks) == 1 + CONFIG.max_learnt
    assert [float(np.max(looks @ other)) > 0.95 for other in others] == [True, False, True, True, True]


@pytest.mark.parametrize(
    ("index", "vector", "weight", "time_ns"),
    [
        (5, unit(ANNA), 1.0, 10 * HOP_NS),
        (6, unit(ANNA), 1.0, 5 * HOP_NS),
        (6, unit(ANNA), 1.01, 10 * HOP_NS),
        (6, unit(ANNA), float("nan"), 10 * HOP_NS),
        (6, (2 * ANNA).astype(np.float32), 1.0, 10 * HOP_NS),
        (6, np.full(DIMENSION, np.nan, np.float32), 1.0, 10 * HOP_NS),
        (6, unit(ANNA[:4]), 1.0, 10 * HOP_NS),
    ],
)
def test_what_cannot_be_a_next_window_is_refused_and_changes_nothing(index, vector, weight, time_ns):
    memory = IdentityMemory(CONFIG)
    memory.update(5, unit(ANNA), 1.0, 5 * HOP_NS)
    with pytest.raises(ValueError):
        memory.update(index, vector, weight, time_ns)
    assert memory.update(6, unit(ANNA), 1.0, 6 * HOP_NS) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"same_above": 0.9, "novel_below": 0.8},
        {"max_learnt": 0},
        {"follow_ns": 0},
        {"max_gain": -0.1},
    ],
)
def test_settings_that_contradict_each_other_are_refused(wrong):
    with pytest.raises(ConfigurationError):
        IdentityMemoryConfig(**wrong)
