"""The mesh bends pictures as its vertices say, and faces are pasted softly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("scipy", reason="needs the training extra")

from training.tamper.blending import Colours, Region, paste, recoloured, soft_polygon
from training.tamper.face_mesh import STEADY, onto_head, triangulate, warp_mesh
from training.tamper.identity_changes import drift_weights, flicker_weights
from training.tamper.landmarks import LANDMARKS, LandmarkTrack
from training.tamper.mouth_swap import other_moment, retimed

SIZE = (60, 50)


def grid_points(depth: float = 0.0) -> np.ndarray:
    x, y = np.meshgrid(np.linspace(2, 57, 8), np.linspace(2, 47, 7))
    rng = np.random.default_rng(0)
    inner = (x > 2) & (x < 57) & (y > 2) & (y < 47)
    x, y = x + inner * rng.uniform(-2, 2, x.shape), y + inner * rng.uniform(-2, 2, x.shape)
    return np.stack([x, y, np.full_like(x, depth)], axis=-1).reshape(-1, 3).astype(np.float32)


def face(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(100, 30, (LANDMARKS, 3)).astype(np.float32)


def track(ticks: int, absent: tuple[int, ...] = ()) -> LandmarkTrack:
    present = np.ones(ticks, np.bool_)
    present[list(absent)] = False
    return LandmarkTrack(points=np.zeros((ticks, LANDMARKS, 3), np.float32), present=present)


@given(
    linear=st.tuples(*[st.floats(-0.3, 0.3)] * 4),
    shift=st.tuples(st.floats(-20, 20), st.floats(-20, 20)),
)
def test_an_affine_motion_of_the_vertices_moves_every_pixel_alike(
    linear: tuple[float, ...], shift: tuple[float, float]
) -> None:
    points = grid_points()
    matrix = np.eye(2) + np.array(linear).reshape(2, 2)
    source = points[:, :2] @ matrix.T + np.array(shift)
    warp = warp_mesh(points, source.astype(np.float32), triangulate(points), SIZE)
    assert warp.covered[4:45, 4:55].all()
    y, x = np.nonzero(warp.covered)
    expected = np.stack([x, y], axis=1) @ matrix.T + np.array(shift)
    np.testing.assert_allclose(warp.x[y, x], expected[:, 0], atol=2e-2)
    np.testing.assert_allclose(warp.y[y, x], expected[:, 1], atol=2e-2)


def test_vertices_come_from_where_they_are_in_the_source() -> None:
    points = np.rint(grid_points())
    source = points + np.random.default_rng(1).uniform(-3, 3, points.shape).astype(np.float32)
    warp = warp_mesh(points, source, triangulate(points), SIZE)
    x, y = points[:, 0].astype(int), points[:, 1].astype(int)
    np.testing.assert_allclose(warp.x[y, x], source[:, 0], atol=1e-2)
    np.testing.assert_allclose(warp.y[y, x], source[:, 1], atol=1e-2)


@pytest.mark.parametrize("front_first", [True, False])
def test_where_triangles_overlap_the_nearer_one_wins(front_first: bool) -> None:
    square = np.array([[5, 5], [40, 5], [5, 40]], np.float32)
    near = np.column_stack([square, np.full(3, -1.0)])
    far = np.column_stack([square, np.full(3, 1.0)])
    vertices = np.concatenate([near, far] if front_first else [far, near]).astype(np.float32)
    source = np.concatenate([near, far + 100] if front_first else [far + 100, near]).astype(np.float32)
    warp = warp_mesh(vertices, source, np.array([[0, 1, 2], [3, 4, 5]], np.int32), SIZE)
    assert warp.x[10, 10] == pytest.approx(10, abs=1e-3)


def test_flat_triangles_are_left_out() -> None:
    vertices = np.array([[5, 5, 0], [10, 10, 0], [20, 20, 0]], np.float32)
    assert not warp_mesh(vertices, vertices, np.array([[0, 1, 2]], np.int32), SIZE).covered.any()


@given(angles=st.tuples(*[st.floats(-0.6, 0.6)] * 3), scale=st.floats(0.5, 2), seed=st.integers(0, 20))
def test_a_face_takes_the_pose_and_keeps_its_expression(
    angles: tuple[float, float, float], scale: float, seed: int
) -> None:
    a, b, c = angles
    turn_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    turn_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    turn_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])

    def posed(points: np.ndarray) -> np.ndarray:
        return (scale * points @ (turn_x @ turn_y @ turn_z).T + [30, -20, 5]).astype(np.float32)

    rest = face(seed)
    speaking = rest.copy()
    lips = [index for index in range(LANDMARKS) if index not in STEADY]
    speaking[lips] += np.random.default_rng(seed + 1).normal(0, 5, (len(lips), 3))
    np.testing.assert_allclose(onto_head(speaking, posed(rest)), posed(speaking), atol=0.05)


def test_pasting_nothing_changes_nothing_and_all_shows_the_patch() -> None:
    rng = np.random.default_rng(0)
    picture, patch = rng.integers(0, 256, (2, 40, 30, 3), np.uint8)
    none, everything = np.zeros((40, 30), np.float32), np.ones((40, 30), np.float32)
    np.testing.assert_array_equal(paste(picture, patch, none, evenness=0.5), picture)
    np.testing.assert_array_equal(paste(picture, patch, everything, evenness=0.0), patch)


def test_pasting_takes_the_light_of_the_picture() -> None:
    picture = np.full((64, 64, 3), 150, np.uint8)
    patch = np.full((64, 64, 3), 90, np.uint8)
    weight = np.ones((64, 64), np.float32)
    assert paste(picture, patch, weight, evenness=1.0).mean() == pytest.approx(150, abs=2)
    assert paste(picture, patch, weight, evenness=0.5).mean() == pytest.approx(120, abs=2)


def test_colours_become_the_wanted_ones() -> None:
    rng = np.random.default_rng(0)
    lab = rng.normal([120, 130, 140], [20, 5, 8], (50, 50, 3)).clip(0, 255).astype(np.uint8)
    everywhere = np.ones((50, 50), np.float32)
    wanted = Colours(np.array([100.0, 120.0, 150.0]), np.array([15.0, 6.0, 9.0]))
    made = Colours.of(recoloured(lab, Colours.of(lab, everywhere), wanted), everywhere)
    np.testing.assert_allclose(made.mean, wanted.mean, atol=1.5)
    np.testing.assert_allclose(made.deviation, wanted.deviation, atol=1.5)


def test_a_soft_polygon_is_full_inside_and_empty_outside() -> None:
    square = np.array([[20, 20], [60, 20], [60, 60], [20, 60]], np.float32)
    mask = soft_polygon(square, (80, 80), feather_px=8)
    assert mask[30:50, 30:50].min() == 1
    assert mask[:14].max() == 0
    assert 0.2 < mask[40, 20] < 0.8


def test_a_region_outside_the_picture_is_none() -> None:
    outside = np.array([[-50, -50], [-30, -20]], np.float32)
    assert Region.around(outside, (100, 100)) is None
    region = Region.around(np.array([[-5, 10], [50, 130]], np.float32), (100, 100))
    assert region is not None
    assert (region.left, region.top, region.right, region.bottom) == (0, 8, 52, 100)


@given(ticks=st.integers(26, 500), first=st.integers(0, 25), seed=st.integers(0, 100))
def test_identity_changes_begin_where_they_should(ticks: int, first: int, seed: int) -> None:
    drift = drift_weights(ticks, first, np.random.default_rng(seed))
    flicker = flicker_weights(ticks, first, np.random.default_rng(seed))
    assert (np.diff(drift) >= 0).all()
    assert drift[: first + 1].max() == 0
    assert drift[-1] > 0.8 or ticks - first < 5
    assert set(flicker[:first].tolist()) <= {0.0}
    assert flicker[first] == 1
    changes = np.flatnonzero(np.diff(flicker[first:]))
    assert (np.diff(changes) >= 5).all()
    assert (np.diff(changes) <= 25).all()


@given(ticks=st.integers(50, 500), first=st.integers(0, 20), seed=st.integers(0, 100))
def test_retimed_lips_run_ahead_or_behind(ticks: int, first: int, seed: int) -> None:
    absent = (first + 3, ticks - 1)
    moments = retimed(track(ticks, absent), first, np.random.default_rng(seed))
    assert set(moments).isdisjoint(absent)
    assert set(moments.values()).isdisjoint(absent)
    assert min(moments) >= first
    assert all(first <= moment < ticks for moment in moments.values())
    away = np.array([abs(moment - tick) for tick, moment in moments.items()])
    assert away.max() <= 0.6 * 25 + 1
    assert np.median(away) >= 4


@given(ticks=st.integers(50, 500), first=st.integers(0, 20), seed=st.integers(0, 100))
def test_another_moment_is_far_away(ticks: int, first: int, seed: int) -> None:
    moments = other_moment(track(ticks), first, np.random.default_rng(seed))
    assert set(moments) == set(range(first, ticks))
    assert min(abs(moment - tick) for tick, moment in moments.items()) >= 0.35 * ticks - 1
