"""What a participant looked like at the start of the call, and since; a jump is never learnt. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from realtime.errors import ConfigurationError
from realtime.identity.prototypes import Prototypes, nearest_similarity, unit
from realtime.similarity.ring import require_unit_rows
from realtime.timebase import NS_PER_MS, NS_PER_S
from realtime.types import Float32, read_only

#: People told apart while nobody is enrolled yet.
MAX_CANDIDATES = 3
#: Their looks told apart meanwhile.
MAX_CANDIDATE_LOOKS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityMemoryConfig:
    """When a participant is enrolled, and what is learnt afterwards. View is call time times weight.

    Attributes:
        enrolment_ns: View after which the enrolment is closed.
        min_share: Share of the time until then that makes the first face in it the enrolled one.
        max_step_ns: One update vouches for no more call time than this.
        max_learnt: Looks that are kept beside the enrolled one; they follow the person.
        same_above: Similarity to the memory from which an embedding may be learnt.
        novel_below: Similarity to every look under which an embedding is a look of its own.
        confirm_ns: View after which a new look is kept; longer than the windows that can hold one moment, so
            that a blend of two people is never a look.
        follow_ns: View after which a learnt look has moved by 1 - 1/e towards what is seen.
        max_gain: What is learnt raises a similarity by no more than this over that to the enrolled look.
    """

    enrolment_ns: int = 2 * NS_PER_S
    min_share: float = 1 / 3
    max_step_ns: int = 400 * NS_PER_MS
    max_learnt: int = 4
    same_above: float = 0.6
    novel_below: float = 0.8
    confirm_ns: int = 1600 * NS_PER_MS
    follow_ns: int = 10 * NS_PER_S
    max_gain: float = 0.15

    def __post_init__(self) -> None:
        if not -1 <= self.same_above <= self.novel_below <= 1:
            raise ConfigurationError(
                "The similarities of an identity memory must be ordered: same_above, novel_below.",
                fix="Choose for example 0.6 and 0.8.",
            )
        if min(self.max_learnt, self.follow_ns, self.max_step_ns) < 1 or self.max_gain < 0:
            raise ConfigurationError(
                "The counts and times of an identity memory must be positive, and the gain not negative.",
                fix="Leave them as they are.",
            )


@dataclass(slots=True, eq=False)
class _Candidate:
    looks: Prototypes
    seen_ns: int = 0


@dataclass(slots=True, eq=False)
class _Look:
    vector: Float32
    seen_ns: int


class IdentityMemory:
    """Enrols a participant from the first seconds in which it is seen, and compares every window with that.

    The enrolment is one look: the one best seen until ``enrolment_ns`` of view are gathered. Where there were
    several people in that time, it is a look of the first who was there for ``min_share`` of it. It never
    changes. Beside it, other looks of the same person (light, glasses, another pose) are learnt and followed,
    but only from windows that resemble the memory (``same_above``), and only once a look has lasted for
    ``confirm_ns``. A sudden other face is not learnt, however long it stays. Nor can one be brought in by
    small steps: whatever is learnt, the similarity of a window is at most ``max_gain`` above its similarity
    to the enrolled look.

    Memory is fixed: at most ``1 + max_learnt`` looks, and one that waits for its confirmation.

    Args:
        config: Its limits.
    """

    def __init__(self, config: IdentityMemoryConfig) -> None:
        self._config = config
        self._candidates: list[_Candidate] = []
        self._gathered_ns = 0.0
        self._enrolled: Float32 | None = None
        self._learnt: list[_Look] = []
        self._pending: Prototypes | None = None
        self._newest: tuple[int, int] | None = None
        self._dimension: int | None = None

    @property
    def is_enrolled(self) -> bool:
        """Whether the enrolment is closed."""
        return self._enrolled is not None

    def looks(self) -> Float32:
        """Return the looks in memory, the enrolled one first: float32, shape (k, D), unit-norm rows.

        Empty, of shape (0, 0), before the enrolment is closed.
        """
        if self._enrolled is None:
            return read_only(np.zeros((0, 0), np.float32))
        learnt = [look.vector[np.newaxis] for look in self._learnt]
        return read_only(np.concatenate([self._enrolled[np.newaxis], *learnt]))

    def update(self, window_index: int, vector: Float32, weight: float, time_ns: int) -> float | None:
        """Take the identity of the next window with a face.

        Args:
            window_index: The window; indices rise and may skip.
            vector: Unit-norm identity embedding.
            weight: How far it may be learnt from, in [0, 1]; 0 only compares.
            time_ns: Call time of the window's end; it rises.

        Returns:
            The window's similarity to the person as remembered before this update, in [-1, 1], higher for the
            same person; None until the enrolment is closed.

        Raises:
            ValueError: If index or time does not rise, the weight is not in [0, 1], or the vector is of
                another dimension or not of unit norm.
        """
        self._check(window_index, vector, weight, time_ns)
        step_ns = self._step_ns(time_ns)
        self._newest = (window_index, time_ns)
        if self._enrolled is None:
            if weight > 0:
                self._enrol(vector, weight, step_ns)
            return None
        enrolled = nearest_similarity(self._enrolled[np.newaxis], vector)
        known = nearest_similarity(self.looks(), vector)
        similarity = min(known, enrolled + self._config.max_gain)
        if similarity >= self._config.same_above and weight > 0:
            self._learn(vector, weight * step_ns, time_ns, is_novel=known < self._config.novel_below)
        return similarity

    def _check(self, window_index: int, vector: Float32, weight: float, time_ns: int) -> None:
        newest_index, newest_ns = (-1, time_ns - 1) if self._newest is None else self._newest
        if window_index <= newest_index or time_ns <= newest_ns:
            raise ValueError(f"window {window_index} comes after window {newest_index}, or no later than it")
        if not 0 <= weight <= 1:
            raise ValueError(f"a weight of {weight} does not lie in [0, 1]")
        require_unit_rows(vector[np.newaxis], self._dimension or len(vector))
        self._dimension = len(vector)

    def _step_ns(self, time_ns: int) -> int:
        longest_ns = self._config.max_step_ns
        return longest_ns if self._newest is None else min(longest_ns, time_ns - self._newest[1])

    def _enrol(self, vector: Float32, weight: float, step_ns: int) -> None:
        candidate = self._candidate(vector)
        candidate.looks.add(vector, weight * step_ns)
        candidate.seen_ns += step_ns
        self._gathered_ns += weight * step_ns
        if self._gathered_ns < self._config.enrolment_ns:
            return
        needed_ns = self._config.min_share * sum(one.seen_ns for one in self._candidates)
        first = next((one for one in self._candidates if one.seen_ns >= needed_ns), None)
        chosen = first or max(self._candidates, key=lambda one: one.seen_ns)
        self._enrolled = chosen.looks.heaviest()
        self._candidates.clear()

    def _candidate(self, vector: Float32) -> _Candidate:
        """Return the candidate whose first look a vector resembles, else a new one for the one seen least.

        The first look, because windows that blend two people would otherwise lead from one to the other.
        """
        like = max(self._candidates, key=lambda one: one.looks.first_similarity(vector), default=None)
        if like is not None and like.looks.first_similarity(vector) >= self._config.same_above:
            return like
        if len(self._candidates) == MAX_CANDIDATES:
            self._candidates.remove(min(self._candidates, key=lambda one: one.seen_ns))
        new = _Candidate(Prototypes(MAX_CANDIDATE_LOOKS, self._config.novel_below))
        self._candidates.append(new)
        return new

    def _learn(self, vector: Float32, view_ns: float, time_ns: int, *, is_novel: bool) -> None:
        if is_novel:
            self._wait(vector, view_ns, time_ns)
            return
        looks = self.looks()
        nearest = int(np.argmax(looks @ vector)) - (len(looks) - len(self._learnt))
        if nearest >= 0:
            look = self._learnt[nearest]
            share = -math.expm1(-view_ns / self._config.follow_ns)
            look.vector = unit(look.vector + share * (vector - look.vector))
            look.seen_ns = time_ns

    def _wait(self, vector: Float32, view_ns: float, time_ns: int) -> None:
        """Keep a new look once it has lasted, in place of the one not seen for longest."""
        if self._pending is None or self._pending.first_similarity(vector) < self._config.novel_below:
            self._pending = Prototypes(1, self._config.novel_below)
        self._pending.add(vector, view_ns)
        if self._pending.weight < self._config.confirm_ns:
            return
        if len(self._learnt) == self._config.max_learnt:
            self._learnt.remove(min(self._learnt, key=lambda look: look.seen_ns))
        self._learnt.append(_Look(self._pending.means()[0], time_ns))
        self._pending = None
