"""Evidence as it lies on a disk: a whole folder, one bundle, or a packed one."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from realtime.errors import EvidenceError
from realtime.evidence.chain import Chain, read_chain
from realtime.evidence.files import bundle_folders, read_files, sync_folder, write_new
from realtime.evidence.record import CHAIN_NAME, MANIFEST_NAME
from realtime.evidence.verify import (
    CheckedBundle,
    Finding,
    StoredBundle,
    chain_findings,
    check_bundle,
    links_to,
)

#: A packed bundle that takes more is not read.
MAX_UNPACKED_BYTES = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedEvidence:
    """What was found at one path.

    Attributes:
        path: The path as given.
        bundles: Every bundle there, by number.
        chain: The chain that they were checked against; None where there was none.
        chain_findings: What is wrong with the chain.
    """

    path: Path
    bundles: tuple[CheckedBundle, ...]
    chain: Chain | None
    chain_findings: tuple[Finding, ...]

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return not self.chain_findings and not any(bundle.findings for bundle in self.bundles)

    def findings(self) -> Iterator[Finding]:
        """Yield everything that is wrong."""
        yield from self.chain_findings
        for bundle in self.bundles:
            yield from bundle.findings


def check_path(path: Path) -> CheckedEvidence:
    """Check an evidence folder, one bundle of it, or a packed bundle.

    Raises:
        EvidenceError: There is no evidence, or it cannot be read.
    """
    try:
        if path.is_file():
            return _check_packed(path)
        if (path / CHAIN_NAME).exists():
            return _check_root(path)
        if (path / MANIFEST_NAME).exists():
            return _check_one(path)
    except OSError as error:
        raise EvidenceError(
            f"{path} cannot be read: {error.strerror}.", fix="Check its permissions."
        ) from error
    raise EvidenceError(
        f"{path} holds no evidence.",
        fix=f"Name a folder with {CHAIN_NAME}, a bundle's folder with {MANIFEST_NAME}, or a packed bundle.",
    )


def pack(folder: Path, out: Path) -> None:
    """Put one bundle and the chain, which names nobody, into a zip file readable by its owner only.

    Raises:
        EvidenceError: The folder is no bundle, cannot be read, or the file exists or cannot be written.
    """
    packed = io.BytesIO()
    try:
        if not (folder / MANIFEST_NAME).is_file():
            raise EvidenceError(f"{folder} is no bundle.", fix=f"Name a folder with {MANIFEST_NAME}.")
        files = read_files(folder)
        chain = _chain_above(folder)
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
            for name, data in sorted(files.items()):
                archive.writestr(f"{folder.resolve().name}/{name}", data)
            if chain is not None:
                archive.writestr(CHAIN_NAME, chain)
        write_new(out, packed.getvalue())
        sync_folder(out.parent)
    except OSError as error:
        raise EvidenceError(
            f"{folder} cannot be packed into {out}: {error.strerror}.", fix="Name a new file, with --out."
        ) from error


def _check_root(root: Path) -> CheckedEvidence:
    chain = read_chain((root / CHAIN_NAME).read_bytes())
    bundles = tuple(
        check_bundle(StoredBundle(call=folder.parent.name, name=folder.name, files=read_files(folder)))
        for folder in bundle_folders(root)
    )
    return CheckedEvidence(
        path=root, bundles=bundles, chain=chain, chain_findings=tuple(chain_findings(chain, bundles))
    )


def _check_one(folder: Path) -> CheckedEvidence:
    content = _chain_above(folder)
    resolved = folder.resolve()
    bundle = check_bundle(
        StoredBundle(
            call=None if content is None else resolved.parent.name,
            name=resolved.name,
            files=read_files(folder),
        )
    )
    return _with_chain(folder, bundle, content)


def _check_packed(path: Path) -> CheckedEvidence:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            if sum(info.file_size for info in infos) > MAX_UNPACKED_BYTES:
                raise EvidenceError(
                    f"{path} is too large for a bundle.", fix="Unpack it and check the folder."
                )
            contents = {info.filename: archive.read(info) for info in infos}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise EvidenceError(f"{path} is no packed bundle, or damaged.", fix="Pack it again.") from error
    twice = len(contents) != len(infos)
    chain = contents.pop(CHAIN_NAME, None)
    folders = {name.partition("/")[0] for name in contents}
    if twice or len(folders) != 1 or any("/" not in name for name in contents):
        raise EvidenceError(f"{path} is no packed bundle.", fix="Use `seamwatch evidence pack`.")
    files = {name.partition("/")[2]: data for name, data in contents.items()}
    bundle = check_bundle(StoredBundle(call=None, name=folders.pop(), files=files))
    return _with_chain(path, bundle, chain)


def _with_chain(path: Path, bundle: CheckedBundle, content: bytes | None) -> CheckedEvidence:
    chain = None if content is None else read_chain(content)
    findings = () if chain is None else tuple(links_to(chain, bundle))
    return CheckedEvidence(path=path, bundles=(bundle,), chain=chain, chain_findings=findings)


def _chain_above(folder: Path) -> bytes | None:
    path = folder.resolve().parent.parent / CHAIN_NAME
    return path.read_bytes() if path.is_file() else None
