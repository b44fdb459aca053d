"""Checks bundles against their manifests, their embeddings and their chain. Bytes in, findings out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from realtime.evidence.bundle import file_faults, read_arrays
from realtime.evidence.chain import Chain
from realtime.evidence.decision_files import decision_faults
from realtime.evidence.layout import bundle_name, call_folder
from realtime.evidence.media_files import media_faults
from realtime.evidence.recompute import disagreements
from realtime.evidence.record import (
    ARRAYS_NAME,
    CHAIN_NAME,
    MANIFEST_NAME,
    RECORD_NAME,
    ChainEntry,
    EvidenceRecord,
    Manifest,
    canonical_json,
    sha256,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is wrong.

    Attributes:
        file: The file, within the bundle or the evidence folder.
        fault: What is wrong with it, in words.
    """

    file: str
    fault: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedBundle:
    """What was found in one bundle.

    Attributes:
        name: ``CALL/NUMBER-STATE``, or the name of its folder or zip file.
        sha256: SHA-256 of its manifest; None where it has none.
        manifest: What the manifest says; None where it cannot be read.
        record: What the evidence says; None where it cannot be read, or was changed.
        findings: What is wrong; empty for a good bundle.
    """

    name: str
    sha256: str | None
    manifest: Manifest | None
    record: EvidenceRecord | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBundle:
    """A bundle as it was found.

    Attributes:
        call: Name of the folder that it lies in; None for one that lies alone.
        name: Name of its own folder.
        files: Content by name.
    """

    call: str | None
    name: str
    files: Mapping[str, bytes]

    @property
    def full_name(self) -> str:
        """The name with that of the call's folder."""
        return self.name if self.call is None else f"{self.call}/{self.name}"


def check_bundle(stored: StoredBundle) -> CheckedBundle:
    """Check a bundle by itself: every file against the manifest, every value against the embeddings."""
    findings: list[Finding] = []
    content = stored.files.get(MANIFEST_NAME)
    manifest: Manifest | None = None
    record: EvidenceRecord | None = None
    if content is None:
        findings.append(Finding(file=MANIFEST_NAME, fault="is missing"))
    else:
        try:
            manifest = Manifest.model_validate_json(content)
        except ValidationError:
            findings.append(Finding(file=MANIFEST_NAME, fault="cannot be read"))
    if manifest is not None:
        faults = file_faults(stored.files, manifest)
        findings += [Finding(file=name, fault=fault) for name, fault in faults.items()]
        if RECORD_NAME not in faults:
            record, fault = _read_record(stored.files.get(RECORD_NAME))
            findings += [Finding(file=RECORD_NAME, fault=fault)] if fault else []
        if record is not None:
            findings += _contradictions(record)
            findings += _misplacements(stored, manifest, record)
            unchanged = {name: data for name, data in stored.files.items() if name not in faults}
            for name, fault in (*media_faults(unchanged, record.seams), *decision_faults(record, unchanged)):
                if name not in faults:
                    findings.append(Finding(file=name, fault=fault))
        if record is not None and ARRAYS_NAME not in faults:
            findings += _recomputed(record, stored.files.get(ARRAYS_NAME))
    return CheckedBundle(
        name=stored.full_name,
        sha256=None if content is None else sha256(content),
        manifest=manifest,
        record=record,
        findings=tuple(findings),
    )


def chain_findings(chain: Chain, bundles: Iterable[CheckedBundle]) -> Iterator[Finding]:
    """Yield what is wrong between a chain and the bundles that lie under it."""
    for fault in chain.faults:
        yield Finding(file=CHAIN_NAME, fault=fault)
    found = list(bundles)
    expired = chain.expired
    for entry in chain.bundles:
        number = f"{entry.n:06d}"
        own = next((bundle for bundle in found if bundle.sha256 == entry.manifest), None)
        if own is not None:
            found.remove(own)
            yield from _link_findings(chain, entry, own)
            if entry.n in expired:
                yield Finding(file=own.name, fault="was deleted as too old, and is there all the same")
            continue
        changed = next((one for one in found if one.name.rpartition("/")[2].startswith(f"{number}-")), None)
        if changed is not None:
            found.remove(changed)
            yield Finding(
                file=f"{changed.name}/{MANIFEST_NAME}",
                fault=f"is not the one of entry {entry.n} in the chain",
            )
        elif entry.n not in expired:
            yield Finding(file=number, fault=f"the bundle of entry {entry.n} is missing")
    for bundle in found:
        yield Finding(file=bundle.name, fault="is not in the chain")


def links_to(chain: Chain, bundle: CheckedBundle) -> Iterator[Finding]:
    """Yield what is wrong between a chain and one bundle of it, which was packed with it."""
    for fault in chain.faults:
        yield Finding(file=CHAIN_NAME, fault=fault)
    entry = next((entry for entry in chain.bundles if entry.manifest == bundle.sha256), None)
    if entry is None:
        yield Finding(file=MANIFEST_NAME, fault="is not in the chain")
    else:
        yield from _link_findings(chain, entry, bundle)


def _link_findings(chain: Chain, entry: ChainEntry, bundle: CheckedBundle) -> Iterator[Finding]:
    manifest = bundle.manifest
    if manifest is not None and (manifest.chain, manifest.n, manifest.previous, manifest.written_at) != (
        chain.name,
        entry.n,
        entry.previous,
        entry.at,
    ):
        yield Finding(
            file=f"{bundle.name}/{MANIFEST_NAME}", fault=f"does not fit entry {entry.n} of the chain"
        )


def _read_record(content: bytes | None) -> tuple[EvidenceRecord | None, str | None]:
    if content is None:
        return None, "is missing"
    try:
        return EvidenceRecord.model_validate_json(content), None
    except ValidationError:
        return None, "cannot be read"


def _contradictions(record: EvidenceRecord) -> Iterator[Finding]:
    provenance = record.provenance
    if sha256(canonical_json(provenance.config)) != provenance.config_sha256:
        yield Finding(file=RECORD_NAME, fault="its configuration does not have the hash that it states")


def _misplacements(stored: StoredBundle, manifest: Manifest, record: EvidenceRecord) -> Iterator[Finding]:
    if stored.call is None:
        return
    place = (
        call_folder(str(record.alert.get("call"))),
        bundle_name(manifest.n, str(record.alert.get("state"))),
    )
    if (stored.call, stored.name) != place:
        yield Finding(file=stored.full_name, fault=f"belongs at {'/'.join(place)}")


def _recomputed(record: EvidenceRecord, content: bytes | None) -> Iterator[Finding]:
    if content is None:
        yield Finding(file=ARRAYS_NAME, fault="is missing")
        return
    try:
        faults = list(disagreements(record, read_arrays(content)))
    except ValueError as error:
        faults = [str(error)]
    for fault in faults:
        yield Finding(file=RECORD_NAME, fault=f"does not follow from {ARRAYS_NAME}: {fault}")
