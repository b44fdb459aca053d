"""The report: one HTML file that needs no network and no script."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from clients.printable import printable
from clients.reasons import CONTRADICTIONS, describe, in_words
from clients.report.heatmap import heatmap_svg
from clients.report.style import CSS
from clients.report.timeline import timeline_svg
from clients.wording import clock, is_baseline, number, span_clock, verdict_sentence
from realtime.errors import ConfigurationError
from realtime.scan import ScanResult
from realtime.types import Modality, ScoreStatus, SimilarityMatrix, Verdict

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


def _text(text: str) -> str:
    return html.escape(printable(text))


def _section(title: str, body: str) -> str:
    return f"<section><h3>{title}</h3>{body}</section>" if body else ""


def _table(head: Iterable[str], rows: Iterable[str]) -> str:
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    if not body:
        return ""
    return (
        f'<div class="scroll"><table><thead><tr>{"".join(head)}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _figures(result: ScanResult) -> str:
    figures = (
        ("Consistency score", number(result.score)),
        ("Face with itself", number(result.intra)),
        ("Lips with voice", number(result.cross)),
        ("Voice after lips", number(result.lag_ms, 0, " ms")),
        ("Length", clock(result.duration_s) if result.duration_s > 0 else number(None)),
        ("Processing delay", number(result.latency_ms, 0, " ms")),
    )
    return (
        '<dl class="figures">'
        + "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in figures)
        + "</dl>"
    )


def _timeline(result: ScanResult) -> str:
    if not result.timeline:
        return ""
    legend = (
        '<div class="legend"><span class="recent">last moments</span>'
        '<span class="whole">everything so far (the score of the paper)</span>'
        '<span style="--key: var(--shade); --strength: .3">not enough to judge</span>'
        '<span style="--key: var(--suspicious); --strength: .45">suspicious</span>'
        '<span style="--key: var(--fake); --strength: .5">alert</span></div>'
    )
    return f'<figure><div class="scroll">{timeline_svg(result)}</div>{legend}</figure>'


def _worst(matrix: SimilarityMatrix, words: str) -> str:
    if matrix.worst is None:
        return ""
    row, column = matrix.worst
    value = number(float(matrix.values[row, column]))
    return (
        f" Marked: {words.format(span_clock(matrix.spans[row]), span_clock(matrix.spans[column]))}, "
        f"similarity {value}."
    )


def _matrices(result: ScanResult) -> str:
    if not result.intra_matrix.spans and not result.cross_matrix.spans:
        return ""
    face = heatmap_svg(
        result.intra_matrix, label="Similarity of the face with itself, moment by moment", low=0.0, high=1.0
    )
    voice = heatmap_svg(
        result.cross_matrix, label="Similarity of lips (rows) and voice (columns)", low=-1.0, high=1.0
    )
    return (
        f'<div class="pair"><figure>{face}<figcaption><strong>Face with itself.</strong> The same person '
        f"throughout gives an evenly bright square; an exchanged face gives dark blocks."
        f"{_worst(result.intra_matrix, 'the face at {} and at {}')}</figcaption></figure>"
        f"<figure>{voice}<figcaption><strong>Lips (rows) with voice (columns).</strong> Lips that fit the "
        f"voice give a bright diagonal.{_worst(result.cross_matrix, 'the lips at {} and the voice at {}')}"
        f"</figcaption></figure></div>"
    )


def _seams(result: ScanResult) -> str:
    head = (
        "<th>What</th>",
        "<th>First moment</th>",
        "<th>Second moment</th>",
        '<th class="number">Similarity</th>',
    )
    rows = (
        f"<td>{'Face and face' if seam.kind is Modality.INTRA else 'Lips and voice'}</td>"
        f'<td class="time">{span_clock(seam.a)}</td><td class="time">{span_clock(seam.b)}</td>'
        f'<td class="number">{number(seam.value)}</td>'
        for seam in result.seams
    )
    return _table(head, rows)


def _alerts(result: ScanResult) -> str:
    head = ("<th>Time</th>", "<th>From</th>", "<th>To</th>", "<th>Why</th>")
    rows = (
        f'<td class="time">{clock(alert.time_ns / 1e9)}</td><td>{alert.previous.value}</td>'
        f"<td>{alert.state.value}</td><td>{_text(in_words(alert.reasons))}</td>"
        for alert in result.alerts
    )
    return _table(head, rows)


def _missing(result: ScanResult) -> str:
    """List why parts could not be judged, with the share of the file that each reason touches."""
    unjudged = [score for score in result.timeline if score.status is not ScoreStatus.OK]
    shares = Counter(reason for score in unjudged for reason in set(score.reasons))
    named = [reason for reason in result.reasons if reason not in CONTRADICTIONS]
    order = list(dict.fromkeys([*named, *(reason for reason, _ in shares.most_common())]))
    items = []
    for reason in order:
        share = shares[reason] / len(result.timeline) if result.timeline else 0.0
        where = f' <span class="muted">({share:.0%} of the time)</span>' if share else ""
        items.append(f"<li>{_text(describe(reason).sentence)}{where}</li>")
    return f"<ul>{''.join(items)}</ul>" if items else ""


def _engines(result: ScanResult) -> str:
    rows = (
        f'<td>{_text(role)}</td><td class="word">{_text(engine)}</td>'
        f"<td>{'baseline encoder: untrained' if is_baseline(engine) else ''}</td>"
        for role, engine in result.engines.items()
    )
    return _table(("<th>Part</th>", "<th>Engine</th>", "<th>Note</th>"), rows)


def _limits(results: Sequence[ScanResult]) -> str:
    limits = [
        "The consistency score is the sum of its two parts, face with itself and lips with voice; higher is "
        "more consistent. Each part lies between \N{MINUS SIGN}1 and 1.",
        "No contradiction is not a proof: a forgery that is consistent with itself is not noticed.",
        "A poor picture, a turned head or bad sound can lower the similarity of genuine media.",
        "The matrices show the newest windows in memory; a long file has more than they hold.",
    ]
    if any(is_baseline(engine) for result in results for engine in result.engines.values()):
        limits.insert(
            0,
            "<strong>Baseline encoders: untrained.</strong> A part marked so follows a plain rule instead of "
            "a trained model. Take its values as a hint, not as evidence.",
        )
    return f"<ul>{''.join(f'<li>{limit}</li>' for limit in limits)}</ul>"


def _details(result: ScanResult) -> str:
    return (
        _figures(result)
        + _section("Over time", _timeline(result))
        + _section("Where it agrees least", _seams(result))
        + _section("Every moment compared with every other", _matrices(result))
        + _section("Alerts", _alerts(result))
        + _section("What could not be judged, and why", _missing(result))
        + _section("What looked at it", _engines(result))
    )


def _article(result: ScanResult) -> str:
    verdict = result.verdict
    return (
        f'<article class="{verdict.value}"><div class="top"><h2>{_text(result.file)}</h2>'
        f'<span class="badge">{_BADGES[verdict]}</span></div>'
        f'<p class="lead">{_text(verdict_sentence(result))}</p>'
        + ("" if result.reasons == ("unreadable",) else _details(result))
        + "</article>"
    )


def _summary(results: Sequence[ScanResult]) -> str:
    counts = Counter(result.verdict for result in results)
    parts = [f"{counts[verdict]} {words}" for verdict, words in _COUNTED.items() if counts[verdict]]
    return f"{len(results)} {'file' if len(results) == 1 else 'files'}: {', '.join(parts)}."


def report_html(results: Sequence[ScanResult], made_at: datetime) -> str:
    """Return the report as an HTML document.

    Args:
        results: One result a file, in the order in which they are shown.
        made_at: The date that the report bears, with its time zone.
    """
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Seamwatch report</title><style>{CSS}</style></head><body>"
        f"<header><h1>Seamwatch report</h1><p>{_summary(results)}</p>"
        f'<p class="muted">Made {made_at:%Y-%m-%d %H:%M %Z}</p></header>'
        f"<main>{''.join(_article(result) for result in results)}</main>"
        f"<footer><h3>How to read this, and its limits</h3>{_limits(results)}</footer></body></html>"
    )


def write_report(results: Sequence[ScanResult], out: Path) -> None:
    """Write the report of several files.

    Args:
        results: One result a file, in the order in which they are shown.
        out: The HTML file to write; an existing one is replaced.

    Raises:
        ConfigurationError: If the file cannot be written.
    """
    document = report_html(results, datetime.now(UTC))
    try:
        out.write_text(document, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"The report cannot be written to {out}: {error.strerror or 'unknown reason'}.",
            fix="Name a file in a folder that exists and that you may write to.",
        ) from error
