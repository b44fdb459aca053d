from __future__ import annotations

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the training extra")

from tests.support.prepared_clips import prepared_clip, prepared_clips
from tests.support.speech import made_up_features
from training.augment_audio import (
    add_room,
    degrade_voice,
    mix,
    mu_law,
    quantise_spectrum,
)
from training.augment_video import (
    degrade_face,
    exchange_surroundings,
    hold_frames,
    lose_detail,
    mirror,
    move_pictures,
    recompress,
)
from training.config import CrossSampling
from training.errors import TrainingError
from training.pool import Pool, PooledClip, mel_of, voice_of
from training.sampling import CrossSampler, IntraSampler, Length, Moment, SpeakerTree

CONFIG = CrossSampling(segments=4, min_ticks=30, max_ticks=40, short_ticks=25)


def cross(**changes: object) -> CrossSampler:
    return CrossSampler(
        Pool.of(prepared_clips()), CONFIG.model_copy(update=changes), made_up_features, seed=3
    )


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return all(a[name].shape == b[name].shape and torch.equal(a[name], b[name]) for name in a)


def test_a_batch_depends_on_seed_rank_and_step_alone() -> None:
    first, second = cross(), cross()
    ahead = [first.batch(step) for step in range(4)]
    assert all(same(second.batch(step), ahead[step]) for step in (2, 0, 3, 1))
    assert not same(first.batch(0), first.batch(4))
    other_rank = CrossSampler(Pool.of(prepared_clips()), CONFIG, made_up_features, seed=3, rank=1)
    assert not same(other_rank.batch(0), ahead[0])


def test_batches_have_the_shapes_that_the_encoders_take() -> None:
    lengths = set()
    for step in range(12):
        batch = cross().batch(step)
        segments, ticks = batch["lips"].shape[:2]
        lengths.add(ticks)
        assert segments == 4
        assert batch["lips"].shape == (4, ticks, 40, 2)
        assert batch["mouth"].shape == (4, ticks, 64, 64)
        assert batch["mouth"].dtype == torch.uint8
        assert batch["speech"].shape == (4, 2 * ticks, 384)
        assert all(torch.isfinite(part.float()).all() for part in batch.values())
    assert 25 in lengths
    assert lengths - {25} <= set(range(30, 41))
    assert len(lengths) > 2


def test_a_segment_is_lips_and_voice_of_the_same_time() -> None:
    clip = prepared_clip(1, ticks=60)
    sampler = CrossSampler(
        Pool.of([clip, prepared_clip(2, ticks=60)]),
        CONFIG.model_copy(update={"segments": 2, "augment": False}),
        made_up_features,
        1,
    )
    lips, mouth, mel = sampler._segment(
        Moment(PooledClip(clip), 7, 30), Length(30, 1.0), np.random.default_rng(0)
    )
    assert np.array_equal(lips, clip.lips[7:37])
    assert np.array_equal(mouth, clip.mouth[7:37])
    assert np.allclose(mel, mel_of(voice_of(clip, 1, 58))[4 * 6 : 4 * 36], atol=1e-5)


def test_segments_of_a_batch_never_overlap_and_pairs_share_a_speaker() -> None:
    sampler = cross(hard_share=1.0, segments=6)
    pairs = 0
    for step in range(20):
        length, moments = sampler._moments(np.random.default_rng(step))
        for i, one in enumerate(moments):
            for two in moments[i + 1 :]:
                pairs += one.clip.clip.speaker == two.clip.clip.speaker
                assert one.clip is not two.clip or abs(one.start - two.start) >= length.source_ticks
    assert pairs >= 20


@pytest.mark.parametrize("change", ["face", "cut", "silence", "suspect", "short"])
def test_unusable_moments_are_left_out(change: str) -> None:
    clip = prepared_clip(1, ticks=80)
    assert len(PooledClip(clip).starts(30, 0.5)) == 80 - 30 - 1
    present, track, speech = clip.present.copy(), clip.track.copy(), clip.speech.copy()
    if change == "face":
        present[40] = False
    elif change == "cut":
        track[40:] = 1
    elif change == "silence":
        speech[20:] = 0
    elif change == "suspect":
        clip = prepared_clip(1, ticks=80, quality="little_speech;sync_suspect")
    else:
        clip = prepared_clip(1, ticks=31)
    if change in ("face", "cut", "silence"):
        clip = dataclasses.replace(clip, present=present, track=track, speech=speech)
    for start in PooledClip(clip).starts(30, 0.5):
        inside = slice(start, start + 30)
        assert clip.present[inside].all()
        assert len(set(clip.track[inside])) == 1
        assert (clip.speech[inside] >= 0.5).sum() >= 15
        assert 1 <= start <= clip.ticks - 31
    expected = {"face": 19, "cut": 20, "silence": 5, "suspect": 0, "short": 0}
    assert len(PooledClip(clip).starts(30, 0.5)) == expected[change]


