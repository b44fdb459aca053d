"""The benchmark's plan is balanced, paired and the same for the same seed."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

pytest.importorskip("scipy", reason="needs the training extra")

from tests.support.training_clips import clip_record
from training.data.clip import Clip
from training.tamper.kind_list import GENUINE, KINDS
from training.tamper.plan import SENTENCE_S, WORD_KINDS, Job, bases_of, plan, usable

PER_KIND = {"sentence": 6, "call": 3, "word": 5, "call of words": 2}


def some_clips() -> list[Clip]:
    clips = []
    for person in range(5):
        for number in range(2 + 3 * person):
            clips.append(clip_record(f"s{person}/{number}.mp4", duration_s=5.0, corpus=f"c{person % 2}"))
    for person in range(3):
        for number in range(20):
            clips.append(clip_record(f"w{person}/{number}.mp4", duration_s=1.2, corpus="words"))
    return clips


def planned(clips: list[Clip], **options: Any) -> list[Job]:
    values = {"kinds": list(KINDS), "per_kind": PER_KIND, "seed": 7}
    return plan(usable(clips), **(values | options))


def test_the_order_of_the_clips_does_not_matter() -> None:
    clips = some_clips()
    shuffled = clips.copy()
    random.Random(1).shuffle(shuffled)
    assert planned(clips) == planned(shuffled)
    assert planned(clips) != planned(clips, seed=8)


def test_every_recording_has_one_control_first_and_every_kind_once_from_the_start() -> None:
    for job in planned(some_clips()):
        assert job.wishes[0].kind == GENUINE
        kinds = Counter(wish.kind for wish in job.wishes if wish.from_s == 0)
        wanted = WORD_KINDS | {GENUINE} if job.base.group == "word" else set(KINDS)
        assert kinds == Counter(wanted)


def test_late_starts_leave_something_on_both_sides() -> None:
    late = [(wish, job.base) for job in planned(some_clips()) for wish in job.wishes if wish.from_s > 0]
    assert {wish.kind for wish, _ in late} == {"voice_swapped", "face_swapped"}
    for wish, base in late:
        assert 0.35 * base.duration_s <= wish.from_s <= 0.65 * base.duration_s
        assert wish.from_s * 25 == pytest.approx(round(wish.from_s * 25))


def test_people_take_turns() -> None:
    jobs = planned(some_clips(), per_kind={"sentence": 5})
    assert Counter(job.base.speaker for job in jobs) == Counter({f"s{person}": 1 for person in range(5)})


def test_voices_and_faces_are_of_one_other_person_of_the_same_corpus() -> None:
    for job in planned(some_clips()):
        assert job.face is not None
        donors = {clip.speaker for clip in (*job.voices, job.face)}
        assert len(donors) == 1
        assert donors.isdisjoint({job.base.speaker})
        assert job.face.corpus == job.base.clips[0].corpus
        if job.base.group in ("sentence", "word"):
            assert sum(clip.duration_s or 0 for clip in job.voices) >= job.base.duration_s


def test_donors_are_drawn_by_person_not_by_clip() -> None:
    clips = [clip_record("one/0.mp4"), clip_record("two/0.mp4")]
    clips += [clip_record(f"many/{number}.mp4") for number in range(60)]
    jobs = planned(clips, per_kind={"sentence": 62})
    donors = Counter(job.face.speaker for job in jobs if job.face and job.base.speaker == "many")
    assert donors["one"] > 15
    assert donors["two"] > 15


def test_calls_are_joined_from_clips_of_one_person_used_once() -> None:
    groups = bases_of(usable(some_clips()))
    for group in ("call", "call of words"):
        used = [clip.name for base in groups[group] for clip in base.clips]
        assert len(used) == len(set(used))
        for base in groups[group]:
            assert {clip.speaker for clip in base.clips} == {base.speaker}
            assert 15 <= base.duration_s <= 20
            short = {(clip.duration_s or 0) < SENTENCE_S for clip in base.clips}
            assert short == {group == "call of words"}


def test_alone_there_is_nobody_to_take_a_voice_or_a_face_from() -> None:
    (job,) = planned([clip_record("only/0.mp4", duration_s=6.0)], per_kind={"sentence": 1})
    assert job.face is None
    assert job.voices == ()
    assert not any(KINDS[wish.kind].needs_other for wish in job.wishes)


def test_fakes_and_doubtful_clips_are_not_used() -> None:
    doubtful = [
        clip_record("a/0.mp4", label="fake"),
        clip_record("b/0.mp4", quality="sync_suspect"),
        clip_record("c/0.mp4", quality="profile"),
        clip_record("d/0.mp4", duration_s=None),
    ]
    assert usable([*doubtful, clip_record("e/0.mp4")]) == [clip_record("e/0.mp4")]
