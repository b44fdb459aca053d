"""``--false-alarms-per-hour`` and ``--calibration``: when an alarm is raised, and compared with whom."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from realtime.config import MAX_FALSE_ALARMS_PER_HOUR
from realtime.decisions import DecisionChoice


def decision_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add both options to a command, which gets them together as ``deciding``."""

    @wraps(command)
    def gathered(*, calibration: Path | None, false_alarms_per_hour: float | None, **options: Any) -> Any:
        deciding = DecisionChoice(calibration=calibration, false_alarms_per_hour=false_alarms_per_hour)
        return command(deciding=deciding, **options)

    add_rate = click.option(
        "--false-alarms-per-hour",
        type=click.FloatRange(min=0, max=MAX_FALSE_ALARMS_PER_HOUR, min_open=True),
        metavar="RATE",
        help="Alarms that a genuine participant may cause in an hour of a call. More finds fakes earlier.  "
        "[default: 1/24, one a day]",
    )
    return add_rate(calibration_option(gathered))


def calibration_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--calibration`` alone."""
    return click.option(
        "--calibration",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="What genuine media looks like, from `seamwatch calibrate`.  [default: the one that ships]",
    )(command)
