"""The pairs of moments that disagree: in words, with the pictures of the face and the loudness where kept."""

from __future__ import annotations

import numpy as np

from clients.report.markup import data_uri
from clients.report.subject import Ground, Loudness, Portrait
from clients.wording import clock, seam_sentence, span_clock
from realtime.evidence.media import STRIP_MARGIN_NS, is_in_strip
from realtime.timebase import NS_PER_S, TICK_NS, tick_time_ns
from realtime.types import Float32, Modality, Seam, TimeSpan

BAR_WIDTH, BAR_STEP, BARS_HEIGHT = 4, 5, 56
#: Sound this much quieter than full scale has no height.
FLOOR_DB = 60.0


def level(rms: Float32) -> Float32:
    """Return loudness as a share of the range from ``FLOOR_DB`` under full scale to full scale, in [0, 1].

    Args:
        rms: float32, full scale 1; NaN gives NaN.
    """
    decibels = 20 * np.log10(np.maximum(rms, 1e-9))
    return np.clip(decibels / FLOOR_DB + 1, 0, 1).astype(np.float32)


def seam_list(ground: Ground) -> str:
    """Return every seam of a moment as a list item with what was kept of it."""
    items = (_seam(number, seam, ground) for number, seam in enumerate(ground.seams, ground.first))
    body = "".join(items)
    if not body:
        return ""
    legend = (
        '<p class="muted">Framed: pictures of the moment itself. Pale: right before and after.</p>'
        if ground.portraits
        else ""
    )
    return f'{legend}<ol class="seams" start="{ground.first}">{body}</ol>'


def _seam(number: int, seam: Seam, ground: Ground) -> str:
    pictures = ""
    if ground.portraits is not None:
        first = _strip(seam.a, ground.portraits)
        if seam.kind is Modality.INTRA:
            second = _strip(seam.b, ground.portraits)
        else:
            second = _loudness(seam.b, ground.loudness)
        pictures = f'<div class="strips">{first}{second}</div>'
    return f'<li><p><span class="seam-number">{number}</span>{seam_sentence(seam)}</p>{pictures}</li>'


def _strip(span: TimeSpan, portraits: tuple[Portrait, ...]) -> str:
    shown = [portrait for portrait in portraits if is_in_strip(portrait.time_ns, span)]
    if not shown:
        body = '<p class="muted">No picture of this moment was kept.</p>'
    else:
        body = "".join(_picture(portrait, span) for portrait in shown)
    return f'<figure><div class="strip">{body}</div><figcaption>{span_clock(span)}</figcaption></figure>'


def _picture(portrait: Portrait, span: TimeSpan) -> str:
    inside = span.start_ns <= portrait.time_ns < span.end_ns
    return (
        f'<img class="{"inside" if inside else "beside"}" width="112" height="112" '
        f'alt="The face at {clock(portrait.time_ns / NS_PER_S)}" src="{data_uri("jpeg", portrait.jpeg)}">'
    )


def _loudness(span: TimeSpan, loudness: Loudness | None) -> str:
    first_ns, last_ns = span.start_ns - STRIP_MARGIN_NS, span.end_ns + STRIP_MARGIN_NS
    bars = []
    for index in range((last_ns - first_ns) // TICK_NS):
        time_ns = first_ns + tick_time_ns(index)
        at = -1 if loudness is None else (time_ns - loudness.start_ns) // TICK_NS
        if loudness is None or not 0 <= at < len(loudness.rms) or not np.isfinite(loudness.rms[at]):
            continue
        height = max(1.0, float(level(loudness.rms[at : at + 1])[0]) * BARS_HEIGHT)
        kind = "inside" if span.start_ns <= time_ns < span.end_ns else "beside"
        bars.append(
            f'<rect class="loud {kind}" x="{index * BAR_STEP}" y="{BARS_HEIGHT - height:.1f}" '
            f'width="{BAR_WIDTH}" height="{height:.1f}"/>'
        )
    width = (last_ns - first_ns) // TICK_NS * BAR_STEP
    body = (
        f'<svg class="bars" viewBox="0 0 {width} {BARS_HEIGHT}" role="img" '
        f'aria-label="How loud the voice was">{"".join(bars)}</svg>'
        if bars
        else '<p class="muted">The loudness of this moment was not kept.</p>'
    )
    return f"<figure>{body}<figcaption>how loud, {span_clock(span)}</figcaption></figure>"
