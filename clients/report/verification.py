"""What verification of evidence said, for a report."""

from __future__ import annotations

from collections.abc import Iterable

from clients.report.subject import EvidenceCheck, KeptBundle
from realtime.evidence.reading import CheckedEvidence
from realtime.evidence.verify import CheckedBundle


def evidence_check(evidence: CheckedEvidence, nameless: Iterable[CheckedBundle] = ()) -> EvidenceCheck:
    """Return what was found in a whole folder.

    Args:
        evidence: The folder.
        nameless: Bundles that belong to no subject of the report because they were changed.
    """
    faults = [f"{finding.file}: {finding.fault}" for finding in evidence.chain_findings]
    faults += [f"{one.name}: {fault}" for one in kept_bundles(nameless) for fault in one.faults]
    return EvidenceCheck(
        folder=str(evidence.path),
        bundles=len(evidence.bundles),
        head="" if evidence.chain is None else evidence.chain.head,
        faults=tuple(faults),
    )


def kept_bundles(bundles: Iterable[CheckedBundle]) -> tuple[KeptBundle, ...]:
    """Return what was found in some of its bundles."""
    return tuple(
        KeptBundle(
            name=bundle.name,
            sha256=bundle.sha256,
            faults=tuple(f"{finding.file} {finding.fault}" for finding in bundle.findings),
        )
        for bundle in bundles
    )
