"""Who sends what in which second of a measured call. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Talk = Literal["all", "turns"]

TURN_S = 6
"""How long somebody talks where people take turns."""
_OFFSET_S = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One second of somebody's stream.

    Attributes:
        person: Whose.
        talking: Whether of the talk, else of the listening.
        second: Which one; whole seconds since the participant began, to be taken modulo the length.
    """

    person: int
    talking: bool
    second: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """What a participant sends in one second."""

    video: Cut
    audio: Cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A call.

    Attributes:
        participants: How many.
        talk: Whether all talk all the time, or one at a time.
        talkers: People who talk; participants beyond them are the same people at another moment.
        intruder: The person whose face takes over.
        tampered: The participant whose face is exchanged; None for nobody.
        tampered_from_s: When, in seconds since that participant began.
    """

    participants: int
    talk: Talk
    talkers: int
    intruder: int
    tampered: int | None = None
    tampered_from_s: int = 0

    def second(self, participant: int, second: int) -> Second:
        """Return what a participant sends in a second since it began.

        The voice of the tampered participant goes on while another face is seen, in the middle of another
        sentence.
        """
        talking = self.talk == "all" or second // TURN_S % self.participants == participant
        moment = second + participant // self.talkers * _OFFSET_S
        own = Cut(person=participant % self.talkers, talking=talking, second=moment)
        if participant != self.tampered or second < self.tampered_from_s:
            return Second(video=own, audio=own)
        other = Cut(person=self.intruder, talking=talking, second=moment + 1)
        return Second(video=other, audio=own)
