import numpy as np
import pytest

from engines.frontend.lips import INNER_LIP, LIP_POINTS, OUTER_LIP, lip_height, lip_opening, normalise_lips


def face_landmarks():
    """Eyes 60 px apart around (100, 80); the mouth's contours are circles around (100, 140)."""
    landmarks = np.random.default_rng(0).uniform(0, 192, (468, 3))
    for corner, x in ((33, 60), (133, 80), (362, 120), (263, 140)):
        landmarks[corner, :2] = x, 80
    # From the right corner along the lower lip to the left one and back along the upper lip.
    angle = np.pi - np.arange(20) * np.pi / 10
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    landmarks[list(OUTER_LIP), :2] = [100, 140] + 30 * circle
    landmarks[list(INNER_LIP), :2] = [100, 140] + 15 * circle
    return landmarks


def test_forty_different_points():
    assert LIP_POINTS == 40
    assert len(set(OUTER_LIP + INNER_LIP)) == 40


def test_units_are_eye_distances_from_the_middle_between_the_eyes():
    lips = normalise_lips(face_landmarks())
    assert (lips.shape, lips.dtype) == ((40, 2), np.float32)
    assert lips[0] == pytest.approx([-0.5, 1.0], abs=1e-6)
    assert lips[5] == pytest.approx([0.0, 1.5], abs=1e-6)
    assert lips[10] == pytest.approx([0.5, 1.0], abs=1e-6)
    assert lips[20] == pytest.approx([-0.25, 1.0], abs=1e-6)


@pytest.mark.parametrize(("degrees", "scale", "shift"), [(25, 1, 0), (-170, 0.2, 50), (0, 7, -900)])
def test_place_roll_and_size_of_the_head_do_not_matter(degrees, scale, shift):
    landmarks = face_landmarks()
    angle = np.deg2rad(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = landmarks.copy()
    moved[:, :2] = scale * landmarks[:, :2] @ rotation.T + shift
    assert np.allclose(normalise_lips(moved), normalise_lips(landmarks), atol=1e-4)


def test_a_batch_gives_what_single_faces_give():
    batch = np.stack([face_landmarks(), face_landmarks() * 2 + 3])
    assert np.allclose(normalise_lips(batch), [normalise_lips(face) for face in batch])


def test_eyes_that_coincide_give_no_finite_lips():
    assert not np.isfinite(normalise_lips(np.zeros((468, 3)))).any()


def test_opening_is_the_mean_gap_of_the_inner_contour():
    open_mouth = face_landmarks()
    gaps = 2 * 15 * np.sin(np.arange(1, 10) * np.pi / 10) / 60
    assert lip_opening(normalise_lips(open_mouth)) == pytest.approx(gaps.mean(), rel=1e-4)
    closed = open_mouth.copy()
    closed[list(INNER_LIP), 1] = 140
    openings = lip_opening(normalise_lips(np.stack([closed, open_mouth])))
    assert openings.shape == (2,)
    assert openings[0] == pytest.approx(0, abs=1e-6)


def test_opening_does_not_depend_on_the_outer_contour():
    lips = normalise_lips(face_landmarks())
    puckered = lips.copy()
    puckered[:20] *= 3
    assert lip_opening(puckered) == lip_opening(lips)


def test_the_height_spans_the_outer_contour_alone() -> None:
    lips = np.zeros((3, LIP_POINTS, 2), np.float32)
    lips[:, 3, 1] = [0.1, 0.2, 0.3]
    lips[:, 12, 1] = -0.1
    lips[:, 25, 1] = 5.0
    assert lip_height(lips) == pytest.approx([0.2, 0.3, 0.4])
