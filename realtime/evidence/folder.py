"""An evidence folder in the hands of the one program that writes it. All calls block."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from realtime.errors import EvidenceError
from realtime.evidence.bundle import file_faults, manifest_of
from realtime.evidence.chain import (
    Chain,
    begun,
    bundle_entry,
    expired_entry,
    extended,
    read_chain,
    to_line,
)
from realtime.evidence.files import (
    OWNER_FILE,
    OWNER_FOLDER,
    bundle_folders,
    read_files,
    sync_folder,
    write_all,
    write_new,
)
from realtime.evidence.layout import (
    PART_PREFIX,
    bundle_name,
    bundle_number,
    call_folder,
)
from realtime.evidence.record import (
    CHAIN_NAME,
    MANIFEST_NAME,
    ChainEntry,
    Manifest,
    readable_json,
    sha256,
)

if sys.platform != "win32":
    import fcntl


class EvidenceFolder:
    """Adds bundles to a chain and deletes them when they are old.

    A bundle is written beside its place, synced, and moved there in one step; only then the chain tells of
    it. What a crash leaves between the two is put right when the folder is opened, or used, again.

    Args:
        root: The folder, made if missing (for its owner only).
        clock: Wall-clock time in seconds since the epoch.
    """

    def __init__(self, root: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.root = root
        self._clock = clock
        self._descriptor: int | None = None
        self._chain = Chain(entries=(), heads=(), faults=())
        self._settled = False

    @property
    def head(self) -> str:
        """SHA-256 of the chain's last entry, which stands for everything in the folder."""
        return self._chain.head

    def open(self) -> None:
        """Take the folder; see the class.

        Raises:
            EvidenceError: It cannot be used: another program has it, its chain is damaged, or it may not be
                written.
        """
        with _stated_faults(self.root):
            self.root.mkdir(mode=OWNER_FOLDER, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
            self._descriptor = os.open(self.root / CHAIN_NAME, flags, OWNER_FILE)
            try:
                if sys.platform != "win32":
                    fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._settle()
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Give the folder back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self._settled = False

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, files: Mapping[str, bytes], *, call: str, state: str, lost_before: int = 0) -> Path:
        """Write a bundle and add it to the chain; both are on disk afterwards.

        Args:
            files: Its files by name, without the manifest.
            call: The call that it belongs to.
            state: The state that the alert leads to.
            lost_before: Bundles since the last one that could not be written.

        Returns:
            The bundle's folder.

        Raises:
            EvidenceError: It could not be written; the chain is as it was.
        """
        with _stated_faults(self.root):
            self._settle()
            number = len(self._chain.entries)
            manifest = manifest_of(
                files,
                chain=self._chain.name or "",
                n=number,
                previous=self._chain.head,
                written_at=_timestamp(self._clock()),
                lost_before=lost_before,
            )
            content = readable_json(manifest)
            place = self.root / call_folder(call) / bundle_name(number, state)
            self._settled = False
            self._put({**files, MANIFEST_NAME: content}, place)
            try:
                self._append(bundle_entry(manifest, sha256(content)))
            except OSError:
                shutil.rmtree(place, ignore_errors=True)
                raise
            self._settled = True
            return place

    def expire(self, max_age_s: float) -> int:
        """Delete bundles older than this and say so in the chain; return how many.

        Raises:
            EvidenceError: Some could not be deleted.
        """
        with _stated_faults(self.root):
            self._settle()
            limit = _timestamp(self._clock() - max_age_s)
            gone = self._chain.expired
            old = [entry for entry in self._chain.bundles if entry.n not in gone and entry.at < limit]
            places = (
                {bundle_number(folder.name): folder for folder in bundle_folders(self.root)} if old else {}
            )
            self._settled = False
            for entry in old:
                # Deleted before the chain says so: on a full disk the line may need the room.
                place = places.get(entry.n)
                if place is not None:
                    _delete(place)
                self._append(expired_entry(self._chain, entry, _timestamp(self._clock())))
            self._settled = True
            return len(old)

    def _settle(self) -> None:
        """Read the chain and finish what was cut off; nothing to do after an orderly write."""
        if self._descriptor is None:
            raise EvidenceError("The evidence folder is not open.", fix="Open it before using it.")
        if self._settled:
            return
        content = _read_all(self._descriptor)
        whole = content[: content.rfind(b"\n") + 1]
        bundles = bundle_folders(self.root)
        if not whole:
            if bundles:
                raise _damaged(self.root, "its chain is missing")
            os.ftruncate(self._descriptor, 0)
            self._chain = Chain(entries=(), heads=(), faults=())
            self._append(begun(secrets.token_hex(8), _timestamp(self._clock())))
        else:
            chain = read_chain(whole)
            if chain.faults:
                raise _damaged(self.root, chain.faults[0])
            os.ftruncate(self._descriptor, len(whole))
            self._chain = chain
        for leftover in self.root.glob(f"{PART_PREFIX}*"):
            shutil.rmtree(leftover)
        next_place = next(
            (place for place in bundles if bundle_number(place.name) == len(self._chain.entries)), None
        )
        if next_place is not None:
            self._adopt(next_place)
        self._settled = True

    def _adopt(self, place: Path) -> None:
        """Add a bundle that was written whole before the chain could tell of it."""
        files = read_files(place)
        content = files.get(MANIFEST_NAME, b"")
        try:
            manifest = Manifest.model_validate_json(content)
        except ValidationError:
            raise _damaged(self.root, f"{place.name} is not of this chain") from None
        follows = (manifest.chain, manifest.n, manifest.previous) == (
            self._chain.name,
            len(self._chain.entries),
            self._chain.head,
        )
        if not follows or file_faults(files, manifest):
            raise _damaged(self.root, f"{place.name} is not of this chain")
        self._append(bundle_entry(manifest, sha256(content)))

    def _put(self, files: Mapping[str, bytes], place: Path) -> None:
        part = self.root / f"{PART_PREFIX}{place.name}"
        part.mkdir(mode=OWNER_FOLDER)
        try:
            for name, data in files.items():
                write_new(part / name, data)
            sync_folder(part)
            place.parent.mkdir(mode=OWNER_FOLDER, exist_ok=True)
            part.rename(place)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        sync_folder(place.parent)
        sync_folder(self.root)

    def _append(self, entry: ChainEntry) -> None:
        assert self._descriptor is not None
        size = os.fstat(self._descriptor).st_size
        try:
            write_all(self._descriptor, to_line(entry) + b"\n")
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, size)
            raise
        self._chain = extended(self._chain, entry)


def _delete(place: Path) -> None:
    shutil.rmtree(place)
    try:
        place.parent.rmdir()
    except OSError:
        if not any(place.parent.iterdir()):
            raise


@contextmanager
def _stated_faults(root: Path) -> Iterator[None]:
    try:
        yield
    except BlockingIOError as error:
        raise EvidenceError(
            f"The evidence folder {root} is in use by another program.",
            fix="Stop the other one, or name another folder.",
        ) from error
    except OSError as error:
        raise EvidenceError(
            f"The evidence folder {root} cannot be used: {error.strerror}.",
            fix="Check that you may write there, and the space on its disk.",
        ) from error


def _damaged(root: Path, fault: str) -> EvidenceError:
    return EvidenceError(
        f"The evidence folder {root} is damaged: {fault}.",
        fix=f"Look with `seamwatch evidence verify {root}`, and name another folder for new evidence.",
    )


def _read_all(descriptor: int) -> bytes:
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        return file.read()


def _timestamp(time_s: float) -> str:
    """Return RFC 3339 in UTC with milliseconds, so that texts sort as times do."""
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds")
