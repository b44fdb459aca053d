"""Speech features of clips, and segments at another speed."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the training extra")

from tests.support.prepared_clips import prepared_clip
from tests.support.speech import made_up_features
from training.augment_speed import play_pictures, play_voice
from training.pool import PooledClip, mel_of, voice_of
from training.speech import features_of_clip


@pytest.mark.parametrize("ticks", [27, 41, 60, 130])
def test_pieces_of_a_clip_join_to_the_features_of_the_whole(ticks: int) -> None:
    clip = prepared_clip(1, ticks=ticks)
    features = features_of_clip(PooledClip(clip), made_up_features)
    whole = made_up_features(mel_of(voice_of(clip, 1, ticks - 2))[None])[0]
    assert features.shape == whole.shape == (2 * (ticks - 2), 384)
    # Log-mel is levelled by the loudest frame of each piece: most frames do not see it.
    assert np.median(np.abs(features - whole)) < 1e-5


@pytest.mark.parametrize("speed", [0.85, 1.0, 1.18])
def test_pictures_and_voice_stay_together_at_another_speed(speed: float) -> None:
    ticks, event = 20, 12
    source = int(np.ceil((ticks - 1) * speed)) + 1
    lips = np.zeros((source, 40, 2), np.float32)
    mouth = np.zeros((source, 64, 64), np.uint8)
    lips[event], mouth[event] = 1.0, 200
    voice = np.zeros(640 * (source + 2), np.float32)
    voice[640 * (event + 1) + 318 : 640 * (event + 1) + 323] = 1.0
    shown, pictures = play_pictures(lips, mouth, ticks, speed)
    heard = play_voice(voice, ticks, speed)
    assert shown.shape == (ticks, 40, 2)
    assert pictures.shape == (ticks, 64, 64)
    assert pictures.dtype == np.uint8
    assert heard.shape == (640 * (ticks + 2),)
    weight = shown[:, 0, 0]
    seen_at = float((weight * np.arange(ticks)).sum() / weight.sum())
    heard_at = float(np.flatnonzero(heard > 0.5).mean()) / 640 - 1.5
    assert seen_at == pytest.approx(event / speed, abs=0.2)
    assert heard_at == pytest.approx(seen_at, abs=0.35)
    assert pictures[:, 0, 0].argmax() == weight.argmax()


def test_the_speed_of_one_changes_nothing() -> None:
    clip = prepared_clip(2, ticks=30)
    lips, mouth = play_pictures(clip.lips, clip.mouth, 30, 1.0)
    assert np.array_equal(lips, clip.lips)
    assert np.array_equal(mouth, clip.mouth)
    voice = voice_of(clip, 1, 28)
    assert np.array_equal(play_voice(voice, 28, 1.0), voice)
