"""A picture in planes gives what the same picture gives in RGB."""

import cv2
import numpy as np
import pytest

from engines.frontend.alignment import ALIGNED_SIZE_PX
from engines.frontend.picture import PlanarPicture, RgbPicture

BT601, BT709 = (0.299, 0.114), (0.2126, 0.0722)


def planes(width, height, seed=0):
    """Return smooth Y, Cb and Cr of muted colours, none of which leaves RGB."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width] / 40.0
    luma = 125 + 50 * np.sin(rows + rng.uniform(0, 6)) * np.cos(columns)
    half_rows, half_columns = np.mgrid[0 : (height + 1) // 2, 0 : (width + 1) // 2] / 20.0
    blue = 128 + 15 * np.cos(half_rows - half_columns)
    red = 128 + 15 * np.sin(half_columns + rng.uniform(0, 6))
    return [np.rint(plane).astype(np.uint8) for plane in (luma, blue, red)]


def expected_rgb(y, cb, cr, weights, full_range):
    """Convert one colour by the definition of Y, Cb and Cr."""
    kr, kb = weights
    y, cb, cr = (
        (y / 255, (cb - 128) / 255, (cr - 128) / 255)
        if full_range
        else ((y - 16) / 219, (cb - 128) / 224, (cr - 128) / 224)
    )
    red, blue = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    return 255 * np.array([red, (y - kr * red - kb * blue) / (1 - kr - kb), blue])


@pytest.mark.parametrize("full_range", [True, False])
@pytest.mark.parametrize("weights", [BT601, BT709])
def test_colours_are_converted_by_their_definition(weights, full_range):
    kr, kb = weights
    for colour in ((120, 110, 150), (80, 140, 120), (200, 128, 128)):
        flat = [np.full(size, value, np.uint8) for size, value in zip((8, 4, 4), colour, strict=True)]
        picture = PlanarPicture(
            *(np.tile(p[:, None], len(p)) for p in flat), kr=kr, kb=kb, full_range=full_range
        )
        assert np.allclose(picture.rgb(), expected_rgb(*colour, weights, full_range), atol=1)


@pytest.mark.parametrize("size", [(160, 120), (161, 121), (64, 96)])
@pytest.mark.parametrize("repeat_edge", [True, False])
def test_a_square_is_that_of_the_picture_in_rgb(size, repeat_edge):
    picture = PlanarPicture(*planes(*size), kr=0.299, kb=0.114, full_range=False)
    in_rgb = RgbPicture(picture.rgb())
    for angle, scale, shift in ((0.0, 1.0, -20.0), (0.4, 1.7, 10.0), (-0.3, 0.6, 30.0)):
        cos, sin = scale * np.cos(angle), scale * np.sin(angle)
        transform = np.array([[cos, -sin, shift], [sin, cos, shift]])
        ours = picture.warped(transform, ALIGNED_SIZE_PX, repeat_edge=repeat_edge).astype(int)
        theirs = in_rgb.warped(transform, ALIGNED_SIZE_PX, repeat_edge=repeat_edge).astype(int)
        assert ours.shape == (ALIGNED_SIZE_PX, ALIGNED_SIZE_PX, 3)
        lit = (theirs.max(axis=2) > 40).astype(np.uint8)
        # Colour of half the size fades out over twice the width at a black border.
        inside = np.full_like(lit, 1, bool) if repeat_edge else cv2.erode(lit, np.ones((9, 9))).astype(bool)
        difference = np.abs(ours - theirs).max(axis=2)[inside]
        assert difference.mean() < 1.5
        assert np.percentile(difference, 95) <= 4


@pytest.mark.parametrize(
    ("size", "small"), [((1280, 720), (320, 180)), ((640, 360), (320, 180)), ((64, 48), (64, 48))]
)
def test_a_small_picture_is_the_small_picture_in_rgb(size, small):
    picture = PlanarPicture(*planes(*size), kr=0.299, kb=0.114, full_range=False)
    ours, theirs = (one.scaled(*small).astype(int) for one in (picture, RgbPicture(picture.rgb())))
    assert ours.shape == (small[1], small[0], 3)
    assert np.abs(ours - theirs).max() <= 3


def test_the_lattice_is_brightness():
    y, cb, cr = planes(40, 30)
    picture = PlanarPicture(y, cb, cr, kr=0.299, kb=0.114, full_range=False)
    assert np.array_equal(picture.lattice(4), y[::4, ::4])
    rgb = np.random.default_rng(1).integers(0, 256, (30, 40, 3), np.uint8)
    assert np.array_equal(RgbPicture(rgb).lattice(3), rgb[::3, ::3, 1])
