"""The same facts as on the page, for machines."""

from __future__ import annotations

import math
from typing import Any

from clients.report.subject import Ground, Report, Subject, shares
from realtime.timebase import FRAME_RATE_HZ
from realtime.types import Alert, Seam, SimilarityMatrix


def report_facts(report: Report) -> dict[str, Any]:
    """Return a report as JSON values: times in seconds of its timeline; pictures are only counted."""
    check = report.check
    return {
        "v": 1,
        "kind": report.kind,
        "title": report.title,
        "made_at": report.made_at.isoformat(timespec="seconds"),
        "program": report.program,
        "notes": list(report.notes),
        "evidence": None
        if check is None
        else {
            "folder": check.folder,
            "bundles": check.bundles,
            "head": check.head,
            "faults": list(check.faults),
        },
        "subjects": [_subject(subject) for subject in report.subjects],
    }


def _subject(subject: Subject) -> dict[str, Any]:
    divided = shares(subject.timeline)
    made = subject.origin
    return {
        "name": subject.name,
        "verdict": subject.verdict.value,
        "reasons": list(subject.reasons),
        "sentence": subject.sentence,
        "verified": subject.verified,
        "span_s": list(subject.span.seconds),
        "recorded_s": _rounded(divided.recorded_ns / 1e9, 3),
        "judged_share": _rounded(divided.judged),
        "reason_shares": {reason: _rounded(share) for reason, share in divided.reasons},
        "transitions": [_transition(alert, subject) for alert in subject.alerts],
        "grounds": [_ground(ground) for ground in subject.grounds],
        "program": made.program,
        "config_sha256": made.config_sha256,
        "engines": {
            role: engine.model_dump(exclude_none=True, mode="json") for role, engine in made.engines.items()
        },
        "bundles": [
            {"bundle": bundle.name, "sha256": bundle.sha256, "faults": list(bundle.faults)}
            for bundle in subject.bundles
        ],
        "not_kept": list(subject.not_kept),
    }


def _transition(alert: Alert, subject: Subject) -> dict[str, Any]:
    return {
        "time_s": _rounded(alert.time_ns / 1e9, 3),
        "previous": alert.previous.value,
        "state": alert.state.value,
        "margin": _rounded(alert.margin),
        "reasons": list(alert.reasons),
        "values": {name: _rounded(value) for name, value in alert.values.items()},
        "operator": subject.words.get(alert.time_ns),
    }


def _ground(ground: Ground) -> dict[str, Any]:
    return {
        "title": ground.title,
        "seams": [_seam(number, seam) for number, seam in enumerate(ground.seams, ground.first)],
        "intra_windows": _windows(ground.intra),
        "cross_windows": _windows(ground.cross),
        "pictures": None if ground.portraits is None else len(ground.portraits),
        "loudness_s": None
        if ground.loudness is None
        else _rounded(len(ground.loudness.rms) / FRAME_RATE_HZ, 2),
    }


def _seam(number: int, seam: Seam) -> dict[str, Any]:
    return {
        "number": number,
        "kind": seam.kind.value,
        "a": list(seam.a.seconds),
        "b": list(seam.b.seconds),
        "value": _rounded(seam.value),
    }


def _windows(matrix: SimilarityMatrix | None) -> int | None:
    return None if matrix is None else len(matrix.spans)


def _rounded(value: float | None, digits: int = 4) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), digits)
