"""ICE candidates that come after the session description (trickle ICE, RFC 8838)."""

from __future__ import annotations

from aiortc import RTCPeerConnection
from aiortc.sdp import candidate_from_sdp

from realtime.errors import SignallingError


async def add_candidate(peer: RTCPeerConnection, line: str, mid: str | None, index: int | None) -> None:
    """Add a candidate of the other side; may take as long as resolving an mDNS name does.

    Args:
        peer: Has its remote description.
        line: The attribute, beginning with ``candidate:`` (RFC 8839, section 5.1).
        mid: Media section by name; None where ``index`` says it.
        index: Media section by number.

    Raises:
        SignallingError: The candidate cannot be used (400).
    """
    try:
        candidate = candidate_from_sdp(line.removeprefix("candidate:"))
        candidate.sdpMid, candidate.sdpMLineIndex = mid, index
        await peer.addIceCandidate(candidate)
    except Exception as error:
        raise SignallingError(
            "The ICE candidate cannot be used.",
            fix="Send candidates that a WebRTC stack made.",
            status=400,
        ) from error