def test_few_people_of_a_corpus_are_drawn_as_often_as_their_number_asks() -> None:
    clips = [PooledClip(prepared_clip(i, speaker=f"a{i % 4}", corpus="a", ticks=30)) for i in range(40)]
    clips += [PooledClip(prepared_clip(99, speaker="b", corpus="b", ticks=30))]
    tree, rng = SpeakerTree(clips), np.random.default_rng(0)
    drawn = [tree.draw(rng).clip.speaker for _ in range(3000)]
    assert drawn.count("b") / 3000 == pytest.approx(1 / 3, abs=0.04)
    assert drawn.count("a1") / 3000 == pytest.approx(1 / 6, abs=0.04)


def test_copies_stand_in_for_their_clip() -> None:
    clips = prepared_clips(8, 4, short=False)
    dark = [dataclasses.replace(clip, mouth=np.zeros_like(clip.mouth)) for clip in clips]
    pool = Pool.of(clips, dark)
    assert all(len(clip.copies) == 1 for clip in pool.clips)
    settings = {"augment": False, "short_share": 0.0, "copy_share": 1.0}
    batch = CrossSampler(pool, CONFIG.model_copy(update=settings), made_up_features, 1).batch(0)
    assert int(batch["mouth"].max()) == 0
    settings["copy_share"] = 0.0
    assert (
        int(
            CrossSampler(pool, CONFIG.model_copy(update=settings), made_up_features, 1)
            .batch(0)["mouth"]
            .max()
        )
        > 0
    )


def test_too_few_clips_are_refused() -> None:
    with pytest.raises(TrainingError, match="a batch needs 4"):
        CrossSampler(Pool.of(prepared_clips(3)), CONFIG, made_up_features, seed=1)


def test_digest_tells_data_apart() -> None:
    clips = prepared_clips(6)
    assert Pool.of(clips).digest == Pool.of(reversed(clips)).digest
    assert Pool.of(clips).digest != Pool.of(clips[1:]).digest
    lips = clips[0].lips + 1e-3
    assert Pool.of([dataclasses.replace(clips[0], lips=lips), *clips[1:]]).digest != Pool.of(clips).digest


def test_identity_batches_hold_distinct_people() -> None:
    clips = prepared_clips(12, 6)
    sampler = IntraSampler(Pool.of(clips), identities=4, windows=3, length_ticks=25, noise=0.0, seed=1)
    batch = sampler.batch(0)
    assert same(batch, sampler.batch(0))
    frames, weight = batch["frames"], batch["weight"]
    assert frames.shape[:2] == (4, 3)
    assert torch.allclose(frames.norm(dim=3), weight, atol=1e-5)
    owner = {row.tobytes(): clip.clip.speaker for clip in clips for row in clip.identity}
    people = []
    for person in range(4):
        rows = frames[person][weight[person] > 0].numpy()
        nearest = {
            owner[min(owner, key=lambda key: float(np.abs(np.frombuffer(key, np.float32) - row).max()))]
            for row in rows
        }
        assert len(nearest) == 1
        people += nearest
    assert len(set(people)) == 4


def test_degraded_voices_stay_in_time_and_range() -> None:
    click = np.zeros(16_000, np.float32)
    click[8000] = 0.9
    rng = np.random.default_rng(0)
    for changed in (add_room(click, 0.3, 10.0, rng), mu_law(click), quantise_spectrum(click, 3.0, 40.0)):
        assert changed.shape == click.shape
        assert changed.dtype == np.float32
        assert abs(int(np.abs(changed).argmax()) - 8000) <= 1
    voice = (rng.normal(0, 0.2, 16_000)).astype(np.float32)
    for seed in range(30):
        result = degrade_voice(voice, voice[::-1].copy(), np.random.default_rng(seed))
        assert result.shape == voice.shape
        assert result.dtype == np.float32
        assert np.abs(result).max() <= 1.0


def test_noise_is_mixed_at_its_ratio() -> None:
    rng = np.random.default_rng(0)
    voice, noise = (rng.normal(0, scale, 4000).astype(np.float32) for scale in (0.3, 0.01))
    added = mix(voice, noise, 12.0) - voice
    assert 10 * np.log10(np.mean(voice**2) / np.mean(added**2)) == pytest.approx(12.0, abs=0.01)
    assert np.array_equal(mix(np.zeros_like(voice), noise, 12.0), np.zeros_like(voice))


