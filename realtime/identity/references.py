"""The references of a monitor: which participant should be which person."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from realtime.config import FaceConfig
from realtime.encoders.suite import EncoderSuite
from realtime.errors import ConfigurationError
from realtime.faces.detector import FaceDetector
from realtime.identity.reference import Reference
from realtime.identity.reference_file import read_reference


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceFile:
    """One ``--reference``.

    Attributes:
        name: The participant's name, or ``CALL/NAME`` for that participant of that call only.
        path: A photo or a clip.
    """

    name: str
    path: Path


class References:
    """Which participant should be which person. What is read lives as long as this object does.

    Args:
        files: In any order.

    Raises:
        ConfigurationError: Two have the same name.
    """

    def __init__(self, files: Iterable[ReferenceFile] = ()) -> None:
        self._paths: dict[str, Path] = {}
        for file in files:
            if file.name in self._paths:
                raise ConfigurationError(
                    f"Two references are given for {file.name}.",
                    fix="Give one file for each participant; a clip can show several looks.",
                )
            self._paths[file.name] = file.path
        self._unused = dict.fromkeys(self._paths)
        self._read: dict[str, Reference] = {}

    @property
    def unused(self) -> tuple[str, ...]:
        """Names under which no participant has come."""
        return tuple(self._unused)

    def read(self, encoders: EncoderSuite, faces: FaceConfig) -> None:
        """Read every file; to be called once, before ``of``.

        Raises:
            MediaError: A file cannot be read, or does not show exactly one person well enough.
            EngineError: An engine fails.
        """
        for name, path in self._paths.items():
            self._read[name] = embedded_reference(path, encoders, faces)

    def of(self, call: str, participant: str) -> Reference | None:
        """Return a participant's reference, ``CALL/NAME`` before ``NAME``; None without one.

        Raises:
            KeyError: If the files have not been read.
        """
        name = self.came(call, participant)
        return None if name is None else self._read[name]

    def came(self, call: str, participant: str) -> str | None:
        """Note that a participant has come; return the name of its reference, None without one."""
        for name in (f"{call}/{participant}", participant):
            if name in self._paths:
                self._unused.pop(name, None)
                return name
        return None


def embedded_reference(path: Path, encoders: EncoderSuite, faces: FaceConfig) -> Reference:
    """Read one reference with a monitor's own detector and identity engine; see ``read_reference``."""
    return read_reference(path, FaceDetector(encoders.engines.detector), encoders.identity, faces)
