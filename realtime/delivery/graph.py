"""Alerts in the shape of Microsoft Graph's synthetic media detection (beta). Pure.

Names follow the beta reference of ``syntheticMediaDetectionInfo``, ``syntheticMediaDetectionDetail``,
``mediaMetadata``, ``mediaSegment`` and of the action ``participant: reportSyntheticMedia``
(https://learn.microsoft.com/graph/api/participant-reportsyntheticmedia?view=graph-rest-beta); it may change.
docs/alerts.md says what the numbers mean.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from realtime.alerts.machine import EVIDENCE_RAN_OUT
from realtime.server.alerts_socket import server_name
from realtime.server.wire import AlertMessage, SeamInfo
from realtime.timebase import FRAME_RATE_HZ, SAMPLE_RATE_HZ

Severity = Literal["low", "medium", "high"]

UNKNOWN_MEDIA_TYPE = "application/octet-stream"
SEVERITIES: Final[Mapping[str, Severity]] = {"clear": "low", "suspicious": "medium", "alert": "high"}

_NAMESPACE = uuid.UUID("7d1f0c7e-6f0b-5c55-9a40-2f3c1d4be0a6")
_INFO_TYPE = "#microsoft.graph.syntheticMediaDetectionInfo"
_BIT_DEPTH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class _Channel:
    """What a reason of alert is in Graph's words.

    A voice that was exchanged and lips that were made to fit another voice look the same to a comparison of
    lips and voice, so both are ``lipSync``; ``voiceClone`` is never claimed.
    """

    task: str
    modality: str
    seam_kind: str
    encoders: tuple[str, ...]


CHANNELS: Final[Mapping[str, _Channel]] = {
    "identity_changed": _Channel(
        task="faceSwap", modality="video", seam_kind="intra", encoders=("identity",)
    ),
    "lips_do_not_fit_voice": _Channel(
        task="lipSync", modality="multimodal", seam_kind="cross", encoders=("visual", "audio")
    ),
    "not_the_reference": _Channel(
        task="faceVerification", modality="video", seam_kind="intra", encoders=("identity",)
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A span in whole seconds from the start of the call; both 0 for files, as Graph wants it."""

    start_s: int
    end_s: int


