"""Verdicts, times and seams in words for people."""

from __future__ import annotations

import math

from clients.reasons import CONTRADICTIONS, describe, in_words
from realtime.scan import ScanResult
from realtime.types import Modality, Seam, TimeSpan, Verdict

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
    """Return what a seam says, as one sentence."""
    if seam.kind is Modality.INTRA:
        return (
            f"The face at {span_clock(seam.a)} does not look like the face at {span_clock(seam.b)} "
            f"(similarity {number(seam.value)})."
        )
    return (
        f"The lips at {span_clock(seam.a)} do not go with the voice at {span_clock(seam.b)} "
        f"(similarity {number(seam.value)})."
    )


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
