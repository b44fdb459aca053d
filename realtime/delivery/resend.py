"""Sending the letters of a dead-letter file again."""

from __future__ import annotations

from dataclasses import dataclass

from realtime.delivery.dead_letters import DeadLetterLine, TakenLetters
from realtime.delivery.outlet import Outlet
from realtime.delivery.retry import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendReport:
    """What became of a dead-letter file.

    Attributes:
        delivered: Letters that were taken; they are no longer in the file.
        refused: Letters that the receiver does not want; they stay.
        unreadable: Lines that are no letters; they stay.
        untried: Lines from the letter on that ended the work; they stay.
        fault: Why the work ended early; empty if it did not.
    """

    delivered: int
    refused: int
    unreadable: int
    untried: int
    fault: str


async def resend(letters: TakenLetters, outlet: Outlet) -> ResendReport:
    """Try every letter once, in order; ends early where the receiver cannot be reached or is gone.

    What was delivered is taken out of the file at the end, however that comes. Ids stay as they were, so a
    receiver that got a letter already knows it.

    Raises:
        DeadLetterError: The file cannot be written; all letters are still in it.
    """
    kept: list[DeadLetterLine] = []
    ahead = list(letters.lines)
    delivered = refused = unreadable = 0
    fault = ""
    try:
        while ahead and not fault:
            line = ahead[0]
            if line.letter is None:
                unreadable += 1
                kept.append(ahead.pop(0))
                continue
            attempt = await outlet.attempt(line.letter.alert, line.letter.id)
            match attempt.outcome:
                case Outcome.DELIVERED:
                    delivered += 1
                    ahead.pop(0)
                case Outcome.REFUSED:
                    refused += 1
                    kept.append(ahead.pop(0))
                case Outcome.FAILED | Outcome.GONE:
                    fault = attempt.fault
    finally:
        if delivered:
            letters.keep_only([*kept, *ahead])
    return ResendReport(
        delivered=delivered, refused=refused, unreadable=unreadable, untried=len(ahead), fault=fault
    )
