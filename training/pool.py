"""The clips that training draws from: real ones of one split, held in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from engines.frontend.mel import log_mel
from realtime.timebase import SAMPLES_PER_TICK
from training.data.clip import Clip
from training.data.listing import read_listing
from training.data.prepared_clip import PreparedClip
from training.data.shards import read_shards
from training.data.splits import Split, clips_by_split
from training.errors import TrainingError

Float32 = npt.NDArray[np.float32]

TRAINING_SPLITS: Final[tuple[Split, ...]] = ("train", "validation")
SPEECH_THRESHOLD = 0.5
MEL_MARGIN_TICKS = 1


@dataclass(frozen=True, slots=True)
class PooledClip:
    """A clip, and the copies of it that went through real codecs.

    Attributes:
        prepared: Its features.
        copies: Features of its re-encoded copies; the same length within a tick or two.
    """

    prepared: PreparedClip
    copies: tuple[PreparedClip, ...] = ()

    @property
    def clip(self) -> Clip:
        """What is known about it."""
        return self.prepared.clip

    def starts(self, ticks: int, min_speech: float) -> npt.NDArray[np.int64]:
        """Return where a segment can begin.

        A segment lies on one face track, every tick of it has usable lips, enough of them have speech, and
        there is real audio around it.

        Args:
            ticks: Length of the segment.
            min_speech: Fraction of its ticks that need speech.

        Returns:
            int64, increasing first ticks.
        """
        clip = self.prepared
        room = clip.ticks - ticks - 2 * MEL_MARGIN_TICKS + 1
        if not clip.clip.sync_is_trusted or room <= 0:
            return np.zeros(0, np.int64)
        speech = _sums(clip.speech >= SPEECH_THRESHOLD, ticks) >= min_speech * ticks
        faces = _sums(clip.present, ticks) == ticks
        cuts = _sums(np.diff(clip.track) != 0, ticks - 1) == 0
        first = MEL_MARGIN_TICKS
        usable = (speech & faces & cuts)[first : first + room]
        return np.flatnonzero(usable) + first


def _sums(values: npt.NDArray[np.bool_], length: int) -> npt.NDArray[np.int64]:
    """Return the sums of all runs of a length."""
    total = np.concatenate([[0], np.cumsum(values)])
    return np.asarray(total[length:] - total[: len(total) - length], np.int64)


def voice_of(clip: PreparedClip, start: int, ticks: int) -> Float32:
    """Return the voice of a segment with one tick more on both sides, float32 in [-1, 1)."""
    first = (start - MEL_MARGIN_TICKS) * SAMPLES_PER_TICK
    end = (start + ticks + MEL_MARGIN_TICKS) * SAMPLES_PER_TICK
    return clip.audio[first:end].astype(np.float32) / 32768.0


def mel_of(voice: Float32) -> Float32:
    """Return the log-mel of a voice from :func:`voice_of` without its margins, shape (4 F, 80)."""
    margin = 4 * MEL_MARGIN_TICKS
    return log_mel(voice)[margin:-margin]


@dataclass(frozen=True, slots=True)
class Pool:
    """Real clips of one split.

    Attributes:
        clips: In the order of their keys.
        digest: SHA-256 over what they hold.
    """

    clips: tuple[PooledClip, ...]
    digest: str

    @classmethod
    def of(cls, prepared: Iterable[PreparedClip], copies: Iterable[PreparedClip] = ()) -> Pool:
        """Gather clips and, by their key, their copies."""
        twins: dict[str, list[PreparedClip]] = {}
        for copy in copies:
            twins.setdefault(copy.key, []).append(copy)
        clips = tuple(
            PooledClip(clip, tuple(twins.get(clip.key, ())))
            for clip in sorted(prepared, key=lambda clip: clip.key)
        )
        digest = hashlib.sha256()
        for pooled in clips:
            for clip in (pooled.prepared, *pooled.copies):
                digest.update(f"{clip.key} {clip.clip.speaker}".encode(errors="surrogateescape"))
                for array in (clip.lips, clip.mouth, clip.audio, clip.identity, clip.faces):
                    digest.update(np.ascontiguousarray(array).view(np.uint8).data)
        return cls(clips, digest.hexdigest())

    @property
    def speakers(self) -> int:
        """Number of different people."""
        return len({pooled.clip.speaker for pooled in self.clips})


def load_pools(folder: Path, split_seed: int, copies: Sequence[Path] = ()) -> dict[Split, Pool]:
    """Read a folder of prepared clips and part its real clips by speaker.

    Args:
        folder: As written by ``seamwatch data prepare``.
        split_seed: Seed of the split.
        copies: Folders with re-encoded copies of the same clips, under the same names.

    Returns:
        Pools ``train`` and ``validation``.

    Raises:
        DatasetError: If a folder cannot be read, or the splits leak.
        TrainingError: If a split is left without two people.
    """
    real = {clip.key: clip for clip in read_shards(folder) if clip.clip.is_real}
    splits = clips_by_split(read_listing(folder), split_seed)
    twins = [twin for place in copies for twin in read_shards(place) if twin.key in real]
    pools = {
        name: Pool.of((real[clip.key] for clip in splits[name] if clip.key in real), twins)
        for name in TRAINING_SPLITS
    }
    for name, pool in pools.items():
        if pool.speakers < 2:
            raise TrainingError(
                f"The split {name} has {pool.speakers} speakers.", fix="Prepare clips of more people."
            )
    return pools
