"""Prepared clips in tar files of bounded size (the WebDataset convention), with an index beside them.

An entry of a shard is a run of members that share a key: ``KEY.json``, ``KEY.lips.npy`` and so on. The index
names the shards with their SHA-256 and says in which of them the newest state of every clip lies.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from engines.store.files import write_atomically
from training.data.errors import DatasetError
from training.data.prepared_clip import FEATURE_VERSION, PreparedClip

__all__ = ["PreparedClip", "ShardIndex", "read_shards", "verify_shards"]

INDEX_NAME: Final = "index.json"
MAX_SHARD_BYTES: Final = 256 * 1024 * 1024
_INDEX_FORMAT: Final = 1
_AGAIN: Final = "Run `seamwatch data prepare` again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Where a clip lies, and which state of it."""

    shard: str
    fingerprint: str


@dataclass(slots=True, kw_only=True)
class ShardIndex:
    """What a folder of shards holds.

    Attributes:
        shards: SHA-256 of every shard, by file name.
        clips: The newest entry of every clip, by key.
    """

    shards: dict[str, str] = field(default_factory=dict)
    clips: dict[str, Entry] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> ShardIndex:
        """Return the index of a folder.

        Raises:
            DatasetError: If there is none, or it is damaged.
        """
        path = folder / INDEX_NAME
        try:
            values = json.loads(path.read_text())
            if values["format"] != _INDEX_FORMAT:
                raise DatasetError(f"{path} has another format.", fix="Prepare the clips in a new folder.")
            return cls(
                shards=dict(values["shards"]),
                clips={key: Entry(**entry) for key, entry in values["clips"].items()},
            )
        except FileNotFoundError as error:
            raise DatasetError(
                f"{folder} holds no prepared clips.", fix="Make them with `seamwatch data prepare`."
            ) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DatasetError(f"{path} is damaged.", fix="Prepare the clips in a new folder.") from error

    def write(self, folder: Path) -> None:
        """Replace the folder's index; shards that hold no clip's newest state are forgotten and removed."""
        used = {entry.shard for entry in self.clips.values()}
        unused = [name for name in self.shards if name not in used]
        for name in unused:
            del self.shards[name]
        values = {
            "format": _INDEX_FORMAT,
            "feature_version": FEATURE_VERSION,
            "shards": self.shards,
            "clips": {
                key: {"shard": entry.shard, "fingerprint": entry.fingerprint}
                for key, entry in sorted(self.clips.items())
            },
        }
        write_atomically(folder / INDEX_NAME, json.dumps(values, indent=1).encode())
        for name in unused:
            (folder / name).unlink(missing_ok=True)

    def forget_missing(self, folder: Path) -> None:
        """Drop the clips whose shard is gone."""
        self.shards = {name: digest for name, digest in self.shards.items() if (folder / name).is_file()}
        self.clips = {key: entry for key, entry in self.clips.items() if entry.shard in self.shards}

    def next_name(self) -> str:
        """Return a shard name that is higher than all in use."""
        numbers = [int(name.removeprefix("shard-").removesuffix(".tar")) for name in self.shards]
        return f"shard-{max(numbers, default=-1) + 1:06d}.tar"


def tar_bytes(files: Mapping[str, bytes]) -> bytes:
    """Return a tar archive of the files, in their order; the same for the same content."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            archive.addfile(_member(name, len(content)), io.BytesIO(content))
    return stream.getvalue()


def write_shard(path: Path, parts: Sequence[Path]) -> str:
    """Join archives into one shard, which appears whole or not at all.

    Args:
        path: The shard.
        parts: Archives of one clip each.

    Returns:
        Its SHA-256.
    """
    unfinished = path.with_suffix(".part")
    with (
        unfinished.open("wb") as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for part in parts:
            with tarfile.open(part) as single:
                for member in single:
                    archive.addfile(_member(member.name, member.size), single.extractfile(member))
    with unfinished.open("rb+") as written:
        os.fsync(written.fileno())
        digest = hashlib.file_digest(written, "sha256").hexdigest()
    unfinished.replace(path)
    return digest


def fingerprint_of(part: Path) -> str | None:
    """Return the fingerprint in an archive of one clip; None where there is no sound archive."""
    try:
        with tarfile.open(part) as archive:
            first = archive.next()
            stream = None if first is None else archive.extractfile(first)
            return None if stream is None else str(json.loads(stream.read())["fingerprint"])
    except (OSError, tarfile.TarError, ValueError, KeyError):
        return None


def read_shards(folder: Path) -> Iterator[PreparedClip]:
    """Yield every prepared clip of a folder once, in its newest state, shard by shard.

    Raises:
        DatasetError: If there is no index, or a shard is missing, damaged or incomplete.
    """
    index = ShardIndex.read(folder)
    wanted: dict[str, set[str]] = {name: set() for name in index.shards}
    for key, entry in index.clips.items():
        wanted.setdefault(entry.shard, set()).add(key)
    for name, keys in wanted.items():
        path = folder / name
        found: set[str] = set()
        try:
            for key, files in _entries(path):
                if key in keys:
                    found.add(key)
                    yield PreparedClip.from_members(files)
        except (OSError, tarfile.TarError, ValueError, KeyError, TypeError) as error:
            raise DatasetError(
                f"The shard {path} is damaged or missing.", fix=f"Remove it. {_AGAIN}"
            ) from error
        if found != keys:
            raise DatasetError(
                f"The shard {path} lacks {len(keys - found)} clips.", fix=f"Remove it. {_AGAIN}"
            )


def verify_shards(folder: Path) -> None:
    """Compare every shard with the index.

    Raises:
        DatasetError: If there is no index, or a shard is missing or has another SHA-256.
    """
    for name, expected in ShardIndex.read(folder).shards.items():
        path = folder / name
        try:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise DatasetError(f"The shard {path} cannot be read.", fix=f"Remove it. {_AGAIN}") from error
        if digest != expected:
            raise DatasetError(f"The shard {path} has another SHA-256.", fix=f"Remove it. {_AGAIN}")


def _entries(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    key, files = "", dict[str, bytes]()
    with tarfile.open(path, mode="r:") as archive:
        for member in archive:
            member_key, _, suffix = member.name.partition(".")
            if member_key != key and files:
                yield key, files
                files = {}
            key = member_key
            stream = archive.extractfile(member)
            if stream is not None:
                files[suffix] = stream.read()
    if files:
        yield key, files


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    return member
