"""Clips that all programs get: as many genuine ones as fakes, of as many speakers as there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np

from training.data.clip import Clip
from training.data.manifest import MANIFEST_NAME, read_manifest
from training.data.splits import split_of

SHORTEST_S: Final = 2.5
LONGEST_S: Final = 20.0


def chosen_clips(folder: Path, count: int, *, seed: int = 0) -> list[Clip]:
    """Return clips of a folder with a manifest: genuine ones of the test split, and fakes.

    Args:
        folder: Holds ``manifest.csv``.
        count: How many at most, half of them genuine.
        seed: Of the draw within a speaker.

    Raises:
        DatasetError: If the manifest cannot be read.
    """
    clips = read_manifest(folder / MANIFEST_NAME)
    split = split_of(clips)
    fitting = [
        clip
        for clip in clips
        if clip.duration_s is not None
        and SHORTEST_S <= clip.duration_s <= LONGEST_S
        and clip.quality == "good"
    ]
    genuine = [clip for clip in fitting if clip.is_real and split.get(clip.speaker) == "test"]
    fakes = [clip for clip in fitting if not clip.is_real]
    half = min(count // 2, len(genuine), len(fakes))
    rng = np.random.default_rng(seed)
    return [*_spread(genuine, half, rng), *_spread(fakes, half, rng)]


def _spread(clips: Iterable[Clip], count: int, rng: np.random.Generator) -> list[Clip]:
    """Take turns between the speakers."""
    by_speaker: dict[str, list[Clip]] = defaultdict(list)
    for clip in sorted(clips, key=lambda each: each.name):
        by_speaker[clip.speaker].append(clip)
    queues = [[own[index] for index in rng.permutation(len(own))] for own in by_speaker.values()]
    order = [queues[index] for index in rng.permutation(len(queues))]
    chosen: list[Clip] = []
    while len(chosen) < count:
        for queue in order:
            if queue and len(chosen) < count:
                chosen.append(queue.pop())
    return chosen
