"""Who is trained on and who is not: a split of real speakers, and the check that nothing leaks."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, Literal

from training.data.clip import Clip
from training.data.errors import SplitLeakError

Split = Literal["train", "validation", "test"]

SPLITS: Final[tuple[Split, ...]] = ("train", "validation", "test")
SEED: Final = 20261123
VALIDATION_SHARE: Final = 0.15
TEST_SHARE: Final = 0.25
_MIN_GROUPS: Final = 3
_SMALL_CORPORA: Final = "(small corpora)"


def split_of(clips: Iterable[Clip], seed: int = SEED) -> dict[str, Split]:
    """Assign the speakers of the real clips to splits, about 60/15/25 % of them within each corpus.

    Speakers that share a source recording stay together. A corpus with fewer than three such groups of
    speakers is split together with the other small ones. Fakes are left out: they belong to no split.

    Args:
        clips: The clips, in any order.
        seed: Another seed gives another split.

    Returns:
        Split by speaker. Depends on the set of (corpus, speaker, source) and on the seed alone.
    """
    real = [clip for clip in clips if clip.is_real]
    by_corpus: dict[str, list[frozenset[str]]] = defaultdict(list)
    for group in _speaker_groups(real):
        by_corpus[_corpus_of(group, real)].append(group)
    pooled: dict[str, list[frozenset[str]]] = defaultdict(list)
    for corpus, groups in by_corpus.items():
        pooled[corpus if len(groups) >= _MIN_GROUPS else _SMALL_CORPORA] += groups
    assignment: dict[str, Split] = {}
    for groups in pooled.values():
        groups.sort(key=lambda group: _draw(group, seed))
        test = max(1, round(TEST_SHARE * len(groups)))
        validation = max(1, round(VALIDATION_SHARE * len(groups)))
        for place, group in enumerate(groups):
            split: Split = "train"
            if len(groups) >= _MIN_GROUPS and place < test + validation:
                split = "test" if place < test else "validation"
            assignment |= dict.fromkeys(group, split)
    return assignment


def clips_by_split(clips: Iterable[Clip], seed: int = SEED) -> dict[Split, list[Clip]]:
    """Return the real clips of every split, in their order, checked for leaks.

    Raises:
        SplitLeakError: Never for clips with sources and speakers as documented; it is a safeguard.
    """
    real = [clip for clip in clips if clip.is_real]
    assignment = split_of(real, seed)
    splits: dict[Split, list[Clip]] = {name: [] for name in SPLITS}
    for clip in real:
        splits[assignment[clip.speaker]].append(clip)
    check_splits(splits)
    return splits


def check_splits(splits: Mapping[Split, Iterable[Clip]]) -> None:
    """Check that no speaker and no source recording is in two splits.

    Raises:
        SplitLeakError: If one is; it names the speaker or source, and the clip and split on both sides.
    """
    seen: dict[tuple[str, str], tuple[str, Clip]] = {}
    for split, clips in splits.items():
        for clip in clips:
            for what, name in (("speaker", clip.speaker), ("source clip", clip.source)):
                other_split, other = seen.setdefault((what, name), (split, clip))
                if other_split != split:
                    raise SplitLeakError(
                        f"The {what} {name} is in two splits: {other_split} ({other.name}) "
                        f"and {split} ({clip.name}).",
                        fix="Give all clips of one speaker and of one source to the same split.",
                    )


def _speaker_groups(clips: Iterable[Clip]) -> list[frozenset[str]]:
    """Return the speakers, joined where they share a source recording."""
    parent: dict[str, str] = {}

    def root(node: str) -> str:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    speakers = set()
    for clip in clips:
        speakers.add(clip.speaker)
        parent[root(f"source {clip.source}")] = root(f"speaker {clip.speaker}")
    groups: dict[str, set[str]] = defaultdict(set)
    for speaker in speakers:
        groups[root(f"speaker {speaker}")].add(speaker)
    return [frozenset(group) for group in groups.values()]


def _corpus_of(group: frozenset[str], clips: Iterable[Clip]) -> str:
    """Return the corpus that most sources of a group of speakers are from."""
    pairs = {(clip.corpus, clip.source) for clip in clips if clip.speaker in group}
    counts = Counter(corpus for corpus, _ in pairs)
    return min(counts, key=lambda corpus: (-counts[corpus], corpus))


def _draw(group: frozenset[str], seed: int) -> str:
    return hashlib.sha256(f"{seed}\n{min(group)}".encode()).hexdigest()
