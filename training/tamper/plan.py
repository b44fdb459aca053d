"""Which recordings of a split are tampered with, how, and with whose voice and face. Pure."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from training.data.clip import GOOD, Clip
from training.tamper.kind_list import GENUINE, KINDS

Group = Literal["sentence", "call", "word", "call of words"]

SENTENCE_S: Final = 2.0
CALL_S: Final = 20.0
SHORTEST_CALL_S: Final = 15.0

LATER_KINDS: Final = frozenset({"voice_swapped", "face_swapped"})
"""Kinds that are made a second time, from about the middle on."""

WORD_KINDS: Final = frozenset(
    {"voice_swapped", "voice_shifted", "face_swapped", "lips_retimed", "lips_other_moment"}
)
"""Kinds that a single word is long enough for."""

_LATER: Final = (0.4, 0.6)
_SHORTEST_FOR_LATER_S: Final = 4.0
_MOST_DONORS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedWish:
    """One version of a recording; see ``training.tamper.production.Wish``."""

    kind: str
    from_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A recording to tamper with.

    Attributes:
        stem: What its file names begin with.
        group: What it is.
        clips: Its clips in order, all of one person; more than one are joined.
    """

    stem: str
    group: Group
    clips: tuple[Clip, ...]

    @property
    def speaker(self) -> str:
        """Who is seen."""
        return self.clips[0].speaker

    @property
    def duration_s(self) -> float:
        """Stated length, at most that of a call."""
        return min(CALL_S, sum(clip.duration_s or 0.0 for clip in self.clips))


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """All versions of one recording, the genuine one first.

    Attributes:
        base: The recording.
        wishes: The versions.
        voices: Clips of another person whose voice may be used.
        face: A clip of another person whose face may be used; None where nobody else is there.
    """

    base: Base
    wishes: tuple[PlannedWish, ...]
    voices: tuple[Clip, ...]
    face: Clip | None


def usable(clips: Iterable[Clip]) -> list[Clip]:
    """Return the genuine clips of full quality and known length, by name."""
    kept = [clip for clip in clips if clip.is_real and clip.quality == GOOD and clip.duration_s]
    return sorted(kept, key=lambda clip: clip.name)


def bases_of(clips: Sequence[Clip]) -> dict[Group, list[Base]]:
    """Return what can be made of the clips of a split, by group.

    Sentences and words are single clips. Calls are joined from the sentences, or the words, of one person:
    each clip in one call at most.
    """
    sentences = [clip for clip in clips if (clip.duration_s or 0) >= SENTENCE_S]
    words = [clip for clip in clips if (clip.duration_s or 0) < SENTENCE_S]
    return {
        "sentence": [Base(stem=clip.key, group="sentence", clips=(clip,)) for clip in sentences],
        "call": _calls(sentences, "call"),
        "word": [Base(stem=clip.key, group="word", clips=(clip,)) for clip in words],
        "call of words": _calls(words, "call of words"),
    }


def plan(
    clips: Sequence[Clip], *, kinds: Sequence[str], per_kind: Mapping[Group, int], seed: int
) -> list[Job]:
    """Choose recordings, kinds and other people.

    People take turns, so that those with many clips do not fill the benchmark. Every recording that is used
    is made in all kinds and gets its genuine control. Voices and faces come from one other person of the same
    group, of the same corpus where there is one.

    Args:
        clips: The clips of one split, as from :func:`usable`.
        kinds: Names in ``KINDS``.
        per_kind: How many recordings of each group are used, as far as there are so many.
        seed: Seed of every choice.

    Returns:
        One job a recording.
    """
    jobs: list[Job] = []
    for group, bases in bases_of(clips).items():
        count = min(per_kind.get(group, 0), len(bases))
        if count == 0:
            continue
        ordered = _in_turns(bases, np.random.default_rng([seed, zlib.crc32(group.encode())]))
        pool = [base.clips[0] for base in bases]
        for base in ordered[:count]:
            wishes = [wish for kind in _suitable(kinds, group) for wish in _versions(kind, base, seed)]
            jobs.append(_job(base, wishes, pool, clips, seed))
    return jobs


def _suitable(kinds: Sequence[str], group: Group) -> list[str]:
    return [kind for kind in kinds if kind != GENUINE and (group != "word" or kind in WORD_KINDS)]


def _calls(clips: Sequence[Clip], group: Group) -> list[Base]:
    by_speaker: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        by_speaker[clip.speaker].append(clip)
    calls: list[Base] = []
    for own in by_speaker.values():
        gathered: list[Clip] = []
        for clip in own:
            gathered.append(clip)
            if sum(part.duration_s or 0 for part in gathered) >= CALL_S:
                calls.append(_call(gathered, group))
                gathered = []
        if sum(part.duration_s or 0 for part in gathered) >= SHORTEST_CALL_S:
            calls.append(_call(gathered, group))
    return calls


def _call(clips: Sequence[Clip], group: Group) -> Base:
    return Base(stem=f"call-{clips[0].key}", group=group, clips=tuple(clips))


def _in_turns(bases: Sequence[Base], rng: np.random.Generator) -> list[Base]:
    """Order recordings so that each person comes once before anybody comes twice."""
    by_speaker: dict[str, list[Base]] = defaultdict(list)
    for index in rng.permutation(len(bases)):
        by_speaker[bases[index].speaker].append(bases[index])
    rounds: list[Base] = []
    longest = max(len(own) for own in by_speaker.values())
    for turn in range(longest):
        rounds += [own[turn] for own in by_speaker.values() if turn < len(own)]
    return rounds


def _versions(kind: str, base: Base, seed: int) -> list[PlannedWish]:
    versions = [PlannedWish(kind=kind)]
    if kind in LATER_KINDS and base.duration_s >= _SHORTEST_FOR_LATER_S:
        rng = np.random.default_rng([seed, zlib.crc32(f"{base.stem}\n{kind}".encode())])
        from_s = round(base.duration_s * rng.uniform(*_LATER) * 25) / 25
        versions.append(PlannedWish(kind=kind, from_s=from_s))
    return versions


def _job(
    base: Base, wishes: Sequence[PlannedWish], pool: Sequence[Clip], clips: Sequence[Clip], seed: int
) -> Job:
    rng = np.random.default_rng([seed, zlib.crc32(base.stem.encode())])
    donor = _someone_else(base, pool, rng)
    voices: list[Clip] = []
    if donor is not None:
        others = [clip for clip in clips if clip.speaker == donor.speaker and clip != donor]
        order = [donor, *(others[index] for index in rng.permutation(len(others)))]
        for clip in order[:_MOST_DONORS]:
            voices.append(clip)
            if sum(voice.duration_s or 0 for voice in voices) >= base.duration_s:
                break
    kept = [wish for wish in wishes if donor is not None or not KINDS[wish.kind].needs_other]
    return Job(base=base, wishes=(PlannedWish(kind=GENUINE), *kept), voices=tuple(voices), face=donor)


def _someone_else(base: Base, pool: Sequence[Clip], rng: np.random.Generator) -> Clip | None:
    """Choose a person first, then a clip, so that people with many clips are not chosen more often."""
    others = [clip for clip in pool if clip.speaker != base.speaker]
    alike = [clip for clip in others if clip.corpus == base.clips[0].corpus]
    candidates = alike or others
    if not candidates:
        return None
    speakers = sorted({clip.speaker for clip in candidates})
    speaker = speakers[int(rng.integers(len(speakers)))]
    own = [clip for clip in candidates if clip.speaker == speaker]
    return own[int(rng.integers(len(own)))]
