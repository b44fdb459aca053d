"""A region that is cut out late, from a copy of a part, is the one cut out of the whole picture at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.frontend.alignment import MESH_SIZE_PX
from engines.frontend.picture import PlanarPicture, RgbPicture
from engines.frontend.region import MOST_COPIED_PX, Region

SIZES = st.tuples(st.integers(2, 700), st.integers(2, 500))


def planar(width, height, seed):
    rng = np.random.default_rng(seed)
    shapes = [(height, width), *[((height + 1) // 2, (width + 1) // 2)] * 2]
    planes = [rng.integers(16, 236, shape, np.uint8) for shape in shapes]
    return PlanarPicture(*planes, kr=0.299, kb=0.114, full_range=False), planes


def transform(zoom, angle, centre):
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]])
    return np.column_stack([linear, 96 - linear @ centre])


@settings(deadline=None, max_examples=150)
@given(
    size=SIZES,
    zoom=st.floats(0.15, 8.0),
    angle=st.floats(-3.2, 3.2),
    place=st.tuples(st.floats(-0.5, 1.5), st.floats(-0.5, 1.5)),
    in_planes=st.booleans(),
    seed=st.integers(0, 9),
)
def test_a_region_is_the_square_of_the_whole_picture(size, zoom, angle, place, in_planes, seed):
    picture, _ = planar(*size, seed)
    if not in_planes:
        picture = RgbPicture(picture.rgb())
    wanted = transform(zoom, angle, np.multiply(place, size))
    at_once = picture.warped(wanted, MESH_SIZE_PX, repeat_edge=True).astype(int)
    late = Region(picture, wanted).pixels()
    assert late.shape == (MESH_SIZE_PX, MESH_SIZE_PX, 3)
    # Coordinates are smaller numbers in a part, so they round otherwise.
    difference = np.abs(at_once - late)
    assert difference.max() <= 3
    assert (difference > 0).mean() < 0.01


@pytest.mark.parametrize("side", [200, MOST_COPIED_PX - 20, MOST_COPIED_PX + 20])
def test_a_region_does_not_hold_its_picture(side):
    picture, planes = planar(640, 640, 0)
    region = Region(picture, transform(MESH_SIZE_PX / side, 0.0, (320, 320)))
    before = region.pixels().copy()
    for plane in planes:
        plane[:] = 0
    assert np.array_equal(region.pixels(), before)
