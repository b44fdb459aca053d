"""What a sender is told about the bandwidth that its packets find."""

from __future__ import annotations

from aiortc.rate import RemoteBitrateEstimator

EXPIRES_MS = 10_000
LEAST_INTERVAL_MS = 200
#: An estimate that has fallen below this part of the one told last is told at once.
URGENT_FALL = 0.97
#: Packets that were sent within 1 ms, in the units of abs-send-time, and came in the same ms count as one.
TOGETHER_SENT = (1 << 18) // 1000

_SEND_TIME_MODULUS = 1 << 24

Estimate = tuple[int, list[int]]


class BandwidthEstimate:
    """aiortc's estimator, told to the sender no more often than is of use.

    As draft-alvestrand-rmcat-remb-03, section 2, has it, what falls by more than 3 % is told at once. The
    rest is told every ``LEAST_INTERVAL_MS`` at most; aiortc's own receiver tells it with every packet of a
    congested network. After a pause of ``EXPIRES_MS`` it begins anew, where aiortc's would count through
    every millisecond of it. Packets that travel together are one to it, since it costs more than all else
    that happens to a packet; so each of its answers comes with the first packet after them.
    """

    def __init__(self) -> None:
        self._estimator = RemoteBitrateEstimator()
        self._group: _Group | None = None
        self._told: tuple[int, int] | None = None

    def add(self, *, abs_send_time: int, arrival_ms: int, size: int, ssrc: int) -> Estimate | None:
        """Take note of a packet.

        Args:
            abs_send_time: Its header extension, in 2^-18 s modulo 64 s.
            arrival_ms: When it arrived.
            size: Bytes of its payload and padding.
            ssrc: The track's source.

        Returns:
            Bits per second and the sources that share them, if the sender is to be told.
        """
        group = self._group
        if group is not None and group.take(abs_send_time, arrival_ms, size, ssrc):
            return None
        self._group = _Group(abs_send_time, arrival_ms, size, ssrc)
        if group is None:
            return None
        estimate = self._estimate(group)
        if arrival_ms - group.arrival_ms > EXPIRES_MS or ssrc != group.ssrc:
            self._estimator = RemoteBitrateEstimator()
            self._told = None
            return None
        return estimate

    def _estimate(self, group: _Group) -> Estimate | None:
        estimate = self._estimator.add(
            abs_send_time=group.send_time,
            arrival_time_ms=group.arrival_ms,
            payload_size=group.size,
            ssrc=group.ssrc,
        )
        if estimate is None or not self._is_news(estimate[0], group.arrival_ms):
            return None
        self._told = (estimate[0], group.arrival_ms)
        return estimate

    def _is_news(self, bits_per_s: int, now_ms: int) -> bool:
        if self._told is None:
            return True
        told, at_ms = self._told
        return now_ms - at_ms >= LEAST_INTERVAL_MS or bits_per_s < URGENT_FALL * told


class _Group:
    """Packets that travel together.

    Attributes:
        send_time: Of the newest, as in its header extension.
        arrival_ms: Of all.
        size: Bytes of all.
        ssrc: Of all.
    """

    __slots__ = ("_first_send_time", "arrival_ms", "send_time", "size", "ssrc")

    def __init__(self, send_time: int, arrival_ms: int, size: int, ssrc: int) -> None:
        self._first_send_time = self.send_time = send_time
        self.arrival_ms = arrival_ms
        self.size = size
        self.ssrc = ssrc

    def take(self, send_time: int, arrival_ms: int, size: int, ssrc: int) -> bool:
        """Add a packet; False if it does not belong here."""
        if arrival_ms != self.arrival_ms or ssrc != self.ssrc:
            return False
        since_first = (send_time - self._first_send_time) % _SEND_TIME_MODULUS
        if since_first > TOGETHER_SENT:
            return False
        if since_first > (self.send_time - self._first_send_time) % _SEND_TIME_MODULUS:
            self.send_time = send_time
        self.size += size
        return True
