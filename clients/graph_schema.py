"""Verdicts on files in the shape of Microsoft Graph's synthetic media detection (beta). Pure."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from statistics import median
from typing import Any, Final

from realtime.delivery.graph import (
    NOTHING_TO_REPORT,
    UNKNOWN_MEDIA_TYPE,
    Media,
    Severity,
    details,
    detection,
    detection_id,
    share_of_alarm,
)
from realtime.scan import ScanResult
from realtime.types import AlertState, Verdict

SEVERITIES: Final[Mapping[Verdict, Severity]] = {
    Verdict.GENUINE: "low",
    Verdict.SUSPICIOUS: "medium",
    Verdict.FAKE: "high",
}


def scan_detection(result: ScanResult, *, scanned_at: str, size_bytes: int) -> dict[str, Any]:
    """Return a verdict on a file with its detection; without one where there was not enough to judge.

    Args:
        result: What the file said.
        scanned_at: When it was looked at, RFC 3339, UTC.
        size_bytes: Size of the file.
    """
    about = {
        "file": result.file,
        "verdict": result.verdict.value,
        "reasons": list(result.reasons),
        "seams": [
            {
                "kind": seam.kind.value,
                "a": list(seam.a.seconds),
                "b": list(seam.b.seconds),
                "value": round(seam.value, 4),
            }
            for seam in result.seams
        ],
    }
    severity = SEVERITIES.get(result.verdict)
    if severity is None:
        return {**about, **NOTHING_TO_REPORT}
    confidence = share_of_alarm(_margin(result))
    accused = () if result.verdict is Verdict.GENUINE else result.reasons
    return {
        **about,
        **detection(
            identifier=detection_id(result.file, size_bytes, scanned_at),
            detected_at=scanned_at,
            confidence=confidence,
            severity=severity,
            media=Media(
                is_live=False,
                duration_s=round(result.duration_s),
                media_type=mimetypes.guess_type(result.file)[0] or UNKNOWN_MEDIA_TYPE,
                size_bytes=size_bytes,
            ),
            found=details(accused, result.engines, {}, {}, confidence=confidence),
        ),
    }


def _margin(result: ScanResult) -> float | None:
    """Return the margin that stands for a file: the lowest of its alarms, else the median of its windows."""
    raised = [
        alert.margin
        for alert in result.alerts
        if alert.state is not AlertState.CLEAR and alert.margin is not None
    ]
    if raised:
        return min(raised)
    measured = [score.margin for score in result.timeline if score.margin is not None]
    return median(measured) if measured else None
