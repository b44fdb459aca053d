"""The hash chain over bundles: each entry carries the SHA-256 of the line before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from realtime.evidence.record import NO_HASH, ChainEntry, Manifest, canonical_json, sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What a chain file says.

    Attributes:
        entries: Entries that can be read, in the file's order.
        heads: For each the SHA-256 of its line.
        faults: What is wrong with the file itself, in words; empty for a good one.
    """

    entries: tuple[ChainEntry, ...]
    heads: tuple[str, ...]
    faults: tuple[str, ...]

    @property
    def head(self) -> str:
        """SHA-256 of the last entry, which stands for everything before."""
        return self.heads[-1] if self.heads else NO_HASH

    @property
    def name(self) -> str | None:
        """Name of the chain; None without a beginning."""
        return self.entries[0].chain if self.entries else None

    @property
    def bundles(self) -> tuple[ChainEntry, ...]:
        """The entries of bundles, deleted ones included."""
        return tuple(entry for entry in self.entries if entry.kind == "bundle")

    @property
    def expired(self) -> frozenset[int]:
        """Numbers of the entries whose bundles were deleted."""
        return frozenset(entry.expired for entry in self.entries if entry.expired is not None)


def to_line(entry: ChainEntry) -> bytes:
    """Return the line of an entry, which is what is hashed, without its end."""
    return canonical_json(entry.model_dump(exclude_none=True))


def begun(name: str, at: str) -> ChainEntry:
    """Return the first entry of a chain."""
    return ChainEntry(n=0, kind="begun", at=at, chain=name, previous=NO_HASH)


def bundle_entry(manifest: Manifest, manifest_sha256: str) -> ChainEntry:
    """Return the entry of a bundle; it follows from the manifest alone."""
    return ChainEntry(
        n=manifest.n,
        kind="bundle",
        at=manifest.written_at,
        manifest=manifest_sha256,
        previous=manifest.previous,
    )


def expired_entry(chain: Chain, bundle: ChainEntry, at: str) -> ChainEntry:
    """Return the entry that says that a bundle was deleted, to follow the chain's last one."""
    return ChainEntry(
        n=len(chain.entries),
        kind="expired",
        at=at,
        manifest=bundle.manifest,
        expired=bundle.n,
        previous=chain.head,
    )


def extended(chain: Chain, entry: ChainEntry) -> Chain:
    """Return the chain with another entry."""
    return Chain(
        entries=(*chain.entries, entry), heads=(*chain.heads, sha256(to_line(entry))), faults=chain.faults
    )


def read_chain(content: bytes) -> Chain:
    """Read a chain file and check that every entry follows from the one before."""
    entries: list[ChainEntry] = []
    heads: list[str] = []
    faults: list[str] = []
    *lines, rest = content.split(b"\n")
    if rest:
        faults.append("the last line is cut off")
        lines.append(rest)
    previous = NO_HASH
    for number, line in enumerate(lines):
        try:
            entry = ChainEntry.model_validate_json(line)
        except ValidationError:
            faults.append(f"line {number + 1} cannot be read")
            previous = sha256(line)
            continue
        if entry.n != number:
            faults.append(f"line {number + 1} is entry {entry.n}: entries are missing, inserted or reordered")
        elif entry.previous != previous:
            faults.append(f"line {number + 1} does not follow from the line before: one of them was changed")
        elif to_line(entry) != line:
            faults.append(f"line {number + 1} is not written as the monitor writes it")
        elif misplaced := _misplaced(entry, entries):
            faults.append(f"line {number + 1} {misplaced}")
        entries.append(entry)
        previous = sha256(line)
        heads.append(previous)
    if not entries:
        faults.append("it is empty")
    return Chain(entries=tuple(entries), heads=tuple(heads), faults=tuple(faults))


def _misplaced(entry: ChainEntry, before: Sequence[ChainEntry]) -> str | None:
    if (entry.kind == "begun") != (entry.n == 0) or (entry.kind == "begun") != (entry.chain is not None):
        return "is no beginning" if entry.n == 0 else "begins another chain"
    if entry.kind == "bundle" and (entry.manifest is None or entry.expired is not None):
        return "names no bundle"
    if entry.kind == "expired" and not any(
        bundle.kind == "bundle" and (bundle.n, bundle.manifest) == (entry.expired, entry.manifest)
        for bundle in before
    ):
        return "deletes a bundle that is not in the chain"
    return None
