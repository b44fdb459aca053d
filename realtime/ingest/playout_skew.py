"""By how much another WebRTC stack plays pictures and sound apart from each other, by its own account.

Such a stack delays either track as its jitter buffers need, brings them together over many seconds, and falls
behind on a busy host. What it knows from RTCP sender reports tells how far apart they are
(``estimatedPlayoutTimestamp`` of the W3C's webrtc-stats, ``RTCInboundRtpStreamStats``).
"""

from __future__ import annotations

from collections import deque
from statistics import median

from realtime.timebase import NS_PER_S
from realtime.types import TrackKind

#: Two accounts belong together if they are no further apart than this.
MAX_APART_NS = NS_PER_S
MAX_PLAUSIBLE_NS = 2 * NS_PER_S
RECENT = 5


class PlayoutSkew:
    """Follows the newest accounts of both tracks."""

    def __init__(self) -> None:
        self._accounts: dict[TrackKind, tuple[int, int]] = {}
        self._recent: deque[int] = deque(maxlen=RECENT)

    @property
    def is_known(self) -> bool:
        """Whether there was an account of both tracks."""
        return bool(self._recent)

    @property
    def skew_ns(self) -> int:
        """By how much later pictures are captured than the sound played with them; 0 while unknown."""
        return int(median(self._recent)) if self._recent else 0

    @property
    def spread_ns(self) -> int:
        """Half the range of the recent values."""
        return (max(self._recent) - min(self._recent)) // 2 if self._recent else 0

    def note(self, kind: TrackKind, *, sender_ns: int, at_ns: int) -> None:
        """Take an account of one track; implausible pairs are ignored.

        Args:
            kind: The track.
            sender_ns: The sender's wall clock when what was played out at ``at_ns`` was captured.
            at_ns: A moment on the monotonic clock.
        """
        self._accounts[kind] = at_ns, sender_ns - at_ns
        if kind == "video" and "audio" in self._accounts:
            audio_at_ns, audio_ns = self._accounts["audio"]
            skew_ns = sender_ns - at_ns - audio_ns
            if abs(at_ns - audio_at_ns) <= MAX_APART_NS and abs(skew_ns) <= MAX_PLAUSIBLE_NS:
                self._recent.append(skew_ns)
