"""The dead-letter file: alerts that could not be delivered, as lines of JSON, until somebody resends them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from realtime.errors import SeamwatchError
from realtime.server.wire import AlertMessage

if sys.platform != "win32":
    import fcntl

_OWNER_ONLY = 0o600


class DeadLetterError(SeamwatchError):
    """The dead-letter file cannot be read or written, is full, or in use."""


class DeadLetter(BaseModel):
    """An alert that was given up.

    Attributes:
        id: The webhook's id; it stays the same when the alert is resent.
        attempts: How often it was tried.
        fault: What went wrong at the last attempt.
        given_up_at: RFC 3339, UTC.
        alert: The alert as on the WebSocket.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    v: Literal[1] = 1
    id: str
    attempts: int
    fault: str
    given_up_at: str
    alert: AlertMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterLine:
    """One line of the file.

    Attributes:
        raw: The line as it stands, without its end.
        letter: What it says; None if it cannot be read.
    """

    raw: bytes
    letter: DeadLetter | None


class TakenLetters:
    """The lines of a dead-letter file that nobody else may touch for the time being.

    Args:
        path: The file.
        lines: What it holds.
    """

    def __init__(self, path: Path, lines: Sequence[DeadLetterLine]) -> None:
        self.lines = lines
        self._path = path

    def keep_only(self, lines: Sequence[DeadLetterLine]) -> None:
        """Replace the file by one with these lines, in one step; without lines it goes.

        Raises:
            DeadLetterError: It cannot be written, and is as it was.
        """
        with _stated_faults(self._path):
            if not lines:
                self._path.unlink()
                return
            beside = self._path.with_name(f".{self._path.name}.part")
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY)
            try:
                _write_all(descriptor, b"".join(line.raw + b"\n" for line in lines))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            beside.replace(self._path)


class DeadLetterFile:
    """Readable by its owner only, bounded, and in the hands of one program at a time. All calls block.

    Args:
        path: The file; made with the first letter, in a folder that exists.
        max_bytes: Size beyond which it takes no more letters.
    """

    def __init__(self, path: Path, *, max_bytes: int = 16 * 1024 * 1024) -> None:
        self.path = path
        self._max_bytes = max_bytes

    def append(self, letter: DeadLetter) -> None:
        """Add a letter; it is on disk afterwards.

        Raises:
            DeadLetterError: The file is full, in use, or cannot be written. It is then as it was.
        """
        line = letter.model_dump_json().encode() + b"\n"
        with _stated_faults(self.path), self._locked(os.O_RDWR | os.O_APPEND | os.O_CREAT) as descriptor:
            size = os.fstat(descriptor).st_size
            if size and not _ends_a_line(descriptor):
                line = b"\n" + line
            if size + len(line) > self._max_bytes:
                raise DeadLetterError(
                    f"The dead-letter file {self.path} is full.",
                    fix=f"Send what it holds with: seamwatch webhook resend {self.path}",
                )
            try:
                _write_all(descriptor, line)
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, size)
                raise

    @contextmanager
    def taken(self) -> Iterator[TakenLetters]:
        """Hold the file for the length of a ``with`` block; a monitor that wants to add to it tries later.

        Raises:
            DeadLetterError: There is no such file, it is in use, or it cannot be read.
        """
        with _stated_faults(self.path):
            descriptor = self._open_locked(os.O_RDWR)
        try:
            with _stated_faults(self.path):
                content = _read_all(descriptor)
            yield TakenLetters(
                self.path,
                [DeadLetterLine(raw=raw, letter=_parsed(raw)) for raw in content.split(b"\n") if raw],
            )
        finally:
            os.close(descriptor)

    @contextmanager
    def _locked(self, flags: int) -> Iterator[int]:
        descriptor = self._open_locked(flags)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _open_locked(self, flags: int) -> int:
        while True:
            descriptor = os.open(self.path, flags, _OWNER_ONLY)
            try:
                if sys.platform != "win32":
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Whoever held the lock may have put another file in this one's place.
                if _is_at(descriptor, self.path):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)


@contextmanager
def _stated_faults(path: Path) -> Iterator[None]:
    try:
        yield
    except BlockingIOError as error:
        raise DeadLetterError(
            f"The dead-letter file {path} is in use.", fix="Wait until the other program is done."
        ) from error
    except OSError as error:
        raise DeadLetterError(
            f"The dead-letter file {path} cannot be used: {error.strerror}.",
            fix="Check its name, its folder, and the space on its disk.",
        ) from error


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _ends_a_line(descriptor: int) -> bool:
    os.lseek(descriptor, -1, os.SEEK_END)
    return os.read(descriptor, 1) == b"\n"


def _read_all(descriptor: int) -> bytes:
    with os.fdopen(os.dup(descriptor), "rb") as file:
        return file.read()


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _parsed(raw: bytes) -> DeadLetter | None:
    try:
        return DeadLetter.model_validate_json(raw)
    except ValidationError:
        return None
