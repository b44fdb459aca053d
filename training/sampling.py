"""Batches as pure functions of seed, rank and step, so that a resumed run goes on with the very same ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.augment_audio import degrade_voice
from training.augment_speed import play_pictures, play_voice
from training.augment_video import degrade_face, mask_mel
from training.config import CrossSampling
from training.data.prepared_clip import PreparedClip
from training.errors import TrainingError
from training.pool import MEL_MARGIN_TICKS, Pool, PooledClip, mel_of, voice_of
from training.speech import SpeechFeatures

Rng = np.random.Generator
Batch = dict[str, Tensor]

_TRIES = 40
_SPEEDS = (0.85, 1.18)
_SPEED_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Moment:
    """A segment of a clip."""

    clip: PooledClip
    start: int
    ticks: int


@dataclass(frozen=True, slots=True)
class Length:
    """How long the segments of a batch are.

    Attributes:
        ticks: After the change of speed.
        speed: How much faster the segment plays than it was recorded.
    """

    ticks: int
    speed: float

    @property
    def source_ticks(self) -> int:
        """Ticks of the clip that a segment is made of."""
        return int(np.ceil((self.ticks - 1) * self.speed)) + 1


class SpeakerTree:
    """Clips by corpus and speaker; a draw is fair to corpora, then to speakers, then to clips.

    A corpus counts by the root of its number of speakers.

    Args:
        clips: At least one.
    """

    def __init__(self, clips: list[PooledClip]) -> None:
        tree: dict[str, dict[str, list[PooledClip]]] = {}
        for clip in clips:
            tree.setdefault(clip.clip.corpus, {}).setdefault(clip.clip.speaker, []).append(clip)
        self._corpora = [list(tree[name].values()) for name in sorted(tree)]
        weights = np.sqrt([len(speakers) for speakers in self._corpora])
        self._weights = weights / weights.sum()
        self.by_speaker = {
            speaker: clips for speakers in tree.values() for speaker, clips in speakers.items()
        }

    def draw(self, rng: Rng) -> PooledClip:
        """Return a clip at random."""
        speakers = self._corpora[int(rng.choice(len(self._corpora), p=self._weights))]
        clips = speakers[int(rng.integers(len(speakers)))]
        return clips[int(rng.integers(len(clips)))]


class CrossSampler:
    """Segments of lips, mouth and voice: sentences in some batches, one-word clips in others.

    Part of the segments come in pairs of the same clip or speaker, so that telling voices apart is not enough
    to tell segments apart. No two segments of a batch overlap.

    Args:
        pool: Clips of the training split.
        config: Composition of a batch.
        speech: Speech encoder behind alpha.
        seed: Of all batches.
        rank: Of this process among those that train together.

    Raises:
        TrainingError: If no clip has a segment of the required length.
    """

    def __init__(
        self, pool: Pool, config: CrossSampling, speech: SpeechFeatures, seed: int, rank: int = 0
    ) -> None:
        self._config, self._speech, self._seed, self._rank = config, speech, seed, rank
        short, long = [], []
        for clip in pool.clips:
            if len(clip.starts(config.max_ticks, config.min_speech)):
                long.append(clip)
            elif len(clip.starts(config.short_ticks, config.min_speech)):
                short.append(clip)
        self._short = SpeakerTree(short) if len(short) >= config.segments else None
        self._long = SpeakerTree(long) if len(long) >= config.segments else None
        if self._short is None and self._long is None:
            raise TrainingError(
                f"{len(long)} clips have segments of {config.max_ticks} ticks with speech and "
                f"{len(short)} others of {config.short_ticks}; a batch needs {config.segments} of one kind.",
                fix="Prepare more clips, or choose smaller batches.",
            )

    def batch(self, step: int) -> Batch:
        """Return the batch of a step.

        Returns:
            ``lips`` float32 (n, F, 40, 2), ``mouth`` uint8 (n, F, 64, 64), ``speech`` float32 (n, 2 F, 384).
        """
        key = [self._seed, 1, self._rank, step]
        rng = np.random.default_rng(key)
        length, moments = self._moments(rng)
        parts = [
            self._segment(moment, length, np.random.default_rng([*key, i]))
            for i, moment in enumerate(moments)
        ]
        lips, mouth, mel = (np.stack(column) for column in zip(*parts, strict=True))
        batch = {"lips": lips, "mouth": mouth, "speech": self._speech(mel)}
        return {name: torch.from_numpy(array) for name, array in batch.items()}

    def _moments(self, rng: Rng) -> tuple[Length, list[Moment]]:
        config = self._config
        wants_short = rng.random() < config.short_share
        slowest, fastest = _SPEEDS
        if self._long is None or (wants_short and self._short is not None):
            # A word fills its clip: it can be played slower, and not faster.
            tree, ticks, fastest = self._short, config.short_ticks, 1.0
        else:
            tree, ticks = self._long, int(rng.integers(config.min_ticks, config.max_ticks + 1))
        assert tree is not None
        speed = float(np.exp(rng.uniform(np.log(slowest), np.log(fastest))))
        changed = config.augment and rng.random() < _SPEED_SHARE
        length = Length(ticks, speed if changed else 1.0)
        chosen: list[Moment] = []
        for _ in range(_TRIES * config.segments):
            if len(chosen) == config.segments:
                break
            first = self._moment(tree.draw(rng), length.source_ticks, chosen, rng, alone=True)
            if first is None:
                continue
            chosen.append(first)
            if len(chosen) < config.segments and rng.random() < config.hard_share:
                clips = tree.by_speaker[first.clip.clip.speaker]
                other = first.clip if rng.random() < 0.5 else clips[int(rng.integers(len(clips)))]
                partner = self._moment(other, length.source_ticks, chosen, rng, alone=False)
                if partner is not None:
                    chosen.append(partner)
        if len(chosen) < 2:
            raise TrainingError("A batch found no two segments.", fix="Choose smaller batches.")
        return length, chosen

    def _moment(
        self, clip: PooledClip, ticks: int, chosen: list[Moment], rng: Rng, *, alone: bool
    ) -> Moment | None:
        """Return a segment that overlaps none of the chosen ones; alone: only of a clip not yet there."""
        taken = [moment.start for moment in chosen if moment.clip is clip]
        if taken and alone:
            return None
        starts = clip.starts(ticks, self._config.min_speech)
        for start in taken:
            starts = starts[np.abs(starts - start) >= ticks]
        return Moment(clip, int(rng.choice(starts)), ticks) if len(starts) else None

    def _segment(
        self, moment: Moment, length: Length, rng: Rng
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        clip = self._version(moment, rng)
        inside = slice(moment.start, moment.start + moment.ticks)
        lips, mouth = clip.lips[inside], clip.mouth[inside]
        voice = voice_of(clip, moment.start, moment.ticks)
        if length.speed != 1.0:
            lips, mouth = play_pictures(lips, mouth, length.ticks, length.speed)
            voice = play_voice(voice, length.ticks, length.speed)
        if not self._config.augment:
            return lips, mouth, mel_of(voice)
        lips, mouth = degrade_face(lips, mouth, rng, exchanged_share=self._config.exchanged_share)
        voice = degrade_voice(voice, self._babble(len(voice), rng), rng)
        return lips, mouth, mask_mel(mel_of(voice), rng)

    def _version(self, moment: Moment, rng: Rng) -> PreparedClip:
        """Return the clip or a copy of it that is as usable at that moment."""
        copies = moment.clip.copies
        if copies and rng.random() < self._config.copy_share:
            copy = copies[int(rng.integers(len(copies)))]
            end = moment.start + moment.ticks
            if copy.ticks >= end + MEL_MARGIN_TICKS and copy.present[moment.start : end].all():
                return copy
        return moment.clip.prepared

    def _babble(self, samples: int, rng: Rng) -> npt.NDArray[np.float32] | None:
        tree = self._long or self._short
        assert tree is not None
        audio = tree.draw(rng).prepared.audio
        if len(audio) < samples:
            return None
        start = int(rng.integers(len(audio) - samples + 1))
        return audio[start : start + samples].astype(np.float32) / 32768.0


class IntraSampler:
    """Windows of identity embeddings: N distinct people, T windows of each, from any of their clips.

    Args:
        pool: Clips of the training split.
        identities: N.
        windows: T.
        length_ticks: Length of a window.
        noise: Standard deviation of the noise added, as a fraction of an embedding's length.
        seed: Of all batches.
        rank: Of this process among those that train together.

    Raises:
        TrainingError: If there are fewer than two people.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        identities: int,
        windows: int,
        length_ticks: int,
        noise: float,
        seed: int,
        rank: int = 0,
    ) -> None:
        self._windows, self._length, self._noise = windows, length_ticks, noise
        self._seed, self._rank = seed, rank
        seen = [clip for clip in pool.clips if len(clip.prepared.identity)]
        speakers: dict[str, list[PooledClip]] = {}
        for clip in seen:
            speakers.setdefault(clip.clip.speaker, []).append(clip)
        self._speakers = [speakers[name] for name in sorted(speakers)]
        self._identities = min(identities, len(self._speakers))
        if self._identities < 2:
            raise TrainingError("Identity needs clips of two people.", fix="Prepare more clips.")

    def batch(self, step: int) -> Batch:
        """Return the batch of a step.

        Returns:
            ``frames`` float32 (N, T, K, D) unit norm, ``weight`` float32 (N, T, K), 0 where a row is filler.
        """
        rng = np.random.default_rng([self._seed, 2, self._rank, step])
        chosen = rng.choice(len(self._speakers), self._identities, replace=False)
        windows = [
            [self._window(self._speakers[int(speaker)], rng) for _ in range(self._windows)]
            for speaker in chosen
        ]
        return pad_windows(windows)

    def _window(self, clips: list[PooledClip], rng: Rng) -> npt.NDArray[np.float32]:
        pooled = clips[int(rng.integers(len(clips)))]
        versions = [clip for clip in (pooled.prepared, *pooled.copies) if len(clip.identity)]
        clip = versions[int(rng.integers(len(versions)))]
        first = int(clip.identity_ticks[int(rng.integers(len(clip.identity_ticks)))])
        inside = (clip.identity_ticks >= first) & (clip.identity_ticks < first + self._length)
        frames = clip.identity[inside]
        spread = self._noise / np.sqrt(frames.shape[1])
        noisy = frames + rng.normal(0.0, spread, frames.shape)
        return np.asarray(noisy / np.linalg.norm(noisy, axis=1, keepdims=True), np.float32)


def pad_windows(windows: list[list[npt.NDArray[np.float32]]]) -> Batch:
    """Join windows of different numbers of embeddings.

    Args:
        windows: N lists of T arrays (k, D), k at least 1.

    Returns:
        ``frames`` float32 (N, T, K, D) and ``weight`` float32 (N, T, K).
    """
    most = max(len(frames) for row in windows for frames in row)
    dimension = windows[0][0].shape[1]
    frames = np.zeros((len(windows), len(windows[0]), most, dimension), np.float32)
    weight = np.zeros(frames.shape[:3], np.float32)
    for i, row in enumerate(windows):
        for t, window in enumerate(row):
            frames[i, t, : len(window)] = window
            weight[i, t, : len(window)] = 1.0
    return {"frames": torch.from_numpy(frames), "weight": torch.from_numpy(weight)}
