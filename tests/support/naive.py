"""Oracles: the same answers as the incremental code, computed anew from everything that was ever seen."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt

from realtime.alerts.machine import Finding
from realtime.config import AlertConfig, ScoringConfig, WindowConfig
from realtime.timebase import TICK_NS
from realtime.types import AlertState, Embedding, LagEmbeddings, TimeSpan, Window

Float64 = npt.NDArray[np.float64]


def cosines(left: list[npt.NDArray[np.float32]], right: list[npt.NDArray[np.float32]]) -> Float64:
    """Return all dot products in float64, clipped to [-1, 1]."""
    matrix = np.array([[float(np.dot(a.astype(float), b.astype(float))) for b in right] for a in left])
    return np.clip(matrix.reshape(len(left), len(right)), -1.0, 1.0)


def overlap(a: TimeSpan, b: TimeSpan) -> bool:
    """Return whether two spans share a moment."""
    return a.start_ns < b.end_ns and b.start_ns < a.end_ns


class NaiveSelf:
    """T x T self-similarity from the list of all embeddings."""

    def __init__(self, capacity: int, percentile: float) -> None:
        self.capacity = capacity
        self.percentile = percentile
        self.seen: list[Embedding] = []

    @property
    def held(self) -> list[Embedding]:
        return self.seen[-self.capacity :]

    def matrix(self) -> Float64:
        vectors = [item.vector for item in self.held]
        return cosines(vectors, vectors)

    def score(self) -> float | None:
        return float(np.percentile(self.matrix(), self.percentile)) if self.seen else None

    def worst_pairs(self, count: int) -> list[tuple[TimeSpan, TimeSpan, float]]:
        """Greedy: the lowest pair, then the lowest that shares no moment with one taken, and so on."""
        held, matrix = self.held, self.matrix()
        pairs = [(matrix[i, j], i, j) for j in range(len(held)) for i in range(j)]
        taken: list[TimeSpan] = []
        found: list[tuple[TimeSpan, TimeSpan, float]] = []
        for value, i, j in sorted(pairs):
            spans = held[i].span, held[j].span
            if len(found) < count and not any(overlap(s, t) for s in spans for t in taken):
                found.append((*spans, float(value)))
                taken.extend(spans)
        return found


class NaiveCross:
    """Similarities at all lags from the list of all windows."""

    def __init__(self, capacity: int, band_ticks: int) -> None:
        self.capacity = capacity
        self.band_ticks = band_ticks
        self.seen: list[tuple[Embedding, LagEmbeddings]] = []

    @property
    def held(self) -> list[tuple[Embedding, LagEmbeddings]]:
        return self.seen[-self.capacity :]

    def by_lag(self) -> Float64:
        """Shape (T, L), NaN where the audio is not valid."""
        table = np.full((len(self.held), 2 * self.band_ticks + 1), np.nan)
        for row, (visual, audio) in enumerate(self.held):
            similarities = cosines([visual.vector], list(audio.vectors))[0]
            table[row] = np.where(audio.valid, similarities, np.nan)
        return table

    def matrix(self) -> Float64:
        zero = self.band_ticks
        matrix = cosines([v.vector for v, _ in self.held], [a.vectors[zero] for _, a in self.held])
        matrix[:, [not a.valid[zero] for _, a in self.held]] = np.nan
        return matrix

    def mean_at(self, lag_ticks: int) -> float | None:
        column = self.by_lag()[:, lag_ticks + self.band_ticks]
        column = column[np.isfinite(column)]
        return float(np.mean(column)) if column.size else None

    def worst(self, lag_ticks: int, count: int, since_index: int) -> list[tuple[TimeSpan, TimeSpan, float]]:
        """Greedy over the diagonal at a lag from an index on, without windows that overlap a worse one."""
        column = self.by_lag()[:, lag_ticks + self.band_ticks]
        column[[visual.window_index < since_index for visual, _ in self.held]] = np.nan
        order = [int(i) for i in np.argsort(column, kind="stable") if np.isfinite(column[i])]
        found: list[tuple[TimeSpan, TimeSpan, float]] = []
        shift = lag_ticks * TICK_NS
        for i in order:
            a = self.held[i][0].span
            if len(found) < count and not any(overlap(a, taken) for taken, _, _ in found):
                b = TimeSpan(start_ns=a.start_ns + shift, end_ns=a.end_ns + shift)
                found.append((a, b, float(column[i])))
        return found


class NaiveScorer:
    """Scores from the whole history; the tracked lag is taken as given.

    Attributes:
        history: Every window with its embeddings.
        uncertainties_ns: What the clock said before each window; None where it said nothing.
    """

    def __init__(self, scoring: ScoringConfig, windows: WindowConfig) -> None:
        self.scoring = scoring
        self.windows = windows
        self.history: list[tuple[Window, Embedding | None, Embedding | None, LagEmbeddings | None]] = []
        self.uncertainties_ns: list[int | None] = []

    def _aligned(self) -> list[bool]:
        """Return of every window whether it lies on an alignment that is sure."""
        reach = -(-self.windows.length_ticks // self.windows.hop_ticks)
        sure_from, said, aligned = 0, None, []
        for place, (window, *_) in enumerate(self.history):
            told = self.uncertainties_ns[place]
            if told is not None:
                moved = said is None or max(said, told) > TICK_NS
                if moved and place > 0:
                    sure_from = self.history[place - 1][0].index + 1 + reach
                said = told
            aligned.append(window.index >= sure_from and (said is None or said <= TICK_NS))
        self._sure_from = sure_from
        return aligned

    def _counts_for_cross(self, visual: Embedding | None, audio: LagEmbeddings | None, w: Window) -> bool:
        span = slice(self.windows.band_ticks, self.windows.band_ticks + self.windows.length_ticks)
        return (
            visual is not None
            and audio is not None
            and bool(audio.valid[self.windows.band_ticks])
            and np.mean(w.lips_present) >= self.scoring.min_face_ratio
            and np.mean(w.audio_present[span]) >= self.scoring.min_audio_ratio
            and np.mean(w.speech[span] >= self.scoring.speech_threshold) >= self.scoring.min_speech_ratio
        )

    def expect(self, lag_ticks: int | None) -> dict[str, float | int | None]:
        """Return the expected fields of ``Score`` by name, and the two margins; no lag, no live value."""
        scoring = self.scoring
        now = self.history[-1][0].index
        intra = NaiveSelf(scoring.memory_windows, scoring.percentile)
        cross = NaiveCross(scoring.memory_windows, self.windows.band_ticks)
        aligned = self._aligned()
        for (window, identity, visual, audio), sure in zip(self.history, aligned, strict=True):
            if identity is not None:
                intra.seen.append(identity)
            if sure and self._counts_for_cross(visual, audio, window):
                assert visual is not None
                assert audio is not None
                cross.seen.append((visual, audio))

        score_intra = intra.score() if len(intra.held) >= scoring.min_intra_windows else None
        score_cross = cross.mean_at(0) if len(cross.held) >= scoring.min_cross_windows else None
        own_past = identity_margin = recent_cross = lips_margin = None
        if intra.seen and now - intra.seen[-1].window_index <= scoring.max_silence_windows:
            matrix = intra.matrix()
            if len(matrix) > 1:
                own_past = float(np.median(matrix[-1, :-1]))
            if score_intra is not None:
                value = float(np.percentile(matrix, self._spared_percent(len(matrix))))
                identity_margin = (value - scoring.intra_alert) / (
                    scoring.intra_genuine - scoring.intra_alert
                )
        fresh = bool(cross.seen) and now - cross.seen[-1][0].window_index <= scoring.max_silence_windows
        if fresh and aligned[-1] and lag_ticks is not None:
            oldest = max(self._sure_from, cross.seen[-1][0].window_index - scoring.max_silence_windows)
            column = cross.by_lag()[:, lag_ticks + self.windows.band_ticks]
            recent = [
                value
                for (visual, _), value in zip(cross.held, column, strict=True)
                if visual.window_index >= oldest
            ][-scoring.recent_windows :]
            recent = [value for value in recent if np.isfinite(value)]
            if len(recent) >= scoring.min_cross_windows:
                recent_cross = float(np.mean(recent))
                lips_margin = (recent_cross - scoring.cross_alert) / (
                    scoring.cross_genuine - scoring.cross_alert
                )
        both = score_intra is not None and score_cross is not None
        return {
            "intra": score_intra,
            "cross": score_cross,
            "score": score_intra + score_cross if both else None,
            "recent_intra": own_past,
            "recent_cross": recent_cross,
            "margin": min((m for m in (identity_margin, lips_margin) if m is not None), default=None),
            "intra_windows": len(intra.held),
            "cross_windows": len(cross.held),
            "identity_margin": identity_margin,
            "lips_margin": lips_margin,
        }

    def _spared_percent(self, count: int) -> float:
        reach = -(-self.windows.length_ticks // self.windows.hop_ticks)
        spared = min(count // 4, reach)
        low_pairs = count**2 - spared**2 - (count - spared) ** 2
        return max(self.scoring.percentile, 100.0 * low_pairs / max(1, count**2 - 1))


class NaiveMachine:
    """The alert machine's rules, read off the whole history of evidence and findings at every update."""

    def __init__(
        self, config: AlertConfig, lapse_after_ns: int, max_step_ns: int, tested: Collection[str] = ()
    ) -> None:
        self.config = config
        self.lapse_after_ns = lapse_after_ns
        self.max_step_ns = max_step_ns
        self.tested = set(tested)
        self.state = AlertState.CLEAR
        self.causes: set[str] = set()
        self.raised_ns = 0
        self.findings: list[Finding | None] = []
        self.history: list[tuple[int, int, Mapping[str, float | None]]] = []
        self._since: dict[str, int] = {}
        self._last_ns: int | None = None

    def _held_ns(self, channel: str, low: float, high: float) -> int:
        """Length of the channel's newest unbroken run of evidence inside (low, high); -1 for none."""
        run: list[int] = []
        for _, step, margins in reversed(self.history[self._since.get(channel, 0) :]):
            margin = margins.get(channel)
            if margin is None:
                continue
            if not low < margin < high:
                break
            run.append(step)
        return sum(run[:-1]) if run else -1

    def _is_calm(self, channel: str, found: Finding) -> bool:
        if channel in {*found.suspects, *found.culprits}:
            return False
        since = self.history[self._since.get(channel, 0) :]
        if all(margins.get(channel) is None for _, _, margins in since):
            return True
        return self._held_ns(channel, self.config.offset_margin, float("inf")) >= self.config.clear_after_ns

    def update(
        self, time_ns: int, margins: Mapping[str, float | None], finding: Finding | None = None
    ) -> AlertState | None:
        """Return the state entered, None where it stays."""
        self.findings.append(finding)
        known = [each for each in self.findings if each is not None]
        found = known[-1] if known else Finding(suspects=(), culprits=())
        step = 0 if self._last_ns is None else min(time_ns - self._last_ns, self.max_step_ns)
        self._last_ns = time_ns
        self.history.append((time_ns, step, margins))
        config, inf = self.config, float("inf")
        fresh = {channel for channel, margin in margins.items() if margin is not None}
        suspects = {
            c for c in fresh if self._held_ns(c, -inf, config.onset_margin) >= config.suspicious_after_ns
        }
        culprits = {
            c
            for c in fresh - self.tested
            if self._held_ns(c, -inf, config.alert_margin) >= config.alert_after_ns
        } | set(found.culprits)
        if finding is not None:
            suspects |= set(finding.suspects)
        if self.state is AlertState.CLEAR:
            if not suspects:
                return None
            self.causes, self.raised_ns = suspects, time_ns
            return self._enter(AlertState.SUSPICIOUS)
        self.causes |= suspects | culprits
        if self.state is AlertState.SUSPICIOUS and culprits:
            return self._enter(AlertState.ALERT)
        calm = all(self._is_calm(c, found) for c in self.causes)
        seen = [t for t, _, m in self.history if any(m.get(c) is not None for c in self.causes)]
        silent_ns = time_ns - max([self.raised_ns, *seen])
        lapsed = self.state is AlertState.SUSPICIOUS and silent_ns >= self.lapse_after_ns
        if calm or lapsed:
            self._since |= dict.fromkeys(self.causes, len(self.history))
            return self._enter(AlertState.CLEAR)
        return None

    def _enter(self, state: AlertState) -> AlertState:
        self.state = state
        return state
