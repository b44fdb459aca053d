"""Who is trained on and who is not: a split of real speakers, and the check that nothing leaks."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from training.data.clip import Clip
from training.data.errors import SplitLeakError

Split = Literal["train", "validation", "test"]

SPLITS: Final[tuple[Split, ...]] = ("train", "validation", "test")
SHARES: Final[Mapping[Split, float]] = MappingProxyType({"train": 0.60, "test": 0.25, "validation": 0.15})
SEED: Final = 20261123
SENTENCE_S: Final = 2.0
_DRAWS: Final = 100
_MIN_GROUPS: Final = 3
_SMALL_CORPORA: Final = "(small corpora)"

_Load = tuple[int, int]
"""Milliseconds of sentences, and number of clips; integers, so that no sum depends on the order of rows."""


def split_of(clips: Iterable[Clip], seed: int = SEED) -> dict[str, Split]:
    """Assign the speakers of the real clips to splits, near 60/15/25 % of what can be learnt or measured.

    The shares are those of two loads: the seconds of clips of at least ``SENTENCE_S``, and the number of
    clips. Clips whose synchrony is not trusted go with their speaker and count for neither; clips of unknown
    length count as clips alone. Speakers that share a source recording stay together. Fakes are left out:
    they belong to no split.

    A corpus is drawn by itself, those with fewer than three groups of speakers as one: its groups, in a
    random order, go each to the split that lacks most of its share, so that the first three reach all
    three. Of ``_DRAWS`` such draws that one is taken which brings the loads of all corpora so far nearest to
    the shares. Corpora of few groups come first: those of many can make up for them in part.

    Args:
        clips: The clips, in any order.
        seed: Another seed gives another split.

    Returns:
        Split by speaker. It depends on the whole set of real clips (corpus, speaker, source, length, quality)
        and on the seed, and on nothing else; part of the clips can give their speakers other splits.
    """
    assignment: dict[str, Split] = {}
    loads = dict.fromkeys(SPLITS, (0, 0))
    for corpus, groups in _pools([clip for clip in clips if clip.is_real]):
        draws = (_draw(groups, f"{seed}\n{corpus}\n{draw}") for draw in range(_DRAWS))
        best = min(draws, key=lambda draw: _imbalance(_added(loads, draw)))
        loads = _added(loads, best)
        for split, chosen in best.items():
            for group in chosen:
                assignment |= dict.fromkeys(group.speakers, split)
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


@dataclass(frozen=True, slots=True)
class _Group:
    """Speakers that cannot be parted."""

    speakers: frozenset[str]
    corpus: str
    load: _Load


_Draw = Mapping[Split, Sequence[_Group]]


def _draw(groups: Iterable[_Group], salt: str) -> _Draw:
    """Give groups, in the order of their hashes, each to the split that lacks most of its share."""
    ordered = sorted(groups, key=lambda group: _hash(f"{salt}\n{min(group.speakers)}"))
    total = _sum(group.load for group in ordered)
    chosen: dict[Split, list[_Group]] = {split: [] for split in SPLITS}
    filled = dict.fromkeys(SPLITS, (0, 0))
    for group in ordered:
        split = max(SHARES, key=lambda split: _lack(filled[split], total, SHARES[split]))
        chosen[split].append(group)
        filled[split] = _sum((filled[split], group.load))
    return chosen


def _lack(load: _Load, total: _Load, share: float) -> float:
    """Return how much of its share a split lacks, summed over the two loads: 2 where it has nothing."""
    return sum(1 - part / (whole * share) for part, whole in zip(load, total, strict=True) if whole)


def _imbalance(loads: Mapping[Split, _Load]) -> float:
    """Return the part of the two loads that is in the wrong split."""
    total = _sum(loads.values())
    return sum(
        abs(part / whole - SHARES[split])
        for split, load in loads.items()
        for part, whole in zip(load, total, strict=True)
        if whole
    )


def _added(loads: Mapping[Split, _Load], draw: _Draw) -> dict[Split, _Load]:
    return {split: _sum((loads[split], *(group.load for group in draw[split]))) for split in SPLITS}


def _sum(loads: Iterable[_Load]) -> _Load:
    sentences_ms = clips = 0
    for load in loads:
        sentences_ms += load[0]
        clips += load[1]
    return sentences_ms, clips


def _pools(clips: Sequence[Clip]) -> list[tuple[str, list[_Group]]]:
    """Return the groups that are drawn together, those with the fewest groups first."""
    by_corpus: dict[str, list[_Group]] = defaultdict(list)
    for group in _groups(clips):
        by_corpus[group.corpus].append(group)
    pools: dict[str, list[_Group]] = defaultdict(list)
    for corpus, groups in by_corpus.items():
        pools[corpus if len(groups) >= _MIN_GROUPS else _SMALL_CORPORA] += groups
    return sorted(pools.items(), key=lambda pool: (len(pool[1]), pool[0]))


def _groups(clips: Sequence[Clip]) -> list[_Group]:
    """Return the speakers, joined where they share a source recording."""
    parent: dict[str, str] = {}

    def root(node: str) -> str:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for clip in clips:
        parent[root(f"source {clip.source}")] = root(f"speaker {clip.speaker}")
    members: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        members[root(f"speaker {clip.speaker}")].append(clip)
    return [
        _Group(frozenset(clip.speaker for clip in group), _corpus_of(group), _sum(map(_load, group)))
        for group in members.values()
    ]


def _load(clip: Clip) -> _Load:
    if not clip.sync_is_trusted:
        return 0, 0
    sentence_s = 0.0 if clip.duration_s is None or clip.duration_s < SENTENCE_S else clip.duration_s
    return round(1000 * sentence_s), 1


def _corpus_of(clips: Iterable[Clip]) -> str:
    """Return the corpus that most sources of a group of speakers are from."""
    counts = Counter(corpus for corpus, _ in {(clip.corpus, clip.source) for clip in clips})
    return min(counts, key=lambda corpus: (-counts[corpus], corpus))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
