"""Sets of engines on disk: where they lie, reading them, and what is wrong with one."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from pydantic import ValidationError

from engines.backends.base import MissingBackendError
from engines.backends.registry import get_backend
from engines.build.record import EngineRecord, SealedSet, SetRecord
from engines.build.sources import DEFAULT_NAME
from engines.checkpoint import CONTRACT_NAME, DEFAULT_CHECKPOINT
from engines.contracts import CONTRACTS, FRONTEND_VERSION, Contract, audio_contract, visual_contract
from engines.errors import EngineError
from engines.spec import Role
from engines.store.catalogue import by_role

ENGINES_VARIABLE = "SEAMWATCH_ENGINES"
INDEX_NAME = "engines.json"
RECORD_NAME = "engine.json"
PARITY_NAME = "parity.json"

_BUILD = ("seamwatch", "engines", "build")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSet:
    """A set whose records are sound.

    Attributes:
        folder: Where it lies.
        record: What the set is.
        engines: What each engine is.
    """

    folder: Path
    record: SetRecord
    engines: Mapping[Role, EngineRecord]

    @property
    def rebuild_command(self) -> str:
        """Return the command that builds the set again where it is."""
        return rebuild_command(self.folder, self.record)


def default_root() -> Path:
    """Return the folder named by SEAMWATCH_ENGINES, else ``engines`` in the user's cache folder."""
    named = os.environ.get(ENGINES_VARIABLE)
    return Path(named).expanduser() if named else platformdirs.user_cache_path("seamwatch") / "engines"


def rebuild_command(folder: Path, record: SetRecord | None) -> str:
    """Return the command that builds a set again where it is; with default settings if they are lost."""
    settings = () if record is None else record.command
    return shlex.join((*_BUILD, *settings, "--out", str(folder)))


def set_folders(root: Path) -> Iterator[Path]:
    """Yield the folders of sets in a folder, by name."""
    if root.is_dir():
        yield from sorted(
            path for path in root.iterdir() if not path.name.startswith(".") and (path / INDEX_NAME).is_file()
        )


def read_set(folder: Path) -> StoredSet:
    """Read the records of a set.

    Raises:
        EngineError: If there is no set, or a record is missing or damaged.
    """
    try:
        sealed = SealedSet.model_validate_json((folder / INDEX_NAME).read_bytes())
    except OSError as error:
        raise EngineError(
            f"There is no set of engines in {folder}.", fix=f"Run `{rebuild_command(folder, None)}`."
        ) from error
    except ValidationError as error:
        raise _damaged(folder, INDEX_NAME, None) from error
    record = sealed.set
    if not sealed.sound or record.engines.keys() != set(Role):
        raise _damaged(folder, INDEX_NAME, None)
    engines: dict[Role, EngineRecord] = {}
    for role in Role:
        sha256 = record.engines[role]
        name = f"{role.value}/{RECORD_NAME}"
        content = _read_sound(folder, name, sha256, record)
        try:
            engines[role] = EngineRecord.model_validate_json(content)
        except ValidationError as error:
            raise _damaged(folder, name, record) from error
        if engines[role].role is not role:
            raise _damaged(folder, name, record)
    return StoredSet(folder=folder, record=record, engines=engines)


def read_files(stored: StoredSet, role: Role) -> dict[str, bytes]:
    """Read the files of one engine.

    Returns:
        Content by file name.

    Raises:
        EngineError: If one is missing or damaged.
    """
    return {
        name: _read_sound(stored.folder, f"{role.value}/{name}", sha256, stored.record)
        for name, sha256 in stored.engines[role].files.items()
    }


def misfits(stored: StoredSet) -> list[str]:
    """Say why a set cannot be used by this version on this host, one sentence each; none if it can be."""
    return [
        *_outdated_sources(stored),
        *(reason for record in stored.engines.values() for reason in _engine_misfits(stored, record)),
    ]


def _outdated_sources(stored: StoredSet) -> Iterator[str]:
    checkpoint = stored.record.checkpoint
    if checkpoint.name == DEFAULT_NAME:
        contract = (DEFAULT_CHECKPOINT / CONTRACT_NAME).read_bytes()
        if hashlib.sha256(contract).hexdigest() != checkpoint.sha256:
            yield "The default checkpoint is another one by now."


def _engine_misfits(stored: StoredSet, record: EngineRecord) -> Iterator[str]:
    role, of = record.role, f"The {record.backend} engine for {record.role.value}"
    spec, wanted = record.spec(1), _contract(stored, role)
    if (spec.inputs, spec.outputs) != (wanted.inputs, wanted.outputs):
        yield f"{of} has other inputs or outputs than this version wants."
    if (record.frontend.id, record.frontend.version) != (wanted.frontend, FRONTEND_VERSION):
        yield (
            f"{of} was built for the frontend {record.frontend.id} version {record.frontend.version}, "
            f"this version computes {wanted.frontend} version {FRONTEND_VERSION}."
        )
    if role in CONTRACTS and record.source_sha256 != by_role(role).sha256:
        yield f"{of} was built from another model than {by_role(role).name}."
    if not record.parity.passed:
        yield f"{of} has not passed its comparison with the reference."
    try:
        here = get_backend(record.backend).fingerprint()
    except MissingBackendError as error:
        yield f"{of} cannot run here: {error.message} {error.fix}"
        return
    if here != record.device_fingerprint:
        yield f"{of} was built for {record.device_fingerprint}; this host has {here}."


def _contract(stored: StoredSet, role: Role) -> Contract:
    dimension = stored.record.checkpoint.dimension
    if role is Role.VISUAL:
        return visual_contract(dimension)
    return audio_contract(dimension) if role is Role.AUDIO else CONTRACTS[role]


def _read_sound(folder: Path, name: str, sha256: str, record: SetRecord) -> bytes:
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise EngineError(
            f"{folder / name} is missing.", fix=f"Run `{rebuild_command(folder, record)}`."
        ) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise _damaged(folder, name, record)
    return content


def _damaged(folder: Path, name: str, record: SetRecord | None) -> EngineError:
    return EngineError(f"{folder / name} is damaged.", fix=f"Run `{rebuild_command(folder, record)}`.")
