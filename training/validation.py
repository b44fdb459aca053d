"""Validation as the monitor sees calls: windows, the lag search, and AUC on people not trained on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from training.config import WindowShape
from training.models.temporal import CONTEXT_TICKS
from training.pool import MEL_MARGIN_TICKS, Pool, PooledClip
from training.sampling import pad_windows
from training.speech import SpeechFeatures, features_of_clip

Float64 = npt.NDArray[np.float64]

_SECTION_WINDOWS = 4
_MIN_SPEECH = 0.4
_MAX_SECTIONS_PER_CLIP = 12
_SHIFTS_TICKS = (5, -5, 8, -8, 12, -12, 20, -20)
_MIN_LAGS = 10
_OTHERS = 8
_BATCH_WINDOWS = 32


def area_under_curve(genuine: npt.ArrayLike, altered: npt.ArrayLike) -> float:
    """Return the probability that a genuine score is higher than an altered one, ties counted half.

    Raises:
        ValueError: If one of the two is empty.
    """
    high, low = np.asarray(genuine, np.float64), np.sort(np.asarray(altered, np.float64))
    if not len(high) or not len(low):
        raise ValueError("an AUC needs scores of both kinds")
    below, through = np.searchsorted(low, high, "left"), np.searchsorted(low, high, "right")
    return float(np.mean((below + through) / 2) / len(low))


@dataclass(frozen=True, slots=True)
class Section:
    """Some successive windows of a clip that are judged together.

    Attributes:
        clip: Index of the clip.
        starts: First ticks of the windows.
        one_word: Whether the clip holds no more than this.
    """

    clip: int
    starts: tuple[int, ...]
    one_word: bool


def sections_of(clips: Sequence[PooledClip], shape: WindowShape) -> list[Section]:
    """Cut clips into sections of up to four windows; a clip too short for two windows gives one of one."""
    sections = []
    for index, clip in enumerate(clips):
        starts = clip.starts(shape.length_ticks, _MIN_SPEECH)
        kept: list[int] = []
        for start in starts:
            if not kept or start - kept[-1] >= shape.hop_ticks:
                kept.append(int(start))
        groups = [
            tuple(kept[i : i + _SECTION_WINDOWS])
            for i in range(0, len(kept) - _SECTION_WINDOWS + 1, _SECTION_WINDOWS)
        ]
        if groups:
            sections += [Section(index, group, False) for group in groups[:_MAX_SECTIONS_PER_CLIP]]
        elif clip.prepared.ticks < 2 * shape.length_ticks and kept:
            sections.append(Section(index, (int(starts[len(starts) // 2]),), True))
    return sections


class CrossValidation:
    """AUC of genuine against swapped and shifted voices on the clips of a split, with the lag search.

    A section's score is the best similarity of lips and voice over a few lags, less the median over the band
    where the clip is long enough to have one. The other voices and the shifts are drawn once, by seed.

    Args:
        pool: Clips of the validation split.
        shape: Windows of the monitor.
        speech: Speech encoder behind alpha.
        seed: Of the exchanges.
    """

    metric = "auc"

    def __init__(self, pool: Pool, shape: WindowShape, speech: SpeechFeatures, seed: int) -> None:
        self._shape, self._clips = shape, pool.clips
        self._sections = sections_of(pool.clips, shape)
        rng = np.random.default_rng([seed, 3])
        self._others = [self._drawn(section, rng) for section in self._sections]
        self._speech = {
            index: features_of_clip(self._clips[index], speech)
            for index in sorted({section.clip for section in self._sections})
        }

    def __len__(self) -> int:
        """Number of sections."""
        return len(self._sections)

    def _drawn(self, section: Section, rng: np.random.Generator) -> list[Section]:
        """Return sections of other people, whose voices are put in the place of this one's."""
        speaker = self._clips[section.clip].clip.speaker
        others = [
            other
            for other in self._sections
            if other.one_word == section.one_word and self._clips[other.clip].clip.speaker != speaker
        ]
        chosen = rng.permutation(len(others))[:_OTHERS]
        return [others[int(i)] for i in chosen]

    def __call__(self, visual: nn.Module, audio: nn.Module, device: torch.device) -> dict[str, float]:
        """Return ``auc`` (their mean), ``auc_swapped``, ``auc_shifted`` and ``auc_swapped_word``.

        A figure whose clips are missing is left out. The modules are left in evaluation mode.
        """
        visual.eval()
        audio.eval()
        with torch.no_grad():
            voices = {
                index: np.asarray(audio(torch.from_numpy(speech[None]).to(device))[0].double().cpu().numpy())
                for index, speech in self._speech.items()
            }
            lips = self._lips(visual, device)
        scores: dict[str, tuple[list[float], list[float]]] = {
            name: ([], []) for name in ("auc_swapped", "auc_shifted", "auc_swapped_word")
        }
        for section, windows, others in zip(self._sections, lips, self._others, strict=True):
            genuine = self._score(windows, voices[section.clip], section.starts, section.one_word)
            if not np.isfinite(genuine):
                continue
            swapped = "auc_swapped_word" if section.one_word else "auc_swapped"
            steps = self._shape.hop_ticks * np.arange(len(section.starts))
            cases = [(swapped, other.clip, other.starts[0] + steps) for other in others]
            if not section.one_word:
                cases += [
                    ("auc_shifted", section.clip, np.add(section.starts, shift)) for shift in _SHIFTS_TICKS
                ]
            for name in {case[0] for case in cases}:
                scores[name][0].append(genuine)
            for name, clip, starts in cases:
                altered = self._score(windows, voices[clip], starts, section.one_word)
                if np.isfinite(altered):
                    scores[name][1].append(altered)
        found = {name: area_under_curve(*pair) for name, pair in scores.items() if pair[0] and pair[1]}
        return {"auc": float(np.mean(list(found.values()))) if found else 0.5, **found}

    def _lips(self, visual: nn.Module, device: torch.device) -> list[Float64]:
        """Embeddings of each section's windows, (windows, F - 2 R, D)."""
        length = self._shape.length_ticks
        places = [(section.clip, start) for section in self._sections for start in section.starts]
        embeddings = []
        for first in range(0, len(places), _BATCH_WINDOWS):
            part = places[first : first + _BATCH_WINDOWS]
            clips = [(self._clips[clip].prepared, slice(start, start + length)) for clip, start in part]
            lips = torch.from_numpy(np.stack([clip.lips[inside] for clip, inside in clips]))
            mouth = torch.from_numpy(np.stack([clip.mouth[inside] for clip, inside in clips]))
            embeddings.append(visual(lips.to(device), mouth.to(device)).double().cpu().numpy())
        together = np.concatenate(embeddings) if embeddings else np.zeros((0, 0, 0))
        ends = np.cumsum([len(section.starts) for section in self._sections])[:-1]
        return list(np.split(together, ends))

    def _score(self, lips: Float64, voice: Float64, starts: Iterable[int], one_word: bool) -> float:
        """Return the score of a section whose voice windows start at the given ticks; NaN without one."""
        shape = self._shape
        frames = shape.length_ticks - 2 * CONTEXT_TICKS
        profile = np.full((len(lips), 2 * shape.band_ticks + 1), np.nan)
        for row, start in enumerate(starts):
            for lag in range(-shape.band_ticks, shape.band_ticks + 1):
                first = start - MEL_MARGIN_TICKS + lag
                if 0 <= first <= len(voice) - frames:
                    profile[row, lag + shape.band_ticks] = np.mean(
                        np.sum(lips[row] * voice[first : first + frames], axis=1)
                    )
        known = np.isfinite(profile).any(axis=0)
        if not one_word and known.sum() < min(_MIN_LAGS, len(known)):
            return np.nan
        mean = np.full(len(known), np.nan)
        mean[known] = np.nanmean(profile[:, known], axis=0)
        near = mean[shape.band_ticks - shape.search_ticks : shape.band_ticks + shape.search_ticks + 1]
        if not np.isfinite(near).any():
            return np.nan
        return float(np.nanmax(near) - (0.0 if one_word else np.nanmedian(mean)))


