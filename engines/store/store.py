"""The model store: a folder of pinned files, each verified before it is used."""

from __future__ import annotations

import enum
import hashlib
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from engines.errors import ModelStoreError
from engines.store.catalogue import CATALOGUE, PinnedModel, select
from engines.store.download import ANSWER_WITHIN_S, SourceUnavailableError
from engines.store.files import write_atomically
from engines.store.prepared import PreparedCache
from engines.store.sources import FolderSource, PullSession, Source

STORE_VARIABLE = "SEAMWATCH_MODELS"
SOURCE_VARIABLE = "SEAMWATCH_MODEL_SOURCE"

WRONG_HASH = "delivered a file with another hash"
"""The failure of a source that answered with something else than the pinned file."""

_PULL_FIX = "Run `seamwatch models pull`."


class FileState(enum.StrEnum):
    """What the store holds of a model."""

    PRESENT = "present"
    MISSING = "missing"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStatus:
    """State of one model's file."""

    model: PinnedModel
    path: Path
    state: FileState


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One source that was asked for one model.

    Attributes:
        source: What the source is called.
        failure: Why it did not deliver; None where it did.
        seconds: How long it took.
    """

    source: str
    failure: str | None
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PullResult:
    """What a pull did for one model.

    Attributes:
        model: The model.
        state: What the store holds of it now.
        attempts: The sources that were asked, in order; none where the file was there already.
    """

    model: PinnedModel
    state: FileState
    attempts: tuple[Attempt, ...]


PullProgress = Callable[[PinnedModel, Source, int], None]
"""Called with the model, the source that is asked, and the bytes received from it so far."""


def _ignore_progress(_model: PinnedModel, _source: Source, _received: int) -> None:
    return


def default_root() -> Path:
    """Return the folder named by SEAMWATCH_MODELS, else ``models`` in the user's cache folder."""
    named = os.environ.get(STORE_VARIABLE)
    return Path(named).expanduser() if named else platformdirs.user_cache_path("seamwatch") / "models"


class ModelStore:
    """A folder of model files under their catalogue names.

    Several processes may use and fill one folder at once: files are replaced atomically and have only one
    valid content.

    Args:
        root: The folder; it need not exist. None takes the default.
        catalogue: The models that belong into it.
    """

    def __init__(self, root: Path | None = None, catalogue: Sequence[PinnedModel] = CATALOGUE) -> None:
        self._catalogue = catalogue
        self.root = default_root() if root is None else root
        self.prepared = PreparedCache(self.root / "prepared")
        self._verified: dict[str, tuple[int, int]] = {}

    def path(self, name: str) -> Path:
        """Return a model's file, verified against its hash once per process and content.

        Raises:
            ModelStoreError: If the model is unknown, missing or damaged.
        """
        (model,) = select(self._catalogue, [name])
        path = self._path(model)
        state = self._verify(model)
        if state is FileState.MISSING:
            raise ModelStoreError(f"The model {name} is not in the store {self.root}.", fix=_PULL_FIX)
        if state is FileState.DAMAGED:
            raise ModelStoreError(f"The model file {path} is damaged.", fix=_PULL_FIX)
        return path

    def status(self) -> list[ModelStatus]:
        """Return what the store holds, judged by the files' lengths."""
        return [self._status(model, _state_by_size(self._path(model), model)) for model in self._catalogue]

    def verify(self) -> list[ModelStatus]:
        """Return what the store holds, judged by the files' hashes, computed anew."""
        self._verified.clear()
        return [self._status(model, self._verify(model)) for model in self._catalogue]

    def pull(
        self,
        wanted: Iterable[str] | None = None,
        *,
        folder: Path | None = None,
        progress: PullProgress = _ignore_progress,
        answer_within_s: float = ANSWER_WITHIN_S,
    ) -> list[PullResult]:
        """Bring models that are missing or damaged into the store.

        Sources are asked in order: ``folder``, the folder named by SEAMWATCH_MODEL_SOURCE, and those of the
        catalogue. What a source delivers is stored only if its hash is the pinned one.

        Args:
            wanted: Names of models; None for all.
            folder: A local folder to look into first.
            progress: Told of bytes as they arrive.
            answer_within_s: Longest wait for a source that does not answer.

        Returns:
            One result a model, in the catalogue's order. A model that no source delivered is not PRESENT.

        Raises:
            ModelStoreError: If a name is unknown or the store cannot be written.
        """
        environment_folder = os.environ.get(SOURCE_VARIABLE)
        folders = [folder, Path(environment_folder).expanduser() if environment_folder else None]
        local = [FolderSource(path) for path in folders if path is not None]
        session = PullSession(progress=lambda _received: None, answer_within_s=answer_within_s)
        silent: set[str] = set()
        results: list[PullResult] = []
        for model in select(self._catalogue, wanted):
            attempts: list[Attempt] = []
            state = self._verify(model)
            if state is not FileState.PRESENT:
                for source in (*local, *model.sources):
                    attempts.append(self._try(model, source, session, silent, progress))
                    if attempts[-1].failure is None:
                        state = FileState.PRESENT
                        break
            results.append(PullResult(model=model, state=state, attempts=tuple(attempts)))
        return results

    def _try(
        self,
        model: PinnedModel,
        source: Source,
        session: PullSession,
        silent: set[str],
        progress: PullProgress,
    ) -> Attempt:
        """Ask one source; store what it delivers if the hash is right."""
        started = time.monotonic()
        failure: str | None = None
        if source.origin in silent:
            failure = "did not answer a moment ago"
        else:
            session.progress = lambda received: progress(model, source, received)
            session.progress(0)
            try:
                data = source.fetch(model.file_name, model.size_bytes, session)
            except SourceUnavailableError as error:
                failure = error.reason
                if error.silent:
                    silent.add(source.origin)
            else:
                if hashlib.sha256(data).hexdigest() == model.sha256:
                    self._keep(model, data)
                else:
                    failure = WRONG_HASH
        return Attempt(source=source.label, failure=failure, seconds=time.monotonic() - started)

    def _keep(self, model: PinnedModel, data: bytes) -> None:
        try:
            write_atomically(self._path(model), data)
        except OSError as error:
            raise ModelStoreError(
                f"The model store {self.root} cannot be written: {error.strerror}.",
                fix=f"Free space there, or set {STORE_VARIABLE} to a folder that can be written.",
            ) from error

    def _status(self, model: PinnedModel, state: FileState) -> ModelStatus:
        return ModelStatus(model=model, path=self._path(model), state=state)

    def _path(self, model: PinnedModel) -> Path:
        return self.root / model.file_name

    def _verify(self, model: PinnedModel) -> FileState:
        """Return the state by hash; a file that has not changed since it was verified is not read again."""
        path = self._path(model)
        state = _state_by_size(path, model)
        if state is not FileState.PRESENT:
            return state
        stat = path.stat()
        stamp = (stat.st_mtime_ns, stat.st_ino)
        if self._verified.get(model.name) == stamp:
            return FileState.PRESENT
        with path.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != model.sha256:
                return FileState.DAMAGED
        self._verified[model.name] = stamp
        return FileState.PRESENT


def _state_by_size(path: Path, model: PinnedModel) -> FileState:
    if not path.is_file():
        return FileState.MISSING
    return FileState.PRESENT if path.stat().st_size == model.size_bytes else FileState.DAMAGED
