"""What is usual for this participant: people differ more between each other than within themselves."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from statistics import NormalDist

#: The mean forgets what is older than about so many blocks, so that a slow change is followed.
MEMORY_BLOCKS = 100


class Age(enum.IntEnum):
    """How much is known about the participant: the number of own blocks so far."""

    COLD = 0
    WARMING = 1
    WARM = 2


#: Own blocks from which an age is reached.
AGE_BLOCKS = {Age.COLD: 0, Age.WARMING: 3, Age.WARM: 10}


def age_of(own_blocks: int) -> Age:
    """Return the age after so many own blocks."""
    return max(age for age, least in AGE_BLOCKS.items() if own_blocks >= least)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerPrior:
    """How genuine speakers differ, of a block's deviation from the usual value of its quality level.

    Attributes:
        between_variance: Variance between speakers' means; 0 for no baseline.
        within_variance: Variance of one speaker's blocks.
    """

    between_variance: float
    within_variance: float

    @property
    def prior_blocks(self) -> float:
        """How many own blocks weigh as much as what is known of people in general."""
        if self.between_variance <= 0.0:
            return math.inf
        return self.within_variance / self.between_variance

    def floor(self, rarity: float) -> float:
        """Return the offset that a given fraction of genuine speakers lie under, if they are normal.

        Args:
            rarity: The fraction, in (0, 0.5].
        """
        return NormalDist().inv_cdf(rarity) * math.sqrt(self.between_variance)


class OwnBaseline:
    """A participant's offset: the posterior mean of a normal prior (empirical Bayes; Efron & Morris 1975).

    Tested against the mean predicted from all earlier blocks, a speaker's deviations are uncorrelated even
    though they have the speaker in common; a baseline that left out low blocks would not have that.

    Args:
        prior: Of the channel.
        floor: Lowest offset that is believed, so that someone who is low from the first second does not
            become usual; at most 0.
    """

    def __init__(self, prior: SpeakerPrior, floor: float = -math.inf) -> None:
        self._prior = prior
        self._floor = floor
        self._mean = 0.0
        self._blocks = 0

    @property
    def age(self) -> Age:
        """How much is known."""
        return age_of(self._blocks)

    @property
    def offset(self) -> float:
        """What the participant's blocks usually deviate by."""
        weighed = min(self._blocks, MEMORY_BLOCKS)
        if weighed == 0:
            return 0.0
        return max(self._floor, self._mean * weighed / (weighed + self._prior.prior_blocks))

    def learn(self, deviation: float) -> None:
        """Take a block's deviation from the usual value of its quality level."""
        self._blocks += 1
        self._mean += (deviation - self._mean) / min(self._blocks, MEMORY_BLOCKS)