def test_mirroring_twice_changes_nothing_and_keeps_contours() -> None:
    clip = prepared_clip(1, ticks=5)
    lips, mouth = mirror(*mirror(clip.lips, clip.mouth))
    assert np.array_equal(lips, clip.lips)
    assert np.array_equal(mouth, clip.mouth)
    angle = np.arange(20) / 20 * 2 * np.pi
    ring = np.stack([-np.cos(angle), np.sin(angle)], axis=1)
    contour = np.concatenate([ring, 0.5 * ring]).astype(np.float32)[None]
    assert np.allclose(mirror(contour, clip.mouth[:1])[0], contour, atol=1e-6)


def test_pictures_are_degraded_one_by_one() -> None:
    mouth = np.zeros((3, 64, 64), np.uint8)
    mouth[1] = 200
    for changed in (
        recompress(mouth, 30),
        lose_detail(mouth, 20),
        move_pictures(mouth, 5.0, 1.1, (-2.0, 3.0)),
    ):
        assert changed.shape == mouth.shape
        assert changed.dtype == np.uint8
        assert changed[0].max() <= 2
        assert changed[1].min() >= 198
    bright = np.zeros((1, 64, 64), np.uint8)
    bright[0, 10, 20] = 255
    assert move_pictures(bright, 0.0, 1.0, (-2.0, 3.0))[0, 13, 18] == 255


@pytest.mark.parametrize("rate_hz", [8.0, 15.0, 20.0])
def test_held_frames_never_come_from_the_future(rate_hz: float) -> None:
    for seed in range(10):
        held = hold_frames(50, rate_hz, np.random.default_rng(seed))
        age = np.arange(50) - held
        assert age.min() >= 0
        assert age.max() <= 25 / rate_hz
        assert len(set(held)) == pytest.approx(50 * rate_hz / 25, abs=2)


def test_lips_stay_and_the_skin_around_them_comes_from_another_moment() -> None:
    clip = prepared_clip(1, ticks=30)
    brightness = np.arange(30, dtype=np.uint8) * 4
    mouth = np.broadcast_to(brightness[:, None, None], (30, 64, 64)).copy()
    shape = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    ellipse = np.stack([0.3 * np.cos(shape), 1.35 + 0.12 * np.sin(shape)], axis=1).astype(np.float32)
    lips = np.broadcast_to(np.tile(ellipse, (2, 1)), clip.lips.shape).copy()
    for seed in range(20):
        changed = exchange_surroundings(lips, mouth, np.random.default_rng(seed))
        assert changed.dtype == np.uint8
        # The middle of these lips lies 1.35 eye distances under the eyes: at row 27, column 32.
        shown = changed[:, 27, 32].astype(int)
        assert np.abs(shown - brightness).max() <= 6, "the nearest other moment differs by 20"
        moments = changed[:, 60, 32].astype(int) // 4
        away = np.abs(moments - np.arange(30))
        assert 5 <= np.median(away) <= 15
        assert np.unique(away).size > 1, "beyond its ends the segment is played backwards"
        np.testing.assert_array_equal(changed[:, 60, 32], changed[:, 60, 5])


def test_other_surroundings_are_an_option_that_changes_nothing_else() -> None:
    clip = prepared_clip(1, ticks=30)
    plain, off, on = (
        degrade_face(clip.lips, clip.mouth, np.random.default_rng(5), **options)
        for options in ({}, {"exchanged_share": 0.0}, {"exchanged_share": 1.0})
    )
    np.testing.assert_array_equal(plain[1], off[1])
    assert not np.array_equal(plain[1], on[1])
    assert same(cross().batch(2), cross(exchanged_share=0.0).batch(2))
    assert not same(cross().batch(2), cross(exchanged_share=1.0).batch(2))


def test_degraded_faces_keep_shape_and_one_modality() -> None:
    clip = prepared_clip(1, ticks=30)
    for seed in range(60):
        lips, mouth = degrade_face(clip.lips, clip.mouth, np.random.default_rng(seed))
        assert lips.shape == clip.lips.shape
        assert lips.dtype == np.float32
        assert mouth.shape == clip.mouth.shape
        assert mouth.dtype == np.uint8
        assert np.ptp(lips, axis=0).max() > 0 or np.ptp(mouth) > 0
