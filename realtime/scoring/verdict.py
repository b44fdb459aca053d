"""From scores and alert states to a verdict. Absence of evidence is never genuine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from realtime.scoring.scorer import WARMING_UP
from realtime.types import Alert, AlertState, Score, ScoreStatus, Verdict

TOO_SHORT = "too_short"
#: No face has been seen for long enough to be remembered, so the test has compared none with it so far.
NOT_ENROLLED = "not_enrolled"

#: Fraction of a file's windows whose status must be OK for the file to be called genuine.
MIN_OK_RATIO = 0.5


def live_verdict(score: Score, state: AlertState) -> Verdict:
    """Return the verdict of the moment.

    Args:
        score: Newest score of the participant.
        state: State of its alert machine after that score.
    """
    if state is AlertState.ALERT:
        return Verdict.FAKE
    if state is AlertState.SUSPICIOUS:
        return Verdict.SUSPICIOUS
    return Verdict.GENUINE if score.status is ScoreStatus.OK else Verdict.INSUFFICIENT


def clip_verdict(
    scores: Iterable[Score], alerts: Iterable[Alert], min_ok_ratio: float = MIN_OK_RATIO
) -> tuple[Verdict, tuple[str, ...]]:
    """Return the verdict on a whole file and why.

    A file that was ever in alert is fake, one that was ever suspicious is suspicious, whatever came after.
    Without such a state it is genuine only if it has a score at its end and enough of its windows were OK.
    Windows before the enrolment count as OK here: a file is judged as a whole, and its faces have all been
    compared with each other by then.

    Args:
        scores: The running score after every window, in order.
        alerts: Every transition of the alert machine, in order.
        min_ok_ratio: Fraction of windows whose status must be OK, in [0, 1].

    Returns:
        The verdict; and the channels that caused it, or what is missing (most frequent first), or nothing
        for genuine.
    """
    raised: dict[AlertState, dict[str, None]] = {}
    for alert in alerts:
        raised.setdefault(alert.state, {}).update(dict.fromkeys(alert.reasons))
    if AlertState.ALERT in raised:
        return Verdict.FAKE, tuple(raised[AlertState.ALERT])
    if AlertState.SUSPICIOUS in raised:
        return Verdict.SUSPICIOUS, tuple(raised[AlertState.SUSPICIOUS])

    windows = ok_windows = 0
    last: Score | None = None
    missing: Counter[str] = Counter()
    for last in scores:
        windows += 1
        if last.reasons == (NOT_ENROLLED,):
            ok_windows += 1
            continue
        ok_windows += last.status is ScoreStatus.OK
        missing.update(last.reasons)
    if last is None:
        return Verdict.INSUFFICIENT, (TOO_SHORT,)
    if last.score is not None and ok_windows >= min_ok_ratio * windows and ok_windows > 0:
        return Verdict.GENUINE, ()
    specific = tuple(reason for reason, _ in missing.most_common() if reason != WARMING_UP)
    return Verdict.INSUFFICIENT, specific or (WARMING_UP,)


def mostly_measured(scores: Sequence[Score], min_ratio: float = MIN_OK_RATIO) -> bool:
    """Return whether a file's scores mean something, even where they are no ground for a verdict.

    So it is with media of a quality that no calibration covers: it is measured, but not judged.

    Args:
        scores: The running score after every window.
        min_ratio: Fraction of windows that must have been measured on both channels, in [0, 1].
    """
    measured = sum(score.status in (ScoreStatus.OK, ScoreStatus.DEGRADED) for score in scores)
    return measured > 0 and measured >= min_ratio * len(scores)
