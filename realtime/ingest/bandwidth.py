"""What a sender is told about the bandwidth that its packets find."""

from __future__ import annotations

from aiortc.rate import RemoteBitrateEstimator

EXPIRES_MS = 10_000
LEAST_INTERVAL_MS = 200
#: An estimate that has fallen below this part of the one told last is told at once.
URGENT_FALL = 0.97

Estimate = tuple[int, list[int]]


class BandwidthEstimate:
    """aiortc's estimator, told to the sender no more often than is of use.

    As draft-alvestrand-rmcat-remb-03, section 2, has it, what falls by more than 3 % is told at once. The
    rest is told every ``LEAST_INTERVAL_MS`` at most; aiortc's own receiver tells it with every packet of a
    congested network. After a pause of ``EXPIRES_MS`` it begins anew, where aiortc's would count through
    every millisecond of it.
    """

    def __init__(self) -> None:
        self._estimator = RemoteBitrateEstimator()
        self._newest_ms = 0
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
        if arrival_ms - self._newest_ms > EXPIRES_MS or len(self._estimator.ssrcs) > 1:
            self._estimator = RemoteBitrateEstimator()
            self._told = None
        self._newest_ms = arrival_ms
        estimate = self._estimator.add(
            abs_send_time=abs_send_time, arrival_time_ms=arrival_ms, payload_size=size, ssrc=ssrc
        )
        if estimate is None or not self._is_news(estimate[0], arrival_ms):
            return None
        self._told = (estimate[0], arrival_ms)
        return estimate

    def _is_news(self, bits_per_s: int, now_ms: int) -> bool:
        if self._told is None:
            return True
        told, at_ms = self._told
        return now_ms - at_ms >= LEAST_INTERVAL_MS or bits_per_s < URGENT_FALL * told
