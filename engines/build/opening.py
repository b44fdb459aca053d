"""Loads a set of engines, and refuses one that does not belong to this version and host."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from engines.backends.registry import get_backend
from engines.base import Engine
from engines.build.record import SetRecord, Windows
from engines.build.sets import StoredSet, misfits, read_files, read_set
from engines.errors import EngineError
from engines.spec import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedSet:
    """Loaded engines.

    Attributes:
        engines: By role.
        record: What the set is: checkpoint with its context, windows, largest batch.
    """

    engines: Mapping[Role, Engine]
    record: SetRecord

    def close(self) -> None:
        """Close all engines."""
        for engine in self.engines.values():
            engine.close()


def open_engines(
    folder: Path, *, threads: int = 1, windows: Windows | None = None, roles: Collection[Role] = tuple(Role)
) -> OpenedSet:
    """Load a set of engines.

    Args:
        folder: As written by ``seamwatch engines build``.
        threads: Threads that one run of an engine uses on a CPU.
        windows: Windows of the live path; None where they do not matter.
        roles: Which engines are loaded.

    Raises:
        EngineError: If the set is missing or damaged, was built for another version, host or library, for
            other windows, or an engine cannot be loaded; the fix is the command that builds it again.
    """
    stored = read_set(folder)
    reasons = misfits(stored)
    if windows is not None and windows != stored.record.windows:
        reasons.append(f"The set was built for windows of {stored.record.windows}, not of {windows}.")
    if reasons:
        raise EngineError(
            f"The engines in {folder} cannot be used. {' '.join(reasons)}",
            fix=f"Run `{stored.rebuild_command}`.",
        )
    loaded: dict[Role, Engine] = {}
    try:
        for role in roles:
            loaded[role] = _load(stored, role, threads)
    except BaseException:
        for engine in loaded.values():
            engine.close()
        raise
    return OpenedSet(engines=loaded, record=stored.record)


def _load(stored: StoredSet, role: Role, threads: int) -> Engine:
    record = stored.engines[role]
    try:
        return get_backend(record.backend).load(read_files(stored, role), record.spec(threads))
    except EngineError as error:
        raise EngineError(
            f"The {record.backend} engine for {role.value} cannot be loaded: {error.message}",
            fix=f"Run `{stored.rebuild_command}`.",
        ) from error
