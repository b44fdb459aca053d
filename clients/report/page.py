"""The report: one HTML file that needs no network and no script."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from clients.reasons import CONTRADICTIONS, describe, in_words
from clients.report.explanations import checking, limits, not_kept, origin
from clients.report.heatmap import heatmap_svg
from clients.report.markup import section, table, text
from clients.report.strips import seam_list
from clients.report.style import CSS
from clients.report.subject import Ground, Report, Subject, shares
from clients.report.timeline import NARROW, WIDE, timeline_svg
from clients.wording import clock
from realtime.errors import ConfigurationError
from realtime.timebase import NS_PER_S
from realtime.types import Modality, ScoreStatus, Verdict

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_BADGES = {
    Verdict.GENUINE: "No contradiction",
    Verdict.SUSPICIOUS: "Suspicious",
    Verdict.FAKE: "Fake",
    Verdict.INSUFFICIENT: "Not enough to judge",
}
_COUNTED = {
    Verdict.FAKE: "fake",
    Verdict.SUSPICIOUS: "suspicious",
    Verdict.GENUINE: "without contradiction",
    Verdict.INSUFFICIENT: "not enough to judge",
}


def _figures(subject: Subject) -> str:
    return (
        '<dl class="figures">'
        + "".join(
            f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in subject.figures
        )
        + "</dl>"
    )


def _timeline(subject: Subject) -> str:
    if not subject.timeline and not subject.alerts:
        return ""
    keys = ['<span style="--key: var(--suspicious); --strength: .55">suspicious</span>']
    keys.append('<span style="--key: var(--fake); --strength: .6">alert</span>')
    if subject.timeline:
        keys = [
            '<span class="recent">last moments</span>',
            '<span class="whole">everything so far (the score of the paper)</span>',
            '<span style="--key: var(--shade); --strength: .3">not enough to judge</span>',
            '<span class="hatched">not kept</span>',
            '<span style="--key: var(--clear)">judged, nothing raised</span>',
            *keys,
            '<span class="pointed">moments that disagree, numbered as below</span>',
        ]
    return (
        f"<figure>{timeline_svg(subject, WIDE)}{timeline_svg(subject, NARROW)}"
        f'<div class="legend">{"".join(keys)}</div></figure>'
    )


def _ground(ground: Ground) -> str:
    return section(text(ground.title), seam_list(ground)) + section(
        "Every moment compared with every other", _matrices(ground)
    )


def _matrices(ground: Ground) -> str:
    if ground.intra is None or ground.cross is None:
        return '<p class="muted">The matrices were not kept, or what was kept of them was changed.</p>'
    if not ground.intra.spans and not ground.cross.spans:
        return ""
    numbered = list(enumerate(ground.seams, ground.first))
    faces = [one for one in numbered if one[1].kind is Modality.INTRA]
    voices = [one for one in numbered if one[1].kind is Modality.CROSS]
    face = heatmap_svg(
        ground.intra,
        faces,
        label="Similarity of the face with itself, moment by moment",
        low=0.0,
        high=1.0,
    )
    voice = heatmap_svg(
        ground.cross,
        voices,
        label="Similarity of lips (rows) and voice (columns)",
        low=-1.0,
        high=1.0,
    )
    boxes = " The boxes are the pairs of the same number above."
    return (
        f'<div class="pair"><figure>{face}<figcaption><strong>Face with itself.</strong> The same person '
        f"throughout gives an evenly bright square; an exchanged face gives dark blocks."
        f"{boxes if faces else ''}</figcaption></figure>"
        f"<figure>{voice}<figcaption><strong>Lips (rows) with voice (columns).</strong> Lips that fit the "
        f"voice give a bright diagonal.{boxes if voices else ''}</figcaption></figure></div>"
    )


def _alerts(subject: Subject) -> str:
    head = ["<th>Time</th>", "<th>From</th>", "<th>To</th>", "<th>Why</th>"]
    head += ["<th>Operator</th>"] if subject.words else []
    rows = (
        f'<td class="time">{clock(alert.time_ns / NS_PER_S)}</td><td>{alert.previous.value}</td>'
        f"<td>{alert.state.value}</td><td>{text(in_words(alert.reasons))}</td>"
        + (f"<td>{text(subject.words.get(alert.time_ns, ''))}</td>" if subject.words else "")
        for alert in subject.alerts
    )
    return table(head, rows)


def _missing(subject: Subject) -> str:
    """Tell how much could be judged, and why the rest could not, with the share of time of each reason."""
    if not subject.timeline:
        named = [describe(reason).sentence for reason in subject.reasons if reason not in CONTRADICTIONS]
        return "".join(f"<p>{text(sentence)}</p>" for sentence in named)
    divided = shares(subject.timeline)
    unjudged = any(score.status is not ScoreStatus.OK for score in subject.timeline)
    lead = (
        f"<p>Of {clock(divided.recorded_ns / NS_PER_S)} on record, {divided.judged:.0%} could be judged.</p>"
    )
    if not unjudged:
        return lead
    by_reason = dict(divided.reasons)
    for reason in subject.reasons:
        if reason not in CONTRADICTIONS:
            by_reason.setdefault(reason, 0.0)
    items = "".join(
        f'<li><span class="share" style="--share: {share:.3f}"></span>'
        f"<span>{text(describe(reason).sentence)} "
        f'<span class="muted">{f"({share:.0%} of the time)" if share else ""}</span></span></li>'
        for reason, share in by_reason.items()
    )
    return f'{lead}<ul class="shares">{items}</ul>'


def _badges(subject: Subject) -> str:
    badges = f'<span class="badge">{_BADGES[subject.verdict]}</span>'
    if subject.verified is True:
        badges += '<span class="badge verified">Evidence verified</span>'
    elif subject.verified is False:
        badges += '<span class="badge unverified">Not verified</span>'
    return f'<span class="badges">{badges}</span>'


def _article(subject: Subject, report: Report) -> str:
    details = ""
    if subject.readable:
        details = (
            _figures(subject)
            + section("Over time", _timeline(subject))
            + "".join(_ground(ground) for ground in subject.grounds)
            + section("Changes of state", _alerts(subject))
            + section("What could not be judged, and why", _missing(subject))
            + section("What was not kept", not_kept(subject))
            + section("What looked at it", origin(subject.origin))
            + section("How to check this", checking(subject, report))
        )
    return (
        f'<article class="{subject.verdict.value}"><div class="top"><h2>{text(subject.name)}</h2>'
        f'{_badges(subject)}</div><p class="lead">{text(subject.sentence)}</p>{details}</article>'
    )


def _summary(report: Report) -> str:
    counts = Counter(subject.verdict for subject in report.subjects)
    parts = [f"{counts[verdict]} {words}" for verdict, words in _COUNTED.items() if counts[verdict]]
    count = len(report.subjects)
    return f"{count} {report.kind}{'' if count == 1 else 's'}: {', '.join(parts) or 'nobody on record'}."


def _header(report: Report) -> str:
    title = f'<p class="about">{text(report.title)}</p>' if report.title else ""
    faults = () if report.check is None else report.check.faults
    warning = ""
    if faults or any(subject.verified is False for subject in report.subjects):
        told = "".join(f"<li>{text(fault)}</li>" for fault in faults)
        warning = (
            '<div class="warning"><strong>The evidence is not as it was written.</strong> What was changed '
            f"is left out, and what it concerns is marked \N{LEFT DOUBLE QUOTATION MARK}not verified"
            f"\N{RIGHT DOUBLE QUOTATION MARK}.{f'<ul>{told}</ul>' if told else ''}</div>"
        )
    faces = ""
    if any(subject.shows_faces for subject in report.subjects):
        faces = '<p class="muted">This file holds pictures of faces. Treat it as the evidence itself.</p>'
    notes = "".join(f'<p class="muted">{text(note)}</p>' for note in report.notes)
    return (
        f"<header><h1>Seamwatch report</h1>{title}<p>{_summary(report)}</p>{warning}"
        f'<p class="muted">Made {report.made_at:%Y-%m-%d %H:%M %Z} by {text(report.program)}</p>'
        f"{faces}{notes}</header>"
    )


def report_html(report: Report) -> str:
    """Return the report as an HTML document."""
    articles = "".join(_article(subject, report) for subject in report.subjects)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Seamwatch report</title><style>{CSS}</style></head><body>"
        f"{_header(report)}<main>{articles}</main>"
        f"<footer><h3>How to read this, and its limits</h3>{limits(report)}</footer></body></html>"
    )


def write_report(report: Report, out: Path) -> None:
    """Write a report.

    Args:
        report: What it says.
        out: The HTML file to write; an existing one is replaced.

    Raises:
        ConfigurationError: If the file cannot be written.
    """
    document = report_html(report)
    try:
        out.write_text(document, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"The report cannot be written to {out}: {error.strerror or 'unknown reason'}.",
            fix="Name a file in a folder that exists and that you may write to.",
        ) from error