NO_SEGMENT = Segment(start_s=0, end_s=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """What was looked at.

    Attributes:
        is_live: Whether it was a live stream.
        duration_s: Whole seconds that were looked at.
        media_type: MIME type.
        size_bytes: 0 for a stream.
    """

    is_live: bool
    duration_s: int
    media_type: str = UNKNOWN_MEDIA_TYPE
    size_bytes: int = 0


def detection_id(*parts: object) -> str:
    """Return the identifier of a detection: the same for the same parts, whoever asks and whenever."""
    return str(uuid.uuid5(_NAMESPACE, json.dumps([str(part) for part in parts])))


def share_of_alarm(margin: float | None) -> float:
    """Return how much of the way to an alarm a margin is: 0 for typical genuine media, 1 at the threshold.

    It is no probability.
    """
    if margin is None or not math.isfinite(margin):
        return 0.0
    return min(1.0, max(0.0, 1.0 - margin))


def details(
    reasons: Iterable[str],
    engines: Mapping[str, str],
    segments: Mapping[str, Segment],
    confidences: Mapping[str, float],
    *,
    confidence: float,
) -> list[dict[str, Any]]:
    """Return one ``syntheticMediaDetectionDetail`` for each reason that accuses.

    Args:
        reasons: Reasons of an alert; those that accuse of nothing are left out.
        engines: Engine per encoder.
        segments: Where each reason shows.
        confidences: Confidence of each reason.
        confidence: Of the reasons that have none of their own.
    """
    found = []
    for reason in reasons:
        channel = CHANNELS.get(reason)
        if channel is None:
            continue
        used = [engines[role] for role in channel.encoders if role in engines]
        segment = segments.get(reason, NO_SEGMENT)
        found.append(
            {
                "modelName": " + ".join(used) or server_name(),
                "modality": channel.modality,
                "modelTasks": [channel.task],
                "segment": {
                    "startTimeSec": segment.start_s,
                    "endTimeSec": segment.end_s,
                    "frameIndices": [],
                },
                "confidence": round(confidences.get(reason, confidence), 4),
            }
        )
    return found


def detection(
    *,
    identifier: str,
    detected_at: str,
    confidence: float,
    severity: Severity,
    media: Media,
    found: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the detection as a participant carries it, and as a bot reports it.

    Intent and trust are not Seamwatch's to judge: ``isMalicious`` and ``isParticipantTrusted`` are false.

    Args:
        identifier: From ``detection_id``.
        detected_at: RFC 3339, UTC.
        confidence: In [0, 1]; see ``share_of_alarm``.
        severity: The state in Graph's words.
        media: What was looked at.
        found: From ``details``.
    """
    return {
        "syntheticMediaDetection": {
            "@odata.type": _INFO_TYPE,
            "detectionId": identifier,
            "detectorBot": server_name(),
            "isParticipantTrusted": False,
            "syntheticConfidence": round(confidence, 4),
        },
        "reportSyntheticMedia": {
            "id": identifier,
            "detectionDateTime": detected_at,
            "severity": severity,
            "overallConfidence": round(confidence, 4),
            "isMalicious": False,
            "contentMetadata": {
                "modality": "multimodal",
                "isRealTime": media.is_live,
                "mimeType": media.media_type,
                "byteSize": media.size_bytes,
                "duration": media.duration_s,
                "audioMetadata": {"sampleRateHz": SAMPLE_RATE_HZ, "bitDepth": _BIT_DEPTH, "channels": 1},
                "videoMetadata": {"codec": "raw", "frameRate": float(FRAME_RATE_HZ), "bitrateKbps": 0},
                "streamingMetadata": None,
            },
            "detections": list(found),
        },
    }


#: Stands for a detection where there is not enough evidence for one, which is not the same as a low one.
NOTHING_TO_REPORT: Final[Mapping[str, None]] = {"syntheticMediaDetection": None, "reportSyntheticMedia": None}


def alert_detection(alert: AlertMessage) -> dict[str, Any]:
    """Return an alert with its detection; without one where the evidence ran out."""
    about = {
        "call": alert.call,
        "participant": alert.participant,
        "seq": alert.seq,
        "state": alert.state,
        "reasons": alert.reasons,
        "seams": [seam.model_dump(mode="json") for seam in alert.seams],
    }
    if EVIDENCE_RAN_OUT in alert.reasons:
        return {**about, **NOTHING_TO_REPORT}
    confidence, confidences = share_of_alarm(alert.margin), {}
    if alert.test is not None:
        confidence = alert.test.progress
        confidences = {
            reason: min(1.0, max(0.0, nats / alert.test.threshold))
            for reason, nats in alert.test.channels.items()
        }
    accused = [] if alert.state == "clear" else alert.reasons
    segments = {reason: _segment(alert, reason) for reason in accused if reason in CHANNELS}
    seconds = [segment.end_s - segment.start_s for segment in segments.values()]
    return {
        **about,
        **detection(
            identifier=detection_id(alert.call, alert.participant, alert.seq, alert.raised_at),
            detected_at=alert.raised_at,
            confidence=confidence,
            severity=SEVERITIES[alert.state],
            media=Media(is_live=True, duration_s=max([1, *seconds])),
            found=details(
                accused,
                {role: info.engine for role, info in alert.engines.items()},
                segments,
                confidences,
                confidence=confidence,
            ),
        ),
    }


def as_graph(alert: AlertMessage) -> str:
    """Return an alert as JSON, for ``realtime.delivery.outlet.Render``."""
    return json.dumps(alert_detection(alert), allow_nan=False)


def _segment(alert: AlertMessage, reason: str) -> Segment:
    """Return where a reason shows: the lips and the voice compared, or the later of two faces."""
    kind = CHANNELS[reason].seam_kind
    worst = next((seam for seam in alert.seams if seam.kind == kind), None)
    start_s, end_s = (alert.time_s, alert.time_s) if worst is None else _span_s(worst)
    return Segment(start_s=math.floor(start_s), end_s=math.ceil(end_s))


def _span_s(seam: SeamInfo) -> tuple[float, float]:
    if seam.kind == "intra":
        return max(seam.a, seam.b)
    return min(seam.a[0], seam.b[0]), max(seam.a[1], seam.b[1])
