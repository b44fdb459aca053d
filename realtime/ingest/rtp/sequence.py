"""Counters that wrap, and sequence numbers that jump."""

from __future__ import annotations

SEQUENCE_MODULUS = 1 << 16
TIMESTAMP_MODULUS = 1 << 32
MAX_AHEAD = 3000
MAX_BEHIND = 512


def signed_distance(value: int, reference: int, modulus: int) -> int:
    """Return how far a counter that wraps is ahead of another one, the short way round."""
    half = modulus >> 1
    return (value - reference + half) % modulus - half


class SequenceExtender:
    """Extends 16-bit sequence numbers (RFC 3550, appendix A.1).

    A number more than ``MAX_AHEAD`` in front of the highest or ``MAX_BEHIND`` behind it is believed only
    once its successor has come too. After a jump that cannot be a gap the extended numbers go on at a
    distance of more than half a cycle, so they only ever grow.
    """

    def __init__(self) -> None:
        self.highest: int | None = None
        self._doubtful: int | None = None

    def extend(self, number: int) -> int | None:
        """Return the extended number, None for one that is not believed yet."""
        highest = self.highest
        if highest is None:
            self.highest = number
            return number
        step = signed_distance(number, highest, SEQUENCE_MODULUS)
        if step == 1:
            self.highest = highest + 1
            return highest + 1
        if step > MAX_AHEAD or step < -MAX_BEHIND:
            if number != self._doubtful:
                self._doubtful = (number + 1) % SEQUENCE_MODULUS
                return None
            if step < 0:
                step += SEQUENCE_MODULUS
        self._doubtful = None
        if step > 0:
            self.highest = highest + step
        return highest + step


def is_restart(gap: int) -> bool:
    """Tell a new start of the sequence from packets that may have been lost."""
    return gap >= SEQUENCE_MODULUS >> 1
