"""What a value is worth as evidence against the genuine ones, whatever their distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Genuine values of one stratum, by speaker.

    Attributes:
        tilt: How steeply low values are bet on, at least 0.
        speakers: Each speaker's values, sorted; none is empty.
    """

    tilt: float
    speakers: tuple[tuple[float, ...], ...]
    _log_total: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        sums = [_log_sum([-self.tilt * value for value in values]) for values in self.speakers]
        averages = [total - math.log(len(values)) for total, values in zip(sums, self.speakers, strict=True)]
        average_speaker = _log_sum(averages) + math.log(self.blocks / len(self.speakers))
        object.__setattr__(self, "_log_total", max(_log_sum(sums), average_speaker))

    @property
    def blocks(self) -> int:
        """Number of values."""
        return sum(len(values) for values in self.speakers)

    def log_e_value(self, value: float) -> float:
        """Return the logarithm of the value's e-value: a fair bet's payout if it is genuine.

        With f(x) = exp(-tilt x) and n genuine values, E = (n + 1) f(x) / (sum of f over them + f(x)). If the
        value is exchangeable with them, each of the n + 1 is as likely to be the tested one and the mean of E
        is 1, whatever their distribution; E is at most n + 1, so never claims more than the material
        supports. Where speakers with few values have the heavier bets, the sum is taken as if all had as
        many; that only lowers E.

        Source: Vovk & Wang 2021, "E-values: calibration, combination and applications"; Balinsky &
        Balinsky 2024, "Enhancing conformal prediction using e-test statistics".
        """
        log_bet = -self.tilt * value
        return math.log(self.blocks + 1) + log_bet - float(np.logaddexp(self._log_total, log_bet))


def _log_sum(exponents: Sequence[float]) -> float:
    return float(np.logaddexp.reduce(exponents))
