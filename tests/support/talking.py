"""A made-up call in virtual time: windows whose lips and voice agree as measured on genuine recordings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from realtime.alerts.machine import AlertMachine
from realtime.config import AlertConfig, ScoringConfig, WindowConfig
from realtime.scoring.scorer import Scorer
from realtime.scoring.verdict import live_verdict
from realtime.timebase import NS_PER_MS, NS_PER_S, TICK_NS
from realtime.types import AlertState, Embedding, LagEmbeddings, Score, Verdict
from tests.support.evidence import embedding, lag_embeddings, window

WINDOWS = WindowConfig()
LAGS = np.arange(-WINDOWS.band_ticks, WINDOWS.band_ticks + 1)
HOP_S = WINDOWS.hop_ticks * TICK_NS / NS_PER_S

#: Mean similarity of genuine lips and voice far from their lag and at it, the width of the peak in ticks, and
#: the deviation of one window.
FLOOR, PEAK, WIDTH_TICKS, DEVIATION = 0.12, 0.32, 2.5, 0.11
#: Of an exchanged voice.
FOREIGN = 0.0

Curve = Callable[[float], float]


@dataclass(frozen=True)
class Moment:
    """What the monitor says at one moment."""

    time_s: float
    score: Score
    verdict: Verdict
    state: AlertState


def steady(value: float) -> Curve:
    return lambda _time_s: value


IN_SYNC = steady(0.0)


def evidence(
    index: int, lag_ms: float, *, genuine: bool, rng: np.random.Generator
) -> tuple[Embedding, Embedding, LagEmbeddings]:
    """Return identity, lips and voice of a window, similar along the lags as asked for."""
    shared = rng.normal(size=len(LAGS) + 4)
    noise = np.convolve(shared, np.ones(5) / np.sqrt(5), mode="valid")
    distance = (LAGS - lag_ms * NS_PER_MS / TICK_NS) / WIDTH_TICKS
    level = FLOOR + (PEAK - FLOOR) * np.exp(-(distance**2)) if genuine else np.full(len(LAGS), FOREIGN)
    similarity = np.clip(level + DEVIATION * noise, -0.99, 0.99)
    voice = np.stack([similarity, np.sqrt(1 - similarity**2)], axis=1)
    return (
        embedding(index, [1.0, *(0.05 * rng.normal(size=7))]),
        embedding(index, [1.0, 0.0]),
        lag_embeddings(index, voice),
    )


def call(
    seconds: float,
    *,
    lag_ms: Curve = IN_SYNC,
    uncertainty_ms: Curve | None = None,
    genuine: Callable[[float], bool] = lambda _time_s: True,
    speaks: Callable[[float], bool] = lambda _time_s: True,
    realigned_at_s: float | None = None,
    seed: int = 0,
) -> Iterator[Moment]:
    """Score a call.

    Args:
        seconds: Length.
        lag_ms: How far the voice comes after the lips, by call time.
        uncertainty_ms: What the clock says, by call time; None for tracks that share a clock.
        genuine: Whether the voice belongs to the lips, by call time.
        speaks: Whether somebody speaks, by call time.
        realigned_at_s: When another connection takes over.
        seed: Of the noise.
    """
    rng = np.random.default_rng(seed)
    scorer, machine = Scorer(ScoringConfig(), WINDOWS), AlertMachine(AlertConfig())
    for index in range(round(seconds / HOP_S)):
        time_s = index * HOP_S
        if uncertainty_ms is not None:
            scorer.set_sync_uncertainty(round(uncertainty_ms(time_s) * NS_PER_MS))
        if realigned_at_s is not None and 0 <= time_s - realigned_at_s < HOP_S:
            scorer.realign()
        parts = evidence(index, lag_ms(time_s), genuine=genuine(time_s), rng=rng)
        score = scorer.update(window(index, WINDOWS, speech=float(speaks(time_s))), *parts)
        machine.update(score.time_ns, scorer.fresh_margins(), lambda: scorer.seams(5), {})
        yield Moment(time_s, score, live_verdict(score, machine.state), machine.state)


def raised_at_s(moments: list[Moment], since_s: float = 0.0) -> float | None:
    """Return when the first alert was raised from a moment on; None for never."""
    raised = (m.time_s for m in moments if m.time_s >= since_s and m.state is AlertState.ALERT)
    return next(raised, None)
