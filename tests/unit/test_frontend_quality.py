import cv2
import numpy as np
import pytest

from engines.frontend.alignment import FIVE_POINT_TEMPLATE
from engines.frontend.quality import face_size, face_turn, sharpness


def test_size_is_the_mean_side():
    assert face_size([[5, 5, 40, 60], [0, 0, 10, 10]]) == pytest.approx([50, 10])


def test_a_frontal_face_is_not_turned():
    assert abs(face_turn(FIVE_POINT_TEMPLATE)) < 0.01


@pytest.mark.parametrize("degrees", [0, 40, -90])
def test_turn_follows_the_eye_axis_and_ignores_roll_and_size(degrees):
    points = np.array([[0, 0], [10, 0], [9, 6], [2, 12], [8, 12]], float)
    angle = np.deg2rad(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert face_turn(3 * points @ rotation.T + 100) == pytest.approx(0.4)
    assert face_turn((3 * points * [-1, 1])[[1, 0, 2, 4, 3]]) == pytest.approx(-0.4)


def test_eyes_that_coincide_count_as_turned_away():
    assert np.isinf(face_turn(np.zeros((2, 5, 2)))).all()


def test_blur_lowers_sharpness_and_a_flat_face_has_none():
    noise = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    values = [sharpness(noise), *(sharpness(cv2.GaussianBlur(noise, (0, 0), sigma)) for sigma in (0.5, 1, 2))]
    assert values == sorted(values, reverse=True)
    assert values[0] > 10 * values[-1]
    assert sharpness(np.full((112, 112, 3), 90, np.uint8)) == 0
