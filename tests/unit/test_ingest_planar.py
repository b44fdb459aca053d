import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.frontend.decoded import upright_rgb
from realtime.ingest.planar import frame_from_i420


def i420(width: int, height: int, seed: int = 0) -> np.ndarray:
    chroma = ((width + 1) // 2) * ((height + 1) // 2)
    return np.random.default_rng(seed).integers(0, 256, width * height + 2 * chroma, dtype=np.uint8)


def luma(width: int, height: int, degrees: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the luma plane of a picture with a gradient, before and after."""
    data = i420(width, height)
    frame = frame_from_i420(data, width, height, clockwise_degrees=degrees)
    after = frame.to_ndarray(format="yuv420p")[: frame.height]
    return data[: width * height].reshape(height, width), after


@pytest.mark.parametrize(("degrees", "turns"), [(0, 0), (90, -1), (180, 2), (270, 1), (360, 0), (91, -1)])
def test_the_picture_is_turned_clockwise(degrees: int, turns: int) -> None:
    before, after = luma(8, 6, degrees)
    np.testing.assert_array_equal(after, np.rot90(before, turns))


@given(width=st.integers(2, 21), height=st.integers(2, 21), degrees=st.sampled_from([0, 90, 180, 270]))
def test_odd_sizes_lose_their_last_row_or_column(width: int, height: int, degrees: int) -> None:
    before, after = luma(width, height, degrees)
    even = before[: height // 2 * 2, : width // 2 * 2]
    np.testing.assert_array_equal(after, np.rot90(even, -degrees // 90))


def test_the_colours_go_with_the_picture() -> None:
    width, height = 6, 4
    data = np.concatenate(
        [
            np.full(width * height, 81, np.uint8),
            np.full(width * height // 4, 90, np.uint8),
            np.full(width * height // 4, 240, np.uint8),
        ]
    )
    red = upright_rgb(frame_from_i420(data, width, height, clockwise_degrees=90))
    assert red.shape == (6, 4, 3)
    assert red[..., 0].min() > 200
    assert red[..., 1:].max() < 60


@pytest.mark.parametrize(
    ("width", "height", "size"), [(4, 4, 23), (4, 4, 25), (1, 4, 8), (4, 1, 8), (0, 0, 0)]
)
def test_what_is_no_picture_is_refused(width: int, height: int, size: int) -> None:
    with pytest.raises(ValueError, match="no I420 picture"):
        frame_from_i420(np.zeros(size, np.uint8), width, height)
