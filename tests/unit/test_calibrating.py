"""Whether a recording is in sync, and what counts as distinct material."""

from __future__ import annotations

import numpy as np
import pytest

from realtime.calibrating import LagProfile, Person, distinct_material
from realtime.config import MonitorConfig
from realtime.judge import EncodedWindow, Judge
from realtime.similarity.lag import MIN_WINDOWS
from realtime.types import Modality
from tests.support.decision import HOP_NS, observed
from tests.support.evidence import embedding, lag_embeddings, window

CONFIG = MonitorConfig()
LAGS = 2 * CONFIG.windows.band_ticks + 1
END, MIDDLE = LAGS - 1, LAGS // 2


def encoded(index: int, peak: int, height: float, *, valid: bool = True) -> EncodedWindow:
    cosine = np.full(LAGS, 0.1)
    cosine[peak] = height
    present = np.ones(LAGS, np.bool_)
    present[-1] = valid
    voice = np.stack([cosine, np.sqrt(1 - cosine**2)], axis=1)
    return EncodedWindow(
        window=window(index, CONFIG.windows),
        identity=None,
        lips=embedding(index, [1.0, 0.0]),
        voice=lag_embeddings(index, voice, present),
    )


def profile(count: int, peak: int, height: float, *, valid: bool = True) -> LagProfile:
    made = LagProfile()
    for index in range(count):
        made.add(encoded(index, peak, height, valid=valid))
    return made


@pytest.mark.parametrize("peak", [0, END])
def test_sound_beyond_the_band_is_out_of_sync(peak: int) -> None:
    assert profile(MIN_WINDOWS, peak, 0.35).is_out_of_sync


@pytest.mark.parametrize("peak", [1, MIDDLE - 1, MIDDLE, MIDDLE + 1, END - 1])
def test_sound_within_the_band_is_in_sync(peak: int) -> None:
    assert not profile(MIN_WINDOWS, peak, 0.9).is_out_of_sync


def test_lips_that_hardly_fit_are_not_out_of_sync() -> None:
    assert not profile(MIN_WINDOWS, END, 0.15).is_out_of_sync


def test_few_windows_tell_nothing() -> None:
    assert not LagProfile().is_out_of_sync
    assert not profile(MIN_WINDOWS - 1, END, 0.9).is_out_of_sync


def test_windows_without_sound_at_every_lag_do_not_count() -> None:
    assert not profile(3 * MIN_WINDOWS, 0, 0.9, valid=False).is_out_of_sync


def person(*clips: tuple[str | None, int]) -> Person:
    made = Person(judge=Judge(CONFIG))
    for material, windows in clips:
        made.materials.append(material)
        values = np.full(windows, 0.3)
        made.clips.append(observed(values, channel=Modality.CROSS) + observed(values, channel=Modality.INTRA))
    return made


def test_encodings_of_one_recording_count_once_and_by_the_longest() -> None:
    people = [person(("one", 150), ("one", 120), ("two", 75)), person(("one", 150), ("silent", 0))]
    assert distinct_material(people, HOP_NS) == (2, 3, 2.5)
    assert distinct_material([], HOP_NS) == (0, 0, 0.0)


def test_recordings_of_the_face_alone_do_not_count() -> None:
    people = [person(("one", 150), (None, 600)), person((None, 600))]
    assert distinct_material(people, HOP_NS) == (1, 1, 1.0)
