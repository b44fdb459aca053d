"""The calibration file: what operators called a false alarm, one line of JSON each, without names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from realtime.errors import ConfigurationError, SeamwatchError


class FeedbackFileError(SeamwatchError):
    """The calibration file cannot be written."""


class FeedbackLine(BaseModel):
    """One line of the file. Of several lines on one alert of one store the last counts.

    Attributes:
        v: Version of the line.
        store: Identity of the alert store, which tells alerts of the same number apart.
        seq: Number of the alert.
        at: When the operator said so, RFC 3339, UTC.
        state: "false_alarm", or "acknowledged" to take an earlier "false_alarm" back.
        alert_state: The state that the alert raised: "suspicious" or "alert".
        margin: Decision value at the alert, None without one.
        reasons: Channels that caused it.
        values: Scores at the alert, by name.
        evidence: Evidence in nats per channel at the alert; empty where no test ran.
        threshold: Evidence in nats at which an alarm is raised; None where no test ran.
        engines: Engine per encoder; values of different engines do not compare.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    v: Literal[1] = 1
    store: str
    seq: int
    at: str
    state: Literal["false_alarm", "acknowledged"]
    alert_state: str
    margin: float | None
    reasons: list[str]
    values: dict[str, float | None]
    evidence: dict[str, float]
    threshold: float | None
    engines: dict[str, str]


class FeedbackFile:
    """Appends lines to a file that only its owner can read.

    Args:
        path: The file, made if missing.
    """

    _MODE: Final = 0o600

    def __init__(self, path: Path) -> None:
        self.path = path

    def prepare(self) -> None:
        """Find out before it is needed whether lines can be appended.

        Raises:
            ConfigurationError: They cannot.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(self._open())
        except OSError as error:
            raise ConfigurationError(
                f"Feedback cannot be kept in {self.path}: {error.strerror}.",
                fix="Name a file in a folder that you may write to.",
            ) from error

    def append(self, line: FeedbackLine) -> None:
        """Append a line and bring it to the disk; a line that was torn by a crash stays by itself.

        Raises:
            FeedbackFileError: The line could not be written whole.
        """
        data = line.model_dump_json().encode() + b"\n"
        try:
            descriptor = self._open()
            try:
                size = os.fstat(descriptor).st_size
                if size and os.pread(descriptor, 1, size - 1) != b"\n":
                    data = b"\n" + data
                while data:
                    data = data[os.write(descriptor, data) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise FeedbackFileError(
                "The file for feedback cannot be written.",
                fix="Free space on its disk and check its rights, then say it again.",
            ) from error

    def _open(self) -> int:
        return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, self._MODE)
