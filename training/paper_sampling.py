"""Batches of the paper: T windows of one video each of N distinct people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from training.config import PaperConfig, WindowShape
from training.data.prepared_clip import PreparedClip
from training.errors import TrainingError
from training.models.paper_audio import Whisper
from training.models.paper_visual import NO_FACE
from training.pool import MEL_MARGIN_TICKS, Pool, PooledClip, voice_of
from training.sampling import Batch, Rng

Int64 = npt.NDArray[np.int64]

_WITH_VOICE, _FACES_ALONE = 5, 6


@dataclass(frozen=True, slots=True)
class Video:
    """A clip or a copy of one, and the ticks at which its windows can start."""

    clip: PreparedClip
    starts: Int64


class WindowSampler:
    """Draws people, a video of each, and windows of it that start at least a hop apart.

    Re-encoded copies count as further videos. There is no augmentation, as in the paper.

    Args:
        pool: Clips of one split, prepared with faces.
        shape: Length of the windows, and the hop.
        config: N, T and the share of speech.
        whisper: Prepares the voices; None leaves them out, and with them what they ask of a clip.
        seed: Of all batches.
        rank: Of this process among those that train together.

    Raises:
        TrainingError: If fewer than two people have enough windows.
    """

    def __init__(
        self,
        pool: Pool,
        shape: WindowShape,
        config: PaperConfig,
        *,
        whisper: Whisper | None,
        seed: int,
        rank: int = 0,
    ) -> None:
        self._shape, self._windows, self._whisper = shape, config.windows, whisper
        self._key = [seed, _FACES_ALONE if whisper is None else _WITH_VOICE, rank]
        min_speech = None if whisper is None else config.min_speech
        people: dict[str, list[Video]] = {}
        for pooled in pool.clips:
            for clip in (pooled.prepared, *pooled.copies):
                starts = window_starts(clip, shape.length_ticks, min_speech)
                if len(spaced(starts, shape.hop_ticks)) >= config.windows:
                    people.setdefault(clip.clip.speaker, []).append(Video(clip, starts))
        self._people = [people[name] for name in sorted(people)]
        self._identities = min(config.identities, len(people))
        if self._identities < 2:
            raise TrainingError(
                f"{len(people)} people have a clip with {config.windows} windows that show their face.",
                fix="Prepare more clips, with `seamwatch data prepare --faces`.",
            )

    def batch(self, step: int) -> Batch:
        """Return the batch of a step, a pure function of seed, rank and step.

        Returns:
            ``faces`` uint8 (N, T, K, 112, 112, 3), ``ticks`` int64 (N, T, K) with -1 where a row is filler,
            and ``voice`` float32 (N, T, bins, 4 F) where voices are prepared.
        """
        rng = np.random.default_rng([*self._key, step])
        chosen = rng.choice(len(self._people), self._identities, replace=False)
        videos = [self._people[person][int(rng.integers(len(self._people[person])))] for person in chosen]
        moments = [(video.clip, start) for video in videos for start in self._starts(video, rng)]
        length = self._shape.length_ticks
        parts = _faces(moments, length)
        if self._whisper is not None:
            voices = np.stack([voice_of(clip, start, length) for clip, start in moments])
            parts["voice"] = torch.from_numpy(self._whisper.log_mel(voices, MEL_MARGIN_TICKS))
        shape = (len(videos), self._windows)
        return {name: part.reshape(*shape, *part.shape[1:]) for name, part in parts.items()}

    def _starts(self, video: Video, rng: Rng) -> list[int]:
        hop = self._shape.hop_ticks
        apart = spaced(video.starts[video.starts >= video.starts[0] + rng.integers(hop)], hop)
        if len(apart) < self._windows:
            apart = spaced(video.starts, hop)
        return sorted(rng.choice(apart, self._windows, replace=False).tolist())


def window_starts(clip: PreparedClip, ticks: int, min_speech: float | None) -> Int64:
    """Return where a window with a face in it can start.

    Args:
        clip: The clip.
        ticks: Length of the window.
        min_speech: Fraction of its ticks that need speech, with lips and voice that belong together; None
            asks only that it shows one face track.

    Returns:
        int64, increasing first ticks.
    """
    if min_speech is None:
        cuts = np.concatenate([[0], np.cumsum(np.diff(clip.track) != 0)])
        first = np.arange(max(0, clip.ticks - ticks + 1))
        starts = first[cuts[first + ticks - 1] == cuts[first]]
    else:
        starts = PooledClip(clip).starts(ticks, min_speech)
    begin, end = (np.searchsorted(clip.face_ticks, edge) for edge in (starts, starts + ticks))
    return np.asarray(starts[end > begin], np.int64)


def spaced(starts: Int64, hop: int) -> list[int]:
    """Return the first start, and every further one that is at least a hop behind the one kept before."""
    kept: list[int] = []
    for start in starts.tolist():
        if not kept or start - kept[-1] >= hop:
            kept.append(start)
    return kept


def _faces(moments: list[tuple[PreparedClip, int]], ticks: int) -> Batch:
    """Return ``faces`` (n, K, 112, 112, 3) and ``ticks`` (n, K) of n windows."""
    rows = [
        slice(*np.searchsorted(clip.face_ticks, [start, start + ticks]).tolist()) for clip, start in moments
    ]
    most = max(row.stop - row.start for row in rows)
    faces = np.zeros((len(moments), most, *moments[0][0].faces.shape[1:]), np.uint8)
    places = np.full((len(moments), most), NO_FACE, np.int64)
    for n, ((clip, start), row) in enumerate(zip(moments, rows, strict=True)):
        count = row.stop - row.start
        faces[n, :count], places[n, :count] = clip.faces[row], clip.face_ticks[row] - start
    return {"faces": torch.from_numpy(faces), "ticks": torch.from_numpy(places)}
