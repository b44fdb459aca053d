from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.training_clips import clip_record
from training.data.clip import Clip
from training.data.errors import SplitLeakError
from training.data.splits import SHARES, SPLITS, Split, check_splits, clips_by_split, split_of


@st.composite
def tables(draw: st.DrawFn) -> list[Clip]:
    """Clips whose speakers and sources are shared at random, some of them fake or out of step."""
    clips = []
    for index in range(draw(st.integers(1, 40))):
        speaker = draw(st.integers(0, 14))
        clips.append(
            clip_record(
                f"{index}.mp4",
                corpus=f"c{speaker % draw(st.integers(1, 3))}",
                speaker=f"s{speaker}",
                source=draw(st.sampled_from([f"own {index}", f"shared {speaker // 4}", "of all"][:2])),
                duration_s=draw(st.none() | st.floats(0.1, 30)),
                label=draw(st.sampled_from(["real", "real", "real", "fake"])),
                quality=draw(st.sampled_from(["good", "good", "profile;sync_suspect"])),
            )
        )
    return clips


def speakers_of(counts: list[int], corpus: str = "corpus", duration_s: float | None = 3.0) -> list[Clip]:
    """Return clips of speakers that have so many each."""
    return [
        clip_record(f"{corpus}{speaker}/{clip}.mp4", corpus=corpus, duration_s=duration_s)
        for speaker, count in enumerate(counts)
        for clip in range(count)
    ]


def shares(clips: list[Clip], splits: Mapping[str, Split]) -> dict[str, float]:
    """Return the share of the sentence seconds."""
    seconds: dict[str, float] = defaultdict(float)
    for clip in clips:
        if clip.duration_s is not None and clip.duration_s >= 2 and clip.sync_is_trusted:
            seconds[splits[clip.speaker]] += clip.duration_s
    return {split: seconds[split] / sum(seconds.values()) for split in SPLITS}


@settings(max_examples=60)
@given(tables())
def test_nobody_and_no_source_is_in_two_splits(clips: list[Clip]) -> None:
    assignment = split_of(clips)
    real = [clip for clip in clips if clip.is_real]
    assert set(assignment) == {clip.speaker for clip in real}
    splits_of_source = defaultdict(set)
    for clip in real:
        splits_of_source[clip.source].add(assignment[clip.speaker])
    assert all(len(splits) == 1 for splits in splits_of_source.values())
    parts = clips_by_split(clips)
    assert sorted(clip.name for part in parts.values() for clip in part) == sorted(c.name for c in real)


@settings(max_examples=60)
@given(tables(), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(clips: list[Clip], rng: random.Random) -> None:
    shuffled = rng.sample(clips, len(clips))
    assert split_of(shuffled) == split_of(clips)


@settings(max_examples=60)
@given(tables())
def test_fakes_change_nothing(clips: list[Clip]) -> None:
    assert split_of(clip for clip in clips if clip.is_real) == split_of(clips)


@settings(max_examples=40)
@given(st.lists(st.integers(1, 12), min_size=3, max_size=30), st.integers(0, 2**32))
def test_shares_are_met_but_for_whole_speakers(counts: list[int], seed: int) -> None:
    clips = speakers_of(counts)
    found = shares(clips, split_of(clips, seed))
    step = max(counts) / sum(counts)
    for split in SPLITS:
        assert SHARES[split] - 2 * step - 1e-9 <= found[split] <= SHARES[split] + step + 1e-9


@settings(max_examples=40)
@given(st.lists(st.lists(st.integers(1, 12), min_size=3, max_size=8), min_size=1, max_size=4))
def test_every_corpus_of_three_speakers_is_in_all_splits(corpora: list[list[int]]) -> None:
    clips = [clip for i, counts in enumerate(corpora) for clip in speakers_of(counts, f"c{i}-")]
    assignment = split_of(clips)
    for index in range(len(corpora)):
        of_corpus = {assignment[clip.speaker] for clip in clips if clip.corpus == f"c{index}-"}
        assert of_corpus == set(SPLITS)


def test_small_corpora_are_drawn_together() -> None:
    clips = [clip for i in range(12) for clip in speakers_of([1], f"c{i}-")]
    assignment = split_of(clips)
    assert sorted(assignment.values()) == ["test"] * 3 + ["train"] * 7 + ["validation"] * 2


def test_other_corpora_make_up_for_a_speaker_who_has_most_of_a_small_one() -> None:
    uneven = speakers_of([60, 2, 1, 1, 1, 1], "uneven")
    others = speakers_of([1, 2, 4, 12, 20] * 4, "others")
    splits = split_of(uneven + others)
    assert shares(uneven, splits)["train"] > 0.9
    assert shares(others, splits)["train"] < SHARES["train"]
    assert shares(uneven + others, splits) == pytest.approx(SHARES, abs=0.05)


def test_sentences_and_words_are_shared_out_both() -> None:
    words = speakers_of([40, 30, 20, 10, 5] * 4, "words", duration_s=1.2)
    sentences = speakers_of([1, 1, 1, 2, 6] * 4, "sentences")
    clips = words + sentences
    assignment = split_of(clips)
    assert shares(clips, assignment) == pytest.approx(SHARES, abs=0.05)
    for split in SPLITS:
        of_split = sum(assignment[clip.speaker] == split for clip in words)
        assert of_split / len(words) == pytest.approx(SHARES[split], abs=0.05)


def test_clips_out_of_step_go_with_their_speaker_and_count_for_nothing() -> None:
    clips = speakers_of([1] * 20)
    suspect = [
        clip_record(f"corpus0/late{i}.mp4", duration_s=60.0, quality="sync_suspect") for i in range(50)
    ]
    assert split_of(clips + suspect) == split_of(clips)


def test_clips_of_unknown_length_are_shared_out_by_number() -> None:
    clips = speakers_of([1] * 20, duration_s=None)
    assignment = split_of(clips)
    assert sorted(assignment.values()) == ["test"] * 5 + ["train"] * 12 + ["validation"] * 3


def test_another_seed_gives_another_split() -> None:
    clips = speakers_of([1, 2, 3, 4, 5] * 4)
    assert split_of(clips, 1) == split_of(clips, 1)
    assert len({tuple(sorted(split_of(clips, seed).items())) for seed in range(5)}) == 5


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"speaker": "a", "source": "two"}, r"speaker a .* train \(a/1\.mp4\) and test \(b/2\.mp4\)"),
        ({"speaker": "b", "source": "one"}, r"source clip one .* train \(a/1\.mp4\) and test \(b/2\.mp4\)"),
    ],
)
def test_a_leak_names_what_leaks_and_where(other: dict[str, str], message: str) -> None:
    first = clip_record("a/1.mp4", speaker="a", source="one")
    with pytest.raises(SplitLeakError, match=message):
        check_splits({"train": [first], "test": [clip_record("b/2.mp4", **other)]})


def test_two_clips_of_one_speaker_in_one_split_are_no_leak() -> None:
    one, two = clip_record("a/1.mp4", source="x"), clip_record("a/2.mp4", source="x")
    check_splits({"train": [one, two], "test": [clip_record("b/1.mp4")]})
