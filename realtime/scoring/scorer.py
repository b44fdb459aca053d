"""Running scores of one participant: the paper's Eq. 4 over the memory, and a decision value for now."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np

from realtime.config import ScoringConfig, WindowConfig
from realtime.scoring.gating import CLOCK_UNSURE, NO_FACE, NO_SPEECH, momentary_windows, weigh
from realtime.similarity.cross_similarity import CrossSimilarity
from realtime.similarity.lag import FOLLOWED_WINDOWS, MAX_UNCERTAINTY_NS, LagTracker
from realtime.similarity.self_similarity import SelfSimilarity
from realtime.types import (
    Embedding,
    LagEmbeddings,
    Modality,
    Score,
    ScoreStatus,
    Seam,
    SimilarityMatrix,
    Window,
    read_only,
)

IDENTITY_CHANGED = "identity_changed"
LIPS_DO_NOT_FIT_VOICE = "lips_do_not_fit_voice"
WARMING_UP = "warming_up"


class Scorer:
    """Gates windows, feeds both similarity rings and turns them into scores; memory is fixed.

    Two channels are judged, each by a linear margin: 0 at its alert threshold, 1 at its genuine value.

    - Identity: the n-th percentile of the T x T self-similarity, the paper's Score_intra. One odd window
      makes 2 (T - 1) of the T^2 pairs low, which the n = 5 % percentile ignores from T = 40 on but not
      before. For the margin (not for ``Score.intra``) n is therefore raised, while the memory is short, so
      far that one bad moment - the windows it can reach, at most a quarter of the memory - cannot decide.
    - Lips and voice: the mean over the newest speech windows at the tracked lag (lag zero until it is known).

    A channel has a margin only with enough windows and with evidence no older than ``max_silence_windows``;
    a silence leaves its value as it was and then withdraws it. The status is OK only while both channels
    have one: with only one of them, suspicion is possible but a clean bill is not.

    Tracks that come over a network have no clock in common, only an alignment with some uncertainty, told by
    ``set_sync_uncertainty``. Their lag has to be found before lips and voice are judged, and anew whenever
    the alignment may have moved by more than the comparison bears; meanwhile the lips have no margin. What
    was compared on an earlier alignment no longer counts for the live value.

    Args:
        scoring: What counts as evidence, and the thresholds.
        windows: Window length, hop and lag band.
    """

    def __init__(self, scoring: ScoringConfig, windows: WindowConfig) -> None:
        self._scoring = scoring
        self._windows = windows
        self._intra: SelfSimilarity | None = None
        self._cross: CrossSimilarity | None = None
        self._lag = LagTracker(windows.band_ticks)
        self._first_index: int | None = None
        self._newest_index = -1
        self._intra_index: int | None = None
        self._cross_index: int | None = None
        self._sync_uncertainty_ns: int | None = None
        self._aligned_from_index = 0
        self._own_past: float | None = None
        self._fresh_margins: dict[str, float | None] = {IDENTITY_CHANGED: None, LIPS_DO_NOT_FIT_VOICE: None}
        self._coverage: deque[tuple[float, float]] = deque(maxlen=scoring.recent_windows)

    def update(
        self,
        window: Window,
        identity: Embedding | None,
        visual: Embedding | None,
        audio: LagEmbeddings | None,
        degraded: tuple[str, ...] = (),
        *,
        unfit: tuple[str, ...] = (),
    ) -> Score:
        """Take the next window and return the running scores after it.

        Args:
            window: The window; indices rise from call to call and may skip.
            identity: Pooled identity embedding, None without a face.
            visual: Lips embedding, None without lips.
            audio: Voice embeddings over the lag band, None without a voice.
            degraded: Why the measurement is poorer than configured, such as "overload".
            unfit: Why lips and voice cannot be compared now, such as "low_frame_rate"; the lips then have no
                margin.

        Raises:
            ValueError: If the window is not newer than the last one, or a shape or a norm is wrong.
        """
        if self._first_index is None:
            self._first_index = window.index
        elif window.index <= self._newest_index:
            raise ValueError(f"window {window.index} comes after window {self._newest_index}")
        if self._alignment_moves(window.index):
            unfit = (*unfit, CLOCK_UNSURE)
        evidence = weigh(
            window, identity, visual, audio, scoring=self._scoring, windows=self._windows, unfit=unfit
        )
        self._newest_index = window.index
        self._coverage.append((evidence.face_ratio, evidence.speech_ratio))
        if identity is not None:
            self._take_identity(identity)
        if visual is not None and audio is not None and not evidence.cross_reasons:
            self._take_lips_and_voice(visual, audio)

        recent_cross = None if unfit or self._lag.searching else self._recent_cross()
        identity_margin = self._identity_margin()
        lips_margin = self._cross_margin(recent_cross)
        margins = [margin for margin in (identity_margin, lips_margin) if margin is not None]
        self._fresh_margins = {
            IDENTITY_CHANGED: identity_margin if self._intra_index == window.index else None,
            LIPS_DO_NOT_FIT_VOICE: lips_margin if self._cross_index == window.index else None,
        }
        status, reasons = self._status(
            None if identity_margin is not None else evidence.intra_reasons,
            None if lips_margin is not None else evidence.cross_reasons,
            degraded,
        )
        intra, cross = self._intra_score(), self._cross_score()
        face_coverage, speech_coverage = np.mean(self._coverage, axis=0)
        return Score(
            time_ns=window.span.end_ns,
            status=status,
            reasons=reasons,
            intra=intra,
            cross=cross,
            score=None if intra is None or cross is None else intra + cross,
            recent_intra=self._own_past if self._is_recent(self._intra_index) else None,
            recent_cross=recent_cross,
            lag_ms=self._lag.lag_ms,
            margin=min(margins, default=None),
            intra_windows=0 if self._intra is None else self._intra.count,
            cross_windows=0 if self._cross is None else self._cross.count,
            face_coverage=float(face_coverage),
            speech_coverage=float(speech_coverage),
        )

    def set_sync_uncertainty(self, uncertainty_ns: int) -> None:
        """Say what may be left of a misalignment of the two tracks, from now until said otherwise.

        Without any call the tracks share a clock, as in a file, and lag zero is right unless shown otherwise.
        """
        before_ns, self._sync_uncertainty_ns = self._sync_uncertainty_ns, uncertainty_ns
        if before_ns is None or max(before_ns, uncertainty_ns) > MAX_UNCERTAINTY_NS:
            self.realign()

    def realign(self) -> None:
        """Say that the tracks lie on another alignment from now on, as over another connection.

        Windows that may hold media of both alignments are not compared.
        """
        self._lag.search()
        if self._newest_index >= 0:
            self._aligned_from_index = self._newest_index + 1 + momentary_windows(self._windows)

    def fresh_margins(self) -> dict[str, float | None]:
        """Return each channel's margin under the reason it stands for, as the alert machine takes it.

        None where the newest window brought the channel no evidence, or the channel has no margin at all.
        """
        return dict(self._fresh_margins)

    @property
    def compared(self) -> bool:
        """Whether the newest window's lips and voice were compared with each other."""
        return self._cross_index is not None and self._cross_index == self._newest_index

    @property
    def agreement(self) -> float | None:
        """Similarity of the newest window's lips and voice at the lag in use; None if it does not count."""
        if self._cross is None or not self.compared or self._lag.searching:
            return None
        newest = self._cross.newest(
            self._lag.nearest_tick, 1, max(self._aligned_from_index, self._newest_index)
        )
        return float(newest[0]) if len(newest) else None

    @property
    def alignment(self) -> tuple[int, int]:
        """The lag in ticks at which lips and voice are compared, and the first window that counts at it."""
        return self._lag.nearest_tick, self._aligned_from_index

    def seams(self, count: int) -> tuple[Seam, ...]:
        """Return at most ``count`` pairs of both kinds, the worst against its channel's thresholds first."""
        seams: list[Seam] = []
        if self._intra is not None:
            seams.extend(self._intra.seams(count))
        if self._cross is not None and not self._lag.searching:
            seams.extend(self._cross.seams(self._lag.nearest_tick, count, self._aligned_from_index))
        seams.sort(key=lambda seam: self._margin(seam.kind, seam.value))
        return tuple(seams[:count])

    def matrices(self) -> tuple[SimilarityMatrix, SimilarityMatrix]:
        """Return the intra-modal and the cross-modal matrix in memory."""
        empty = SimilarityMatrix(values=read_only(np.zeros((0, 0), np.float32)), spans=(), worst=None)
        return (
            empty if self._intra is None else self._intra.matrix(),
            empty if self._cross is None else self._cross.matrix(),
        )

    def _take_identity(self, identity: Embedding) -> None:
        if self._intra is None:
            self._intra = SelfSimilarity(
                self._scoring.memory_windows, len(identity.vector), self._scoring.percentile
            )
        own_past = self._intra.update(identity)
        self._own_past = float(np.median(own_past)) if own_past.size else None
        self._intra_index = self._newest_index

    def _take_lips_and_voice(self, visual: Embedding, audio: LagEmbeddings) -> None:
        if self._cross is None:
            self._cross = CrossSimilarity(
                self._scoring.memory_windows, len(visual.vector), self._windows.band_ticks
            )
        self._cross.update(visual, audio)
        if self._sync_uncertainty_ns is None:
            self._lag.update(self._cross.lag_profile(), self._cross.lag_counts)
        else:
            self._lag.update(*self._cross.recent_profile(FOLLOWED_WINDOWS, self._aligned_from_index))
        self._cross_index = self._newest_index

    def _alignment_moves(self, index: int) -> bool:
        unsure = self._sync_uncertainty_ns is not None and self._sync_uncertainty_ns > MAX_UNCERTAINTY_NS
        return unsure or index < self._aligned_from_index

    def _is_recent(self, index: int | None) -> bool:
        return index is not None and self._newest_index - index <= self._scoring.max_silence_windows

    def _intra_score(self) -> float | None:
        if self._intra is None or self._intra.count < self._scoring.min_intra_windows:
            return None
        return self._intra.score

    def _cross_score(self) -> float | None:
        if self._cross is None or self._cross.count < self._scoring.min_cross_windows:
            return None
        return self._cross.score

    def _recent_cross(self) -> float | None:
        if self._cross is None or self._cross_index is None or not self._is_recent(self._cross_index):
            return None
        values = self._cross.newest(
            self._lag.nearest_tick,
            self._scoring.recent_windows,
            max(self._aligned_from_index, self._cross_index - self._scoring.max_silence_windows),
        )
        if len(values) < max(1, self._scoring.min_cross_windows):
            return None
        return float(np.mean(values, dtype=np.float64))

    def _identity_margin(self) -> float | None:
        if self._intra is None or self._intra_score() is None or not self._is_recent(self._intra_index):
            return None
        count = self._intra.count
        spared = min(count // 4, momentary_windows(self._windows))
        spared_pairs = 2 * spared * (count - spared)
        percent = max(self._scoring.percentile, 100.0 * spared_pairs / max(1, count**2 - 1))
        value = self._intra.percentile(percent)
        return None if value is None else self._margin(Modality.INTRA, value)

    def _cross_margin(self, recent_cross: float | None) -> float | None:
        return None if recent_cross is None else self._margin(Modality.CROSS, recent_cross)

    def _margin(self, kind: Modality, value: float) -> float:
        scoring = self._scoring
        if kind is Modality.INTRA:
            return (value - scoring.intra_alert) / (scoring.intra_genuine - scoring.intra_alert)
        return (value - scoring.cross_alert) / (scoring.cross_genuine - scoring.cross_alert)

    def _status(
        self,
        intra_missing: tuple[str, ...] | None,
        cross_missing: tuple[str, ...] | None,
        degraded: tuple[str, ...],
    ) -> tuple[ScoreStatus, tuple[str, ...]]:
        if intra_missing is None and cross_missing is None:
            return (ScoreStatus.DEGRADED, degraded) if degraded else (ScoreStatus.OK, ())
        first_index = self._newest_index if self._first_index is None else self._first_index
        warming_up = self._newest_index - first_index < self._scoring.max_silence_windows

        def reasons() -> Iterator[str]:
            if warming_up:
                yield WARMING_UP
            if intra_missing is not None:
                yield from intra_missing or (() if warming_up else (NO_FACE,))
            if cross_missing is not None:
                otherwise = CLOCK_UNSURE if self._lag.searching else NO_SPEECH
                yield from cross_missing or (() if warming_up else (otherwise,))
            yield from degraded

        status = ScoreStatus.WARMING_UP if warming_up else ScoreStatus.INSUFFICIENT
        return status, tuple(dict.fromkeys(reasons()))
