"""The scores of one subject over time as an inline SVG: states, transitions, seams and loudness marked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from clients.report.strips import level
from clients.report.subject import LONGEST_STEP_NS, Subject, step_span
from clients.wording import clock
from realtime.timebase import NS_PER_S, TICK_NS
from realtime.types import Alert, AlertState, Modality, Score, ScoreStatus, TimeSpan

LANE, PANEL, LOUD = 12, 112, 40
HEAD, SPACE, FOOT = 30, 46, 26
#: A score of such a status says nothing, be the state what it may.
UNJUDGED = (ScoreStatus.WARMING_UP, ScoreStatus.INSUFFICIENT)
#: What a series is thinned out to at most.
POINTS = 900

Values = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Size:
    """How wide a drawing is, in its own units, and how much text it has room for."""

    css: str
    width: int
    left: int
    right: int
    labels: int
    label_room: int


WIDE = Size("wide", 960, 44, 936, 9, 96)
NARROW = Size("narrow", 360, 34, 350, 4, 92)


def thinned_out(values: Values, buckets: int, keep: Callable[[list[float]], float]) -> list[float | None]:
    """Thin a series out, keeping of every bucket the value that is the evidence.

    Args:
        values: The series; None where there is no value.
        buckets: At most so many values are returned.
        keep: ``min`` of similarities, ``max`` of evidence.
    """
    if len(values) <= buckets:
        return list(values)
    thinned: list[float | None] = []
    for bucket in range(buckets):
        part = values[bucket * len(values) // buckets : (bucket + 1) * len(values) // buckets]
        present = [value for value in part if value is not None]
        thinned.append(keep(present) if present else None)
    return thinned


def state_spans(alerts: Sequence[Alert], end_ns: int) -> list[tuple[AlertState, TimeSpan]]:
    """Return the stretches in which the state was not clear."""
    spans: list[tuple[AlertState, TimeSpan]] = []
    for index, alert in enumerate(alerts):
        start_ns = min(alert.time_ns, end_ns)
        following_ns = alerts[index + 1].time_ns if index + 1 < len(alerts) else end_ns
        if alert.state is not AlertState.CLEAR:
            spans.append(
                (alert.state, TimeSpan(start_ns=start_ns, end_ns=max(start_ns, min(following_ns, end_ns))))
            )
    return spans


def unjudged_spans(timeline: tuple[Score, ...]) -> list[TimeSpan]:
    """Return the stretches in which there was not enough to judge, joined where they touch."""
    return _joined(
        step_span(timeline, index) for index, score in enumerate(timeline) if score.status in UNJUDGED
    )


def unkept_spans(timeline: tuple[Score, ...], span: TimeSpan) -> list[TimeSpan]:
    """Return the stretches for which no score was kept, if any was."""
    kept = _joined(step_span(timeline, index) for index in range(len(timeline)))
    edges = [span.start_ns, *(edge for one in kept for edge in (one.start_ns, one.end_ns)), span.end_ns]
    gaps = zip(edges[::2], edges[1::2], strict=True)
    return [TimeSpan(start_ns=a, end_ns=b) for a, b in gaps if kept and b - a > LONGEST_STEP_NS]


def timeline_svg(subject: Subject, size: Size) -> str:
    """Return the timeline as an SVG element; a sentence where there is nothing to draw."""
    if not subject.timeline and not subject.alerts:
        return '<p class="muted">There is no window to show.</p>'
    drawing = _Drawing(subject, size)
    drawing.draw()
    return (
        f'<svg class="{size.css}" viewBox="0 0 {size.width} {drawing.bottom + FOOT}" role="img" '
        f'aria-label="Similarity of the face with itself and of the lips with the voice over time">'
        f"{''.join(drawing.elements)}</svg>"
    )


class _Drawing:
    """Lays out lanes and panels from top to bottom, and collects their elements."""

    def __init__(self, subject: Subject, size: Size) -> None:
        self._subject = subject
        self._size = size
        self._start_ns = subject.span.start_ns
        self._length_ns = max(subject.span.duration_ns, NS_PER_S // 10)
        self._states = state_spans(subject.alerts, subject.span.end_ns)
        self.elements: list[str] = []
        self.bottom = HEAD + LANE

    def draw(self) -> None:
        self._draw_states()
        if self._subject.timeline:
            buckets = min(POINTS, len(self._subject.timeline))
            series = [
                [self._series(name, buckets) for name in ("recent_intra", "intra")],
                [self._series(name, buckets) for name in ("recent_cross", "cross")],
            ]
            values = [value for pair in series for one in pair for value in one if value is not None]
            lowest = -0.25 if min([0.0, *values]) >= -0.25 else -1.0
            self._draw_panel("Face with itself (intra)", "face", series[0], lowest, Modality.INTRA)
            self._draw_panel("Lips with voice (cross)", "voice", series[1], lowest, Modality.CROSS)
            if any(value is not None for value in self._subject.progress):
                progress = thinned_out(self._subject.progress, buckets, max)
                self._draw_panel("Evidence so far; 1 raises an alarm", "evidence", [progress], 0.0, None)
        if self._subject.loudness:
            self._draw_loudness()
        self._draw_transitions()
        self._draw_axis()

    def _x(self, time_ns: int) -> float:
        share = min(max((time_ns - self._start_ns) / self._length_ns, 0.0), 1.0)
        return round(self._size.left + share * (self._size.right - self._size.left), 1)

    def _band(self, css: str, span: TimeSpan, top: int, height: int) -> None:
        left, right = self._x(span.start_ns), self._x(span.end_ns)
        self.elements.append(
            f'<rect class="{css}" x="{left}" y="{top}" width="{max(right - left, 1):.1f}" height="{height}"/>'
        )

    def _shade(self, top: int, height: int) -> None:
        for span in unkept_spans(self._subject.timeline, self._subject.span):
            self._band("unkept", span, top, height)
        for span in unjudged_spans(self._subject.timeline):
            self._band("unjudged", span, top, height)

    def _draw_states(self) -> None:
        self._band("lane-unknown", self._subject.span, HEAD, LANE)
        timeline = self._subject.timeline
        judged = (i for i, score in enumerate(timeline) if score.status not in UNJUDGED)
        for span in _joined(step_span(timeline, index) for index in judged):
            self._band("lane-clear", span, HEAD, LANE)
        for state, span in self._states:
            self._band(f"lane-{state.value}", span, HEAD, LANE)

    def _series(self, name: str, buckets: int) -> list[float | None]:
        values = [getattr(score, name) for score in self._subject.timeline]
        finite = [value if value is not None and math.isfinite(value) else None for value in values]
        return thinned_out(finite, buckets, min)

    def _draw_panel(
        self, title: str, css: str, series: Sequence[Values], lowest: float, kind: Modality | None
    ) -> None:
        """Draw the newest values over those of everything so far; a panel of a kind points at its seams."""
        size, top = self._size, self.bottom + SPACE
        self.bottom = top + PANEL

        def y_of(value: float) -> float:
            share = (1.0 - value) / (1.0 - lowest)
            return round(top + min(max(share, 0.0), 1.0) * PANEL, 1)

        self.elements.append(f'<text class="title" x="{size.left}" y="{top - 9}">{title}</text>')
        self._shade(top, PANEL)
        for state, span in self._states:
            self._band(f"state-{state.value}", span, top, PANEL)
        for value in (value for value in (-1.0, -0.5, 0.0, 0.5, 1.0) if value >= lowest):
            y = y_of(value)
            label = f"{value:g}".replace("-", "\N{MINUS SIGN}")
            self.elements.append(
                f'<line class="grid" x1="{size.left}" x2="{size.right}" y1="{y}" y2="{y}"/>'
                f'<text x="{size.left - 7}" y="{y + 4}" text-anchor="end">{label}</text>'
            )
        for line_css, values in reversed([*zip(("series", "running"), series, strict=False)]):
            for run in self._runs(values):
                self._line(f"{line_css} {css}", [(x, y_of(value)) for x, value in run])
        if kind is not None:
            self._draw_seams(kind)

    def _runs(self, values: Values) -> list[list[tuple[float, float]]]:
        """Divide a series where it has no value, and where nothing was kept in between."""
        timeline = self._subject.timeline
        times_ns = [timeline[index * len(timeline) // len(values)].time_ns for index in range(len(values))]
        longest_ns = max(LONGEST_STEP_NS, 2 * self._length_ns // POINTS)
        runs: list[list[tuple[float, float]]] = [[]]
        before_ns = None
        for time_ns, value in zip(times_ns, values, strict=True):
            if runs[-1] and (value is None or before_ns is None or time_ns - before_ns > longest_ns):
                runs.append([])
            if value is not None:
                runs[-1].append((self._x(time_ns), value))
            before_ns = time_ns
        return [run for run in runs if run]

    def _line(self, css: str, points: Sequence[tuple[float, float]]) -> None:
        if len(points) == 1:
            (x, y), colour = points[0], css.rsplit(maxsplit=1)[-1]
            self.elements.append(f'<circle class="{colour}" cx="{x}" cy="{y}" r="2"/>')
            return
        joined = " ".join(f"{x},{y}" for x, y in points)
        self.elements.append(f'<polyline class="{css}" points="{joined}"/>')

    def _draw_seams(self, kind: Modality) -> None:
        """Point at the moments that disagree, under the panel; numbers that would overlap are left out."""
        taken: list[float] = []
        y = self.bottom
        for ground in self._subject.grounds:
            for number, seam in enumerate(ground.seams, ground.first):
                if seam.kind is not kind:
                    continue
                for span in (seam.a, seam.b) if kind is Modality.INTRA else (seam.a,):
                    x = self._x((span.start_ns + span.end_ns) // 2)
                    self.elements.append(f'<path class="pointer" d="M{x} {y + 1}l4 7h-8z"/>')
                    if all(abs(x - other) >= 11 for other in taken):
                        taken.append(x)
                        self.elements.append(
                            f'<text class="pointer-number" x="{x}" y="{y + 19}" text-anchor="middle">{number}'
                            "</text>"
                        )

    def _draw_loudness(self) -> None:
        top = self.bottom + SPACE
        self.bottom = bottom = top + LOUD
        self.elements.append(
            f'<text class="title" x="{self._size.left}" y="{top - 9}">How loud (no sound is kept)</text>'
        )
        pixels = self._size.right - self._size.left
        highest = np.full(pixels, np.nan, np.float32)
        for part in self._subject.loudness:
            times_ns = part.start_ns + TICK_NS * np.arange(len(part.rms)) - self._start_ns
            places = (times_ns * pixels // self._length_ns).clip(0, pixels - 1)
            np.fmax.at(highest, places, level(part.rms))
        columns = [
            f"M{self._size.left + column + 0.5} {bottom}v{-max(1.0, float(share) * LOUD):.1f}"
            for column, share in enumerate(highest)
            if np.isfinite(share)
        ]
        self.elements.append(f'<path class="loudness" d="{"".join(columns)}"/>')

    def _draw_transitions(self) -> None:
        """Mark where states begin; where labels would overlap, alerts keep theirs."""
        taken: list[float] = []
        room = self._size.label_room
        for state, span in sorted(self._states, key=lambda one: (one[0] is not AlertState.ALERT, one[1])):
            x = self._x(span.start_ns)
            self.elements.append(
                f'<line class="edge-{state.value}" x1="{x}" x2="{x}" y1="{HEAD - 4}" y2="{self.bottom}"/>'
            )
            anchor, label_start = ("end", x - room) if x > self._size.right - room else ("start", x)
            if any(abs(label_start - other) < room for other in taken):
                continue
            taken.append(label_start)
            word = "Alert" if state is AlertState.ALERT else "Suspicious"
            self.elements.append(
                f'<text class="marker text-{state.value}" x="{x}" y="{HEAD - 10}" text-anchor="{anchor}">'
                f"{word} {clock(span.start_ns / NS_PER_S)}</text>"
            )

    def _draw_axis(self) -> None:
        step_ns = round(_label_step_s(self._length_ns / NS_PER_S, self._size.labels) * NS_PER_S)
        bottom = self.bottom + (22 if self._subject.timeline and not self._subject.loudness else 2)
        self.bottom = bottom
        for index in range(-(-self._start_ns // step_ns), self._subject.span.end_ns // step_ns + 1):
            x, label = self._x(index * step_ns), clock(index * step_ns / NS_PER_S)
            anchor = "end" if x > self._size.right - 12 else "middle"
            self.elements.append(
                f'<line class="axis" x1="{x}" x2="{x}" y1="{bottom}" y2="{bottom + 5}"/>'
                f'<text x="{x}" y="{bottom + 20}" text-anchor="{anchor}">{label}</text>'
            )


def _joined(spans: Iterable[TimeSpan]) -> list[TimeSpan]:
    joined: list[TimeSpan] = []
    for span in spans:
        if joined and joined[-1].end_ns == span.start_ns:
            joined[-1] = TimeSpan(start_ns=joined[-1].start_ns, end_ns=span.end_ns)
        else:
            joined.append(span)
    return joined


def _label_step_s(length_s: float, labels: int) -> float:
    for step_s in (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800):
        if length_s / step_s <= labels:
            return step_s
    return max(3600.0, math.ceil(length_s / labels / 3600) * 3600.0)
