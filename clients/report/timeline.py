"""The running scores of a file over time, as an inline SVG with the alarm states marked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from clients.wording import clock
from realtime.scan import ScanResult
from realtime.types import Alert, AlertState, Score, ScoreStatus

WIDTH = 960
LEFT, RIGHT = 44, 936
HEAD, PANEL, SPACE, FOOT = 30, 116, 34, 26
POINTS = RIGHT - LEFT
X_LABELS = 9
LABEL_ROOM = 96

Values = Sequence[float | None]


class _Panel(NamedTuple):
    title: str
    css: str
    recent: Values
    running: Values
    top: int


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def lowest_per_bucket(values: Values, buckets: int) -> list[float | None]:
    """Thin a series out, keeping the lowest value of every bucket: low values are the evidence.

    Args:
        values: The series; None where there is no value.
        buckets: At most so many values are returned.
    """
    if len(values) <= buckets:
        return list(values)
    thinned: list[float | None] = []
    for bucket in range(buckets):
        part = values[bucket * len(values) // buckets : (bucket + 1) * len(values) // buckets]
        present = [value for value in part if value is not None]
        thinned.append(min(present) if present else None)
    return thinned


def state_spans(alerts: Sequence[Alert], duration_s: float) -> list[tuple[AlertState, float, float]]:
    """Return the stretches, in seconds, in which the state was not clear."""
    spans: list[tuple[AlertState, float, float]] = []
    for index, alert in enumerate(alerts):
        start_s = min(alert.time_ns / 1e9, duration_s)
        following = alerts[index + 1].time_ns / 1e9 if index + 1 < len(alerts) else duration_s
        if alert.state is not AlertState.CLEAR:
            spans.append((alert.state, start_s, max(start_s, min(following, duration_s))))
    return spans


def unjudged_spans(timeline: Sequence[Score]) -> list[tuple[float, float]]:
    """Return the stretches, in seconds, in which there was not enough to judge, joined where they touch."""
    spans: list[tuple[float, float]] = []
    start_s = 0.0
    for score in timeline:
        end_s = score.time_ns / 1e9
        if score.status in (ScoreStatus.WARMING_UP, ScoreStatus.INSUFFICIENT):
            if spans and spans[-1][1] == start_s:
                spans[-1] = (spans[-1][0], end_s)
            else:
                spans.append((start_s, end_s))
        start_s = end_s
    return spans


def _label_step_s(duration_s: float) -> float:
    for step_s in (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800):
        if duration_s / step_s <= X_LABELS:
            return step_s
    return max(3600.0, math.ceil(duration_s / X_LABELS / 3600) * 3600.0)


class _Drawing:
    """Maps seconds and similarities to the drawing, and collects its elements."""

    def __init__(self, duration_s: float, lowest: float) -> None:
        self.duration_s = max(duration_s, 0.1)
        self.lowest = lowest
        self.elements: list[str] = []

    def x(self, seconds: float) -> float:
        share = min(max(seconds / self.duration_s, 0.0), 1.0)
        return round(LEFT + share * (RIGHT - LEFT), 1)

    def y(self, value: float, top: int) -> float:
        share = (1.0 - value) / (1.0 - self.lowest)
        return round(top + min(max(share, 0.0), 1.0) * PANEL, 1)

    def band(self, css: str, start_s: float, end_s: float, top: int) -> None:
        left, right = self.x(start_s), self.x(end_s)
        self.elements.append(
            f'<rect class="{css}" x="{left}" y="{top}" width="{max(right - left, 1):.1f}" height="{PANEL}"/>'
        )

    def line(self, css: str, times_s: Sequence[float], values: Values, top: int) -> None:
        run: list[tuple[float, float]] = []
        for time_s, value in [*zip(times_s, values, strict=True), (0.0, None)]:
            if value is not None:
                run.append((self.x(time_s), self.y(value, top)))
                continue
            if len(run) == 1:
                self.elements.append(
                    f'<circle class="{css.rsplit(maxsplit=1)[-1]}" cx="{run[0][0]}" cy="{run[0][1]}" r="2"/>'
                )
            elif run:
                points = " ".join(f"{x},{y}" for x, y in run)
                self.elements.append(f'<polyline class="{css}" points="{points}"/>')
            run = []


def _draw_panel(drawing: _Drawing, panel: _Panel, times_s: Sequence[float], result: ScanResult) -> None:
    elements = drawing.elements
    elements.append(f'<text class="title" x="{LEFT}" y="{panel.top - 9}">{panel.title}</text>')
    for start_s, end_s in unjudged_spans(result.timeline):
        drawing.band("unjudged", start_s, end_s, panel.top)
    for state, start_s, end_s in state_spans(result.alerts, result.duration_s):
        drawing.band(f"state-{state.value}", start_s, end_s, panel.top)
    for value in (value for value in (-1.0, -0.5, 0.0, 0.5, 1.0) if value >= drawing.lowest):
        y = drawing.y(value, panel.top)
        label = f"{value:g}".replace("-", "\N{MINUS SIGN}")
        elements.append(f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{y}" y2="{y}"/>')
        elements.append(f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{label}</text>')
    drawing.line(f"running {panel.css}", times_s, panel.running, panel.top)
    drawing.line(f"series {panel.css}", times_s, panel.recent, panel.top)


def _draw_states(drawing: _Drawing, result: ScanResult, bottom: int) -> None:
    """Mark where states begin; where labels would overlap, alerts keep theirs."""
    taken: list[float] = []
    spans = state_spans(result.alerts, result.duration_s)
    for state, start_s, _ in sorted(spans, key=lambda span: (span[0] is not AlertState.ALERT, span[1])):
        x = drawing.x(start_s)
        drawing.elements.append(
            f'<line class="edge-{state.value}" x1="{x}" x2="{x}" y1="{HEAD - 4}" y2="{bottom}"/>'
        )
        anchor, label_start = ("end", x - LABEL_ROOM) if x > RIGHT - LABEL_ROOM else ("start", x)
        if any(abs(label_start - other) < LABEL_ROOM for other in taken):
            continue
        taken.append(label_start)
        word = "Alert" if state is AlertState.ALERT else "Suspicious"
        drawing.elements.append(
            f'<text class="marker text-{state.value}" x="{x}" y="{HEAD - 10}" text-anchor="{anchor}">'
            f"{word} {clock(start_s)}</text>"
        )


def _draw_time_axis(drawing: _Drawing, bottom: int) -> None:
    step_s = _label_step_s(drawing.duration_s)
    for index in range(int(drawing.duration_s / step_s + 1e-9) + 1):
        x = drawing.x(index * step_s)
        drawing.elements.append(f'<line class="axis" x1="{x}" x2="{x}" y1="{bottom}" y2="{bottom + 5}"/>')
        drawing.elements.append(
            f'<text x="{x}" y="{bottom + 20}" text-anchor="middle">{clock(index * step_s)}</text>'
        )


def timeline_svg(result: ScanResult) -> str:
    """Return the timeline as an SVG element; a sentence where there is nothing to draw."""
    if not result.timeline:
        return '<p class="muted">There is no window to show.</p>'
    buckets = min(POINTS, len(result.timeline))
    ends_s = [score.time_ns / 1e9 for score in result.timeline]
    times_s = [ends_s[index * len(ends_s) // buckets] for index in range(buckets)]

    def series(name: str) -> list[float | None]:
        return lowest_per_bucket([_finite(getattr(score, name)) for score in result.timeline], buckets)

    second_top = HEAD + 18 + PANEL + SPACE
    panels = (
        _Panel("Face with itself (intra)", "face", series("recent_intra"), series("intra"), HEAD + 18),
        _Panel("Lips with voice (cross)", "voice", series("recent_cross"), series("cross"), second_top),
    )
    values = [value for panel in panels for value in (*panel.recent, *panel.running) if value is not None]
    drawing = _Drawing(max(result.duration_s, ends_s[-1]), -0.25 if min([0.0, *values]) >= -0.25 else -1.0)
    bottom = second_top + PANEL
    for panel in panels:
        _draw_panel(drawing, panel, times_s, result)
    _draw_states(drawing, result, bottom)
    _draw_time_axis(drawing, bottom)
    return (
        f'<svg viewBox="0 0 {WIDTH} {bottom + FOOT}" role="img" aria-label="Similarity of the face with '
        f'itself and of the lips with the voice over time">{"".join(drawing.elements)}</svg>'
    )
