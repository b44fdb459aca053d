"""Pictures that stand still are told from people who do."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from engines.frontend.picture import RgbPicture
from realtime.faces.freeze import MAX_HELD_TICKS, FreezeDetector

HEIGHT, WIDTH = 360, 640
RNG = np.random.default_rng(7)
ROOM = RNG.integers(30, 220, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def picture(image: npt.NDArray[np.uint8]) -> RgbPicture:
    return RgbPicture(image)


def with_mouth(level: int, *, height: int = 8, width: int = 20) -> npt.NDArray[np.uint8]:
    """The room with a mouth as in the smallest usable face, of 48 px."""
    image = ROOM.copy()
    image[200 : 200 + height, 300 : 300 + width] = level
    return image


def frozen_ticks(images: list[npt.NDArray[np.uint8] | None]) -> list[bool]:
    detector = FreezeDetector()
    found = []
    for image in images:
        detector.take(None if image is None else picture(image))
        found.append(detector.is_frozen)
    return found


def test_a_picture_decoded_again_and_again_is_frozen_after_the_longest_usual_hold() -> None:
    found = frozen_ticks([ROOM.copy() for _ in range(10)])
    assert found == [False] * MAX_HELD_TICKS + [True] * (10 - MAX_HELD_TICKS)


def test_what_a_codec_does_to_a_repeated_picture_does_not_hide_it() -> None:
    refined = [np.clip(ROOM + RNG.integers(-3, 4, ROOM.shape), 0, 255).astype(np.uint8) for _ in range(12)]
    assert frozen_ticks(refined)[-1]


def test_a_mouth_that_moves_in_a_still_picture_is_not_frozen() -> None:
    assert not any(frozen_ticks([with_mouth(60 + 40 * (tick % 2)) for tick in range(50)]))


def test_slow_motion_adds_up() -> None:
    """From picture to picture nothing changes by more than a codec would do."""
    ramp = [np.clip(ROOM.astype(int) // 2 + 2 * tick, 0, 255).astype(np.uint8) for tick in range(50)]
    assert not any(frozen_ticks(ramp))


def test_a_face_that_moves_all_but_its_mouth_is_not_frozen() -> None:
    images = []
    for tick in range(50):
        image = with_mouth(60)
        image[120:140, 280:340] = np.roll(ROOM[120:140, 280:340], tick, axis=1)
        images.append(image)
    assert not any(frozen_ticks(images))


@pytest.mark.parametrize("hold", [1, 2, 3, MAX_HELD_TICKS])
def test_a_source_of_few_pictures_is_not_frozen(hold: int) -> None:
    """The grid holds each picture, as the same object, for as long as its source shows it."""
    detector = FreezeDetector()
    for number in range(20):
        held = picture(with_mouth(20 + 60 * (number % 3)))
        for _ in range(hold):
            detector.take(held)
            assert not detector.is_frozen


def test_a_held_picture_is_frozen_like_a_decoded_one() -> None:
    detector, held = FreezeDetector(), picture(ROOM)
    for tick in range(10):
        detector.take(held)
        assert detector.held_ticks == tick + 1
    assert detector.is_frozen


def test_a_gap_or_another_size_begins_anew() -> None:
    assert frozen_ticks([*[ROOM] * 9, None, ROOM])[-3:] == [True, False, False]
    assert frozen_ticks([*[ROOM] * 9, ROOM[:180, :320]])[-2:] == [True, False]
