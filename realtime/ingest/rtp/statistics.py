"""Reception statistics of one source, as receiver reports carry them."""

from __future__ import annotations

from realtime.ingest.rtp.sequence import TIMESTAMP_MODULUS, signed_distance
from realtime.timebase import NS_PER_MS, NS_PER_S

_MAX_DIFFERENCE_S = 60
_MAX_LOST = (1 << 23) - 1


class SourceStatistics:
    """Counts packets of one SSRC (RFC 3550, appendices A.3 and A.8).

    Args:
        ssrc: The source.
        clock_hz: RTP clock rate.
    """

    def __init__(self, ssrc: int, *, clock_hz: int) -> None:
        self.ssrc = ssrc
        self.packets_received = 0
        self._clock_hz = clock_hz
        self._base: int | None = None
        self._highest = 0
        self._expected_before = 0
        self._received_before = 0
        self._jitter_sixteenths = 0
        self._newest: tuple[int, int] | None = None

    def add(self, number: int) -> None:
        """Count a packet by its extended sequence number; packets sent again as RTX do not count."""
        self.packets_received += 1
        if self._base is None:
            self._base = self._highest = number
        elif number > self._highest:
            self._highest = number

    def time_frame(self, timestamp: int, arrival_ns: int) -> None:
        """Take note of the first packet of a frame; packets that overtook each other do not count."""
        arrival = arrival_ns * self._clock_hz // NS_PER_S
        if self._newest is not None:
            step = signed_distance(timestamp, self._newest[0], TIMESTAMP_MODULUS)
            if step < 0:
                return
            limit = _MAX_DIFFERENCE_S * self._clock_hz
            difference = min(abs(arrival - self._newest[1] - step), limit)
            self._jitter_sixteenths += difference - ((self._jitter_sixteenths + 8) >> 4)
        self._newest = (timestamp, arrival)

    @property
    def max_seq(self) -> int:
        """Extended highest sequence number received, 32 bits."""
        return self._highest % TIMESTAMP_MODULUS

    @property
    def jitter(self) -> int:
        """Interarrival jitter in units of the RTP clock."""
        return self._jitter_sixteenths >> 4

    @property
    def jitter_ms(self) -> float:
        """Interarrival jitter in ms."""
        return self._jitter_sixteenths * NS_PER_S / (16 * NS_PER_MS * self._clock_hz)

    @property
    def packets_lost(self) -> int:
        """Packets expected but not received, clamped to what a report can carry."""
        return max(-_MAX_LOST, min(_MAX_LOST, self._expected - self.packets_received))

    @property
    def fraction_lost(self) -> int:
        """Loss since this was last asked for, in 256ths."""
        expected = self._expected - self._expected_before
        received = self.packets_received - self._received_before
        self._expected_before, self._received_before = self._expected, self.packets_received
        lost = expected - received
        return 0 if lost <= 0 else min(255, (lost << 8) // expected)

    @property
    def _expected(self) -> int:
        return 0 if self._base is None else self._highest - self._base + 1
