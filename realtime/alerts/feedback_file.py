"""The feedback file: what operators called a false alarm, one line of JSON each, without names."""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from realtime.alerts.feedback_line import FeedbackLine
from realtime.errors import ConfigurationError, SeamwatchError


class FeedbackFileError(SeamwatchError):
    """The feedback file cannot be written."""


class FeedbackFile:
    """Appends lines to a file that only its owner can read, and deletes those that are too old.

    Args:
        path: The file, made if missing; of one monitor at a time.
        keep_for_s: Age at which ``expire`` deletes a line.
        clock: The wall clock.
    """

    _MODE: Final = 0o600

    def __init__(
        self,
        path: Path,
        *,
        keep_for_s: float = math.inf,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.path = path
        self._keep_for_s = keep_for_s
        self._clock = clock
        self._one_at_a_time = threading.Lock()

    def prepare(self) -> None:
        """Find out before it is needed whether lines can be appended, and delete what is too old.

        Raises:
            ConfigurationError: They cannot.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(self._open())
            self._tidy()
        except OSError as error:
            raise ConfigurationError(
                f"Feedback cannot be kept in {self.path}: {error.strerror}.",
                fix="Name a file in a folder that you may write to.",
            ) from error

    def append(self, line: FeedbackLine) -> None:
        """Append a line and bring it to the disk; a line that was torn by a crash stays by itself.

        One that takes an earlier line back deletes that.

        Raises:
            FeedbackFileError: The line could not be written whole.
        """
        data = line.model_dump_json().encode() + b"\n"
        try:
            with self._one_at_a_time:
                self._append(data)
                if line.state != "false_alarm":
                    self._tidy()
        except OSError as error:
            raise _unwritable() from error

    def expire(self) -> None:
        """Delete lines that are too old, were taken back, or cannot be dated.

        Raises:
            FeedbackFileError: The file could not be written anew; it is as it was.
        """
        try:
            with self._one_at_a_time:
                self._tidy()
        except OSError as error:
            raise _unwritable() from error

    def _append(self, data: bytes) -> None:
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

    def _tidy(self) -> None:
        path = self.path.resolve()
        try:
            lines = path.read_bytes().splitlines()
        except FileNotFoundError:
            return
        kept = _standing(lines, self._oldest())
        if kept == lines:
            return
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        partial.unlink(missing_ok=True)
        try:
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, self._MODE), "wb") as file:
                file.writelines(line + b"\n" for line in kept)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def _oldest(self) -> datetime | None:
        if math.isinf(self._keep_for_s):
            return None
        try:
            return self._clock() - timedelta(seconds=self._keep_for_s)
        except OverflowError:
            return None

    def _open(self) -> int:
        return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, self._MODE)


def _standing(lines: Iterable[bytes], oldest: datetime | None) -> list[bytes]:
    """Return the newest line on every alert, where it is not too old; also of versions still to come."""
    newest: dict[tuple[str, str], bytes] = {}
    for line in lines:
        try:
            said = json.loads(line)
            at = datetime.fromisoformat(said["at"])
            alert = (json.dumps(said["store"]), json.dumps(said["seq"]))
            too_old = oldest is not None and at < oldest
        except (ValueError, TypeError, KeyError):
            continue
        newest.pop(alert, None)
        if not too_old:
            newest[alert] = line
    return list(newest.values())


def _unwritable() -> FeedbackFileError:
    return FeedbackFileError(
        "The file for feedback cannot be written.",
        fix="Free space on its disk and check its rights, then say it again.",
    )
