"""Verdicts, times and seams in words for people."""

from __future__ import annotations

import math
from collections.abc import Sequence

from clients.reasons import CONTRADICTIONS, describe, in_words
from realtime.config import ScoringConfig
from realtime.scan import ScanResult
from realtime.types import Alert, AlertState, Modality, Seam, TimeSpan, Verdict

VERDICT_STYLES = {"genuine": "green", "suspicious": "yellow", "fake": "bold red", "insufficient": "dim"}


def clock(seconds: float) -> str:
    """Return seconds as minutes and seconds with one decimal, such as 1:05.2."""
    tenths = max(0, round(seconds * 10))
    return f"{tenths // 600}:{tenths % 600 / 10:04.1f}"


def span_clock(span: TimeSpan) -> str:
    """Return a span as two clock times, such as 0:03.0-0:04.0."""
    start_s, end_s = span.seconds
    return f"{clock(start_s)}\N{EN DASH}{clock(end_s)}"


def number(value: float | None, digits: int = 2, unit: str = "") -> str:
    """Return a value for people; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "\N{EN DASH}"
    return f"{value:.{digits}f}{unit}".replace("-", "\N{MINUS SIGN}")


def is_baseline(engine_id: str) -> bool:
    """Tell whether an engine is one of the untrained stand-ins."""
    return engine_id.startswith("baseline")


def seam_sentence(seam: Seam) -> str:
    """Return what a seam says, as one sentence: of the lowest pairs not every one is low."""
    scoring = ScoringConfig()
    value, first, second = number(seam.value), span_clock(seam.a), span_clock(seam.b)
    if seam.kind is Modality.INTRA:
        if seam.value >= scoring.intra_genuine:
            words = "looks like"
        else:
            words = "does not look like" if seam.value < scoring.intra_alert else "looks a little unlike"
        return f"The face at {first} {words} the face at {second} (similarity {value})."
    if seam.value >= scoring.cross_genuine:
        words = "go with"
    else:
        words = "do not go with" if seam.value < scoring.cross_alert else "hardly go with"
    return f"The lips at {first} {words} the voice at {second} (similarity {value})."


def _compared(result: ScanResult) -> str:
    if result.intra is not None and result.cross is not None:
        return (
            "No contradiction was found: the face stays consistent with itself and the lips fit the voice. "
            "This is not a proof that the recording is genuine."
        )
    if result.intra is not None:
        return (
            "No contradiction was found in the face. The lips could not be compared with the voice, "
            "so a false voice would have gone unnoticed."
        )
    return (
        "No contradiction was found between lips and voice. The face could not be compared with itself, "
        "so an exchanged face would have gone unnoticed."
    )


def verdict_sentence(result: ScanResult) -> str:
    """Return the verdict on a file in one or two sentences that a layperson understands."""
    if result.verdict is Verdict.GENUINE:
        return _compared(result)
    sentences = [describe(reason).sentence for reason in result.reasons]
    contradictions = [describe(reason).sentence for reason in result.reasons if reason in CONTRADICTIONS]
    if result.verdict is Verdict.FAKE:
        found = " ".join(contradictions or sentences)
        return f"This recording contradicts itself. {found}".rstrip()
    if result.verdict is Verdict.SUSPICIOUS:
        found = " ".join(contradictions or sentences)
        return f"Something may not be right here, but it is not certain. {found}".rstrip()
    if result.reasons == ("unreadable",):
        return "The file could not be read, so nothing can be said about it."
    missing = in_words(result.reasons)
    return f"There was not enough to judge{f': {missing}' if missing else ''}. This says nothing either way."


def participant_sentence(verdict: Verdict, reasons: Sequence[str]) -> str:
    """Return the verdict on a participant of a call, in words that a layperson understands.

    Args:
        verdict: The gravest that was reached.
        reasons: What led to it, as stable identifiers.
    """
    found = " ".join(describe(reason).sentence for reason in reasons if reason in CONTRADICTIONS)
    if verdict is Verdict.FAKE:
        return f"What was seen and heard of this participant contradicts itself. {found}".rstrip()
    if verdict is Verdict.SUSPICIOUS:
        return f"Something may not be right with this participant, but it is not certain. {found}".rstrip()
    return "There is not enough on record to judge this participant. This says nothing either way."


def alert_history(alerts: Sequence[Alert]) -> str:
    """Return when a participant's state changed, in one or two sentences; times are those of the call."""
    raised = [alert for alert in alerts if alert.state is AlertState.ALERT]
    first = raised[0] if raised else next((a for a in alerts if a.state is AlertState.SUSPICIOUS), None)
    if first is None:
        return "Of the earlier states nothing is kept but that they ended."
    what = "The alert" if raised else "The suspicion"
    more = f", the first of {len(raised)}," if len(raised) > 1 else ""
    told = f"{what}{more} came at {clock(first.time_ns / 1e9)} of the call"
    last = alerts[-1]
    if last.state is AlertState.CLEAR:
        return f"{told} and was lifted at {clock(last.time_ns / 1e9)}: {in_words(last.reasons)}."
    return f"{told} and was not lifted since."
