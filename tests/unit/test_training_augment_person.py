from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the training extra")

from tests.support.prepared_clips import prepared_clips
from tests.support.speech import made_up_features
from training.augment_person import change_person, exchange_appearance, stretch_lips, warp_pictures
from training.config import CrossSampling
from training.pool import Pool
from training.sampling import Batch, CrossSampler

UNCHANGED = CrossSampling(segments=4, min_ticks=30, max_ticks=40, short_ticks=25)


def made_up_mouth(seed: int, frames: int = 30) -> np.ndarray:
    rng = np.random.default_rng(seed)
    still = rng.uniform(90.0, 160.0, (64, 64))
    moving = np.zeros((frames, 64, 64))
    moving[:, 40:50, 20:44] = 30.0 * np.sin(0.7 * np.arange(frames))[:, None, None]
    return np.round(still + moving).astype(np.uint8)


def test_an_exchanged_appearance_keeps_what_moves_and_when() -> None:
    mouth, other = made_up_mouth(1), made_up_mouth(2, frames=4)
    movement = mouth - mouth.mean(axis=0)
    shares = set()
    for seed in range(20):
        changed = exchange_appearance(mouth, other, np.random.default_rng(seed))
        assert changed.shape == mouth.shape
        assert changed.dtype == np.uint8
        shown = changed - changed.mean(axis=0)
        contrast = float((shown * movement).sum() / (movement**2).sum())
        assert np.abs(shown - contrast * movement).max() < 1.5
        still = changed.mean(axis=0) - mouth.mean(axis=0)
        difference = other.mean(axis=0) - mouth.mean(axis=0)
        share = float((still * difference).sum() / (difference**2).sum())
        assert np.abs(still - share * difference).max() < 1.5
        shares.add(round(share, 1))
    assert min(shares) >= 0.0
    assert max(shares) <= 1.0
    assert len(shares) > 5


def test_a_warp_stands_still_and_is_smooth() -> None:
    mouth = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (3, 64, 1))
    moved = warp_pictures(mouth, 1.5, np.random.default_rng(0))
    assert moved.dtype == np.uint8
    assert np.array_equal(moved[0], moved[1])
    assert np.array_equal(moved[0], moved[2])
    shift_px = (moved[0].astype(float) - mouth[0])[:, 8:-8] / 4
    assert 0.3 < shift_px.std() < 2.0
    assert np.abs(np.diff(shift_px, axis=0)).max() < 1.0
    assert np.array_equal(warp_pictures(mouth, 0.0, np.random.default_rng(0)), mouth)


def test_stretched_lips_keep_their_movement_along_each_axis() -> None:
    lips = np.random.default_rng(0).normal(size=(30, 40, 2)).astype(np.float32)
    changed = stretch_lips(lips, 0.2, np.random.default_rng(1))
    ratio = changed / lips
    assert np.allclose(changed, lips * ratio[3, 5], atol=1e-4)
    assert ratio[0, 0, 0] != pytest.approx(ratio[0, 0, 1], abs=1e-3)
    assert changed.dtype == np.float32


def test_settings_of_zero_change_nothing_and_draw_no_chance() -> None:
    def unexpected(_rng: np.random.Generator) -> np.ndarray:
        raise AssertionError("a stranger was drawn")

    lips, mouth = np.ones((30, 40, 2), np.float32), made_up_mouth(1)
    rng = np.random.default_rng(4)
    same_lips, same_mouth = change_person(lips, mouth, unexpected, UNCHANGED, rng)
    assert same_lips is lips
    assert same_mouth is mouth
    assert rng.random() == np.random.default_rng(4).random()


@pytest.mark.parametrize(
    ("setting", "part"), [("appearance_share", "mouth"), ("warp_px", "mouth"), ("lip_stretch", "lips")]
)
def test_each_setting_changes_its_part_of_the_degraded_batches_alone(setting: str, part: str) -> None:
    def batch(**changes: object) -> Batch:
        config = UNCHANGED.model_copy(update=changes)
        return CrossSampler(Pool.of(prepared_clips()), config, made_up_features, seed=3).batch(2)

    assert not torch.equal(batch(**{setting: 1.0})[part], batch()[part])
    still = {"augment": False, setting: 1.0}
    assert all(torch.equal(batch(**still)[name], batch(augment=False)[name]) for name in ("lips", "mouth"))
    again = batch(**{setting: 1.0})
    assert all(torch.equal(again[name], value) for name, value in batch(**{setting: 1.0}).items())
