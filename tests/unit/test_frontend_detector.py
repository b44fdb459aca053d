import numpy as np
import pytest

from engines.frontend.detector import STRIDES, decode, overlaps, prepare
from engines.frontend.picture import RgbPicture


def empty_outputs(prepared):
    height, width = prepared.tensor.shape[2:]
    return {
        f"{name}_{stride}": np.zeros((1, height // stride * (width // stride), columns), np.float32)
        for name, columns in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))
        for stride in STRIDES
    }


def put_face(outputs, prepared, stride, column, row, *, score=0.9, sides=(64, 96), offset=(0.5, 0.25)):
    """Write a face centred at (column + offset) * stride, its points at that centre plus (i, -i) px."""
    cell = row * (prepared.tensor.shape[3] // stride) + column
    outputs[f"cls_{stride}"][0, cell] = score
    outputs[f"obj_{stride}"][0, cell] = score
    outputs[f"bbox_{stride}"][0, cell] = [*offset, *np.log(np.array(sides) / stride)]
    steps = np.arange(5)[:, None] * [1, -1] / stride
    outputs[f"kps_{stride}"][0, cell] = (np.array(offset) + steps).ravel()


@pytest.mark.parametrize(
    ("size", "tensor"),
    [
        ((360, 640), (192, 320)),
        ((480, 640), (256, 320)),
        ((1280, 720), (320, 192)),
        ((256, 256), (256, 256)),
        ((100, 33), (128, 64)),
        ((1, 1), (32, 32)),
        ((4, 2000), (32, 320)),
    ],
)
def test_the_tensor_is_at_most_320_and_a_multiple_of_32(size, tensor):
    prepared = prepare(RgbPicture(np.zeros((*size, 3), np.uint8)))
    assert prepared.tensor.shape == (1, 3, *tensor)
    assert prepared.tensor.dtype == np.float32


def test_colours_are_swapped_kept_in_range_and_padded_with_black():
    image = np.zeros((40, 64, 3), np.uint8)
    image[...] = (10, 20, 255)
    image.flags.writeable = False
    tensor = prepare(RgbPicture(image)).tensor
    assert np.array_equal(tensor[0, :, 0, 0], [255, 20, 10])
    assert (tensor[0, :, 40:] == 0).all()
    assert (tensor[0, :, :40] > 0).all()


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("size", [(256, 320), (512, 640)])
def test_a_face_comes_back_in_picture_px(stride, size):
    prepared = prepare(RgbPicture(np.zeros((*size, 3), np.uint8)))
    outputs = empty_outputs(prepared)
    put_face(outputs, prepared, stride, 3, 2)
    faces = decode(outputs, prepared)
    zoom = size[1] / 320
    centre = np.array([3.5, 2.25]) * stride
    assert np.allclose(faces.boxes, [[*(centre - [32, 48]) * zoom, 64 * zoom, 96 * zoom]], atol=1e-3)
    assert np.allclose(faces.points[0], (centre + np.arange(5)[:, None] * [1, -1]) * zoom, atol=1e-3)
    assert faces.confidences == pytest.approx([0.9])


def test_the_score_is_the_geometric_mean_and_weak_faces_are_left_out():
    prepared = prepare(RgbPicture(np.zeros((256, 320, 3), np.uint8)))
    outputs = empty_outputs(prepared)
    put_face(outputs, prepared, 32, 1, 1)
    put_face(outputs, prepared, 32, 8, 6)
    outputs["cls_32"][0, 11], outputs["obj_32"][0, 11] = 0.5, 0.98
    outputs["cls_32"][0, 68], outputs["obj_32"][0, 68] = 0.25, 0.98
    faces = decode(outputs, prepared)
    assert faces.confidences == pytest.approx([0.7])
    assert len(decode(outputs, prepared, min_score=0.4).boxes) == 2


def test_one_face_found_twice_counts_once_and_the_most_confident_comes_first():
    prepared = prepare(RgbPicture(np.zeros((256, 320, 3), np.uint8)))
    outputs = empty_outputs(prepared)
    put_face(outputs, prepared, 16, 4, 4, score=0.8)
    put_face(outputs, prepared, 8, 9, 8, score=0.95)
    put_face(outputs, prepared, 32, 8, 4, score=0.99)
    faces = decode(outputs, prepared)
    assert faces.confidences == pytest.approx([0.99, 0.95])


def test_a_picture_without_faces_gives_empty_arrays():
    prepared = prepare(RgbPicture(np.zeros((64, 64, 3), np.uint8)))
    faces = decode(empty_outputs(prepared), prepared)
    assert (faces.boxes.shape, faces.points.shape, faces.confidences.shape) == ((0, 4), (0, 5, 2), (0,))


def test_overlaps():
    boxes = [[0, 0, 10, 10], [5, 0, 10, 10], [20, 20, 5, 5], [2, 2, 5, 5], [0, 0, 0, 0]]
    assert overlaps(boxes[0], boxes) == pytest.approx([1, 1 / 3, 0, 0.25, 0])
    assert overlaps(boxes[4], boxes[4:]) == pytest.approx([0])
    assert overlaps(boxes[0], np.zeros((0, 4))).shape == (0,)