class IntraValidation:
    """AUC of window pairs of one person against pairs of two people, every person counting alike.

    Args:
        pool: Clips of the validation split.
        shape: Windows of the monitor.
        windows: Windows drawn per person.
        seed: Of that draw.
    """

    metric = "auc"

    def __init__(self, pool: Pool, shape: WindowShape, *, windows: int, seed: int) -> None:
        rng = np.random.default_rng([seed, 4])
        rows: dict[str, list[npt.NDArray[np.float32]]] = {}
        for clip in pool.clips:
            ticks = clip.prepared.identity_ticks
            for first in range(0, clip.prepared.ticks, shape.length_ticks):
                inside = (ticks >= first) & (ticks < first + shape.length_ticks)
                if inside.any():
                    rows.setdefault(clip.clip.speaker, []).append(clip.prepared.identity[inside])
        usable = [rows[name] for name in sorted(rows) if len(rows[name]) >= 2]
        self._windows = [[row[int(i)] for i in rng.choice(len(row), windows)] for row in usable]

    def __len__(self) -> int:
        """Number of people."""
        return len(self._windows)

    def __call__(self, identity: nn.Module, device: torch.device) -> dict[str, float]:
        """Return ``auc`` and the 5th percentile of similarities within a person, ``still``."""
        if len(self._windows) < 2:
            return {"auc": 0.5}
        identity.eval()
        batch = pad_windows(self._windows)
        people, windows = batch["frames"].shape[:2]
        with torch.no_grad():
            found: Tensor = identity(
                batch["frames"].flatten(0, 1).to(device), batch["weight"].flatten(0, 1).to(device)
            )
        similarity = (found @ found.T).double().cpu().numpy()
        person = np.repeat(np.arange(people), windows)
        other = np.triu(np.ones_like(similarity, bool), 1)
        same = similarity[(person[:, None] == person[None, :]) & other]
        different = similarity[(person[:, None] != person[None, :]) & other]
        return {"auc": area_under_curve(same, different), "still": float(np.percentile(same, 5.0))}
