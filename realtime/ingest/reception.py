"""How well a participant's media comes in: what an operator looks at before believing a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SyncSource = Literal["single", "arrival", "reports"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackReception:
    """Counters of one track since its connection began.

    Attributes:
        packets: RTP packets received, without duplicates.
        lost: Packets given up.
        recovered: Packets that came after they had been missed: late, or sent again.
        nacks: Requests to send packets again.
        key_frame_requests: Requests for a key frame (PLI); 0 for audio.
        frames: Decoded pictures or blocks of audio.
        damaged: Frames that were incomplete, or built on an incomplete one, and therefore not passed on.
        freezes: Spans of more than 200 ms without a picture while packets came; 0 for audio.
        missing_ms: Media time covered by gaps with the reason "loss".
        dropped: Frames dropped because this host was too slow.
        feedback_dropped: Requests and estimates that gave way because too many waited to be sent.
        jitter_ms: Interarrival jitter (RFC 3550, appendix A.8), in ms.
    """

    packets: int = 0
    lost: int = 0
    recovered: int = 0
    nacks: int = 0
    key_frame_requests: int = 0
    frames: int = 0
    damaged: int = 0
    freezes: int = 0
    missing_ms: int = 0
    dropped: int = 0
    feedback_dropped: int = 0
    jitter_ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """A participant's tracks and how well their clocks are aligned.

    Attributes:
        audio: The audio track; None where there is none.
        video: The video track; None where there is none.
        sync: What the alignment of the two rests on; "single" while there is only one.
        skew_ms: By how much the sender's clock moves the pictures against the arrival-time estimate.
        uncertainty_ms: What may be left of a misalignment.
    """

    audio: TrackReception | None
    video: TrackReception | None
    sync: SyncSource = "single"
    skew_ms: float = 0.0
    uncertainty_ms: float = 0.0
