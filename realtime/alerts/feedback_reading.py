"""Reads what operators called a false alarm."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from realtime.alerts.feedback_line import FeedbackLine
from realtime.errors import CalibrationError


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseAlarms:
    """The false alarms that stand.

    Attributes:
        lines: One an alert, the newest; none that was taken back.
        damaged: Lines that cannot be read.
    """

    lines: tuple[FeedbackLine, ...]
    damaged: int


def read_false_alarms(paths: Iterable[Path]) -> FalseAlarms:
    """Read feedback files as one; an alert that is in several of them counts once.

    Raises:
        CalibrationError: A file cannot be read.
    """
    newest: dict[tuple[str, int], FeedbackLine] = {}
    damaged = 0
    for path in paths:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise CalibrationError(
                f"The feedback {path} cannot be read: {error.strerror}.",
                fix="Name the file that the monitor's --feedback named.",
            ) from error
        for text in filter(None, content.splitlines()):
            try:
                line = FeedbackLine.model_validate_json(text)
            except ValidationError:
                damaged += 1
                continue
            known = newest.get((line.store, line.seq))
            if known is None or line.at >= known.at:
                newest[line.store, line.seq] = line
    return FalseAlarms(
        lines=tuple(line for line in newest.values() if line.state == "false_alarm"), damaged=damaged
    )
