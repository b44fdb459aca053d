"""False alarms as calibration material: what operators marked, person by person."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from realtime.alerts.feedback_line import RunRecord
from realtime.alerts.feedback_reading import FalseAlarms
from realtime.config import DecisionConfig
from realtime.decision.calibration import Calibration
from realtime.decision.fitting import Clip
from realtime.decision.observation import Observation
from realtime.decision.sequential import SequentialTest
from realtime.errors import CalibrationError
from realtime.types import Modality


@dataclass(frozen=True, slots=True, kw_only=True)
class FedBack:
    """What false alarms bring to a calibration.

    Attributes:
        people: For every participant of every call the observations, in order; none is empty.
        used: Alerts behind them.
        without_observations: Alerts whose observations were not kept.
        of_others: Alerts that were refused, as other models or settings made their observations.
        damaged: Lines that cannot be read.
    """

    people: tuple[tuple[Observation, ...], ...]
    used: int
    without_observations: int
    of_others: int
    damaged: int


def fed_back(alarms: FalseAlarms, models: Mapping[str, str], configuration_sha256: str) -> FedBack:
    """Return the false alarms that the engines and settings in use could have raised.

    The runs of one participant in one call overlap; each of its windows counts once. The same human being
    in another call is another person here, as no name is kept.

    Args:
        alarms: As read.
        models: Model per encoder, as ``realtime.calibration_file.models_of`` names them.
        configuration_sha256: Digest of the settings that the values depend on.

    Raises:
        CalibrationError: Runs of one participant contradict each other.
    """
    people: dict[str, dict[tuple[Modality, int], Observation]] = {}
    used = without = of_others = 0
    for line in alarms.lines:
        run = line.run
        if run is None or not run.observations:
            without += 1
        elif (dict(models), configuration_sha256) != (run.models, run.configuration_sha256):
            of_others += 1
        else:
            used += 1
            _add(people.setdefault(run.person, {}), run)
    return FedBack(
        people=tuple(
            tuple(sorted(windows.values(), key=lambda each: (each.time_ns, each.channel)))
            for windows in people.values()
        ),
        used=used,
        without_observations=without,
        of_others=of_others,
        damaged=alarms.damaged,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What false alarms did to a calibration.

    Attributes:
        calibration: With them; its material counts the recordings alone, as only those were not selected.
        alone: Without them.
        back: The false alarms.
        alarming_again: Participants that an alarm would be raised on again, at the default rate.
    """

    calibration: Calibration
    alone: Calibration
    back: FedBack
    alarming_again: int


def with_false_alarms(
    alone: Calibration, back: FedBack, fitted: Callable[[Sequence[Sequence[Clip]]], Calibration]
) -> Effect:
    """Return the calibration with every marked participant as one more genuine speaker.

    Who was marked was lower than usual, so these speakers are no fair sample: they lower what low values
    pay, and the discount, more than their share of all genuine people would. Alarms get rarer and slower, the
    bound on their rate stays.

    Args:
        alone: Fitted to recordings.
        back: The false alarms.
        fitted: Fits to the recordings and to more speakers.

    Raises:
        CalibrationError: No channel can be calibrated with them, or runs contradict each other.
    """
    if not back.people:
        return Effect(calibration=alone, alone=alone, back=back, alarming_again=0)
    calibration = fitted([[person] for person in back.people])
    described = f"{alone.material.description}; {back.used} false alarms"
    calibration = replace(calibration, material=replace(alone.material, description=described))
    again = sum(alarms_again(person, calibration, DecisionConfig()) for person in back.people)
    return Effect(calibration=calibration, alone=alone, back=back, alarming_again=again)


def alarms_again(person: Sequence[Observation], calibration: Calibration, config: DecisionConfig) -> bool:
    """Return whether the test would still raise an alarm on what a person brought.

    It begins where the run does, so it does not know what the person brought before.

    Raises:
        CalibrationError: The observations are in no order in which a monitor makes them.
    """
    test = SequentialTest(calibration, config)
    try:
        return any(
            test.update(time_ns, list(together)).alarm
            for time_ns, together in itertools.groupby(person, key=lambda each: each.time_ns)
        )
    except ValueError as error:
        raise _contradiction() from error


def _add(windows: dict[tuple[Modality, int], Observation], run: RunRecord) -> None:
    for row in run.observations:
        observation = row.observation()
        if windows.setdefault((row.channel, row.window), observation) != observation:
            raise _contradiction()


def _contradiction() -> CalibrationError:
    return CalibrationError(
        "The feedback says different things of the same moments; it was changed.",
        fix="Use the file as the monitor wrote it, or leave it out.",
    )
