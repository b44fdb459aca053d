import cv2
import numpy as np
import pytest

from engines.frontend.alignment import (
    FIVE_POINT_TEMPLATE,
    align_face,
    mesh_roi,
    mesh_to_picture,
    mesh_transform,
    similarity_transform,
)


def apply(transform, points):
    return points @ transform[:, :2].T + transform[:, 2]


def similarity(degrees, scale, shift):
    angle = np.deg2rad(degrees)
    rotation = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.hstack([rotation, np.array(shift, float)[:, None]])


@pytest.mark.parametrize(("degrees", "scale"), [(0, 1), (30, 0.5), (-120, 3), (180, 0.1)])
def test_a_moved_template_is_moved_back(degrees, scale):
    points = apply(similarity(degrees, scale, (300, -40)), FIVE_POINT_TEMPLATE)
    assert np.allclose(apply(similarity_transform(points), points), FIVE_POINT_TEMPLATE)


def test_distorted_points_are_fitted_with_least_error_and_without_shear():
    rng = np.random.default_rng(1)
    points = apply(similarity(20, 2, (5, 9)), FIVE_POINT_TEMPLATE) + rng.normal(0, 4, (5, 2))
    best = similarity_transform(points)
    assert np.allclose(best[:, :2] @ best[:, :2].T, np.eye(2) * np.linalg.det(best[:, :2]))

    def error(transform):
        return np.square(apply(transform, points) - FIVE_POINT_TEMPLATE).sum()

    for degrees, scale, shift in [(0.5, 1, (0, 0)), (-0.5, 1, (0, 0)), (0, 1.01, (0, 0)), (0, 1, (0.3, 0))]:
        nudge = similarity(degrees, scale, shift)
        nudged = np.hstack([nudge[:, :2] @ best[:, :2], (nudge[:, :2] @ best[:, 2] + nudge[:, 2])[:, None]])
        assert error(nudged) > error(best)


def test_a_mirrored_face_is_not_mirrored_back():
    transform = similarity_transform(FIVE_POINT_TEMPLATE * [-1, 1])
    assert np.linalg.det(transform[:, :2]) > 0


def test_a_batch_gives_what_single_faces_give():
    rng = np.random.default_rng(2)
    points = rng.uniform(0, 200, (3, 5, 2))
    single = [similarity_transform(face) for face in points]
    assert np.allclose(similarity_transform(points), single)
    assert np.allclose(mesh_transform(np.stack(single)), [mesh_transform(transform) for transform in single])


def test_points_that_coincide_have_no_transform():
    assert np.isnan(similarity_transform(np.full((5, 2), 7.0))).all()


@pytest.mark.parametrize("degrees", [0, 35])
def test_marked_points_come_to_lie_on_the_template(degrees):
    points = apply(similarity(degrees, 2, (150, 60)), FIVE_POINT_TEMPLATE)
    image = np.zeros((480, 640, 3), np.uint8)
    for x, y in points:
        cv2.circle(image, (round(x), round(y)), 6, (255, 255, 255), -1)
    aligned = align_face(image, points)
    assert aligned.shape == (112, 112, 3)
    assert aligned.dtype == np.uint8
    for x, y in FIVE_POINT_TEMPLATE:
        assert aligned[round(y), round(x)].min() > 200
    assert (aligned > 128).mean() < 0.05


def test_the_region_is_written_into_the_batch_and_leaves_its_neighbours_alone():
    image = np.random.default_rng(3).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    image.flags.writeable = False
    transform = similarity_transform(FIVE_POINT_TEMPLATE * 0.5 + 20)
    batch = np.full((3, 192, 192, 3), 7, np.uint8)
    assert np.shares_memory(mesh_roi(image, transform, batch[1]), batch)
    assert np.array_equal(batch[1], mesh_roi(image, transform))
    assert (batch[[0, 2]] == 7).all()


def test_region_points_are_mapped_back_into_the_picture():
    transform = similarity_transform(apply(similarity(-15, 1.7, (80, 20)), FIVE_POINT_TEMPLATE))
    picture_points = np.random.default_rng(4).uniform(0, 300, (6, 2))
    region_points = apply(mesh_transform(transform), picture_points)
    assert np.allclose(mesh_to_picture(region_points, transform), picture_points)
    with_depth = np.hstack([region_points, np.ones((6, 1))])
    assert np.allclose(mesh_to_picture(with_depth, transform), picture_points)


def test_the_template_lies_around_the_middle_of_the_region():
    region = apply(mesh_transform(similarity_transform(FIVE_POINT_TEMPLATE)), FIVE_POINT_TEMPLATE)
    assert np.allclose(region.mean(axis=0), [96, 100])
    assert region.min() > 40
    assert region.max() < 152
