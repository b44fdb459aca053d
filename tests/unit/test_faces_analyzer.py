import numpy as np
import pytest

from engines.frontend.picture import RgbPicture
from realtime.config import FaceConfig
from realtime.faces.analyzer import FaceAnalyzer
from realtime.types import FaceReason, GapReason, VideoFrame
from tests.support.faces import (
    FACE_BOX,
    HEIGHT,
    WIDTH,
    BrightnessMesh,
    ScriptedDetector,
    detection,
    frames,
    number_of,
    picture,
)

OTHER_BOX = (100.0, 10.0, 50.0, 56.0)


def always(number):
    return [detection()]


def analyzer_for(script=always, mesh=None, **config):
    detector = ScriptedDetector(script)
    return FaceAnalyzer(FaceConfig(**config), detector, mesh or BrightnessMesh()), detector


def analyse(analyzer, pictures):
    out = [face for frame in pictures for face in analyzer.push(frame)]
    return out + analyzer.flush()


def reasons(faces):
    return [face.reason for face in faces]


def brightness(face):
    return float(face.lips[:, 1].mean())


def gap(tick):
    return VideoFrame(tick=tick, image=None, gap=GapReason.LOSS)


def test_ticks_come_out_at_detection_ticks_and_the_rest_at_the_flush():
    analyzer, detector = analyzer_for()
    released = [[face.tick for face in analyzer.push(frame)] for frame in frames(range(3, 18))]
    assert [ticks for ticks in released if ticks] == [[3, 4, 5], [6, 7, 8, 9, 10], [11, 12, 13, 14, 15]]
    assert [face.tick for face in analyzer.flush()] == [16, 17]
    assert analyzer.flush() == []
    assert detector.shown == [55, 60, 65, 67]


def test_every_tick_carries_the_lips_of_its_own_picture():
    analyzer, _ = analyzer_for()
    faces = analyse(analyzer, frames(range(31)))
    assert reasons(faces) == [None] * 31
    assert [brightness(face) for face in faces] == pytest.approx([50 + tick for tick in range(31)], abs=1.5)
    assert {face.track_id for face in faces} == {0}
    assert all(face.lips.shape == (40, 2) and face.lips.dtype == np.float32 for face in faces)


def test_size_and_box_are_those_of_the_picture():
    analyzer, _ = analyzer_for()
    face = analyse(analyzer, frames([0]))[0]
    x, y, width, height = FACE_BOX
    assert face.face_size_px == pytest.approx((width + height) / 2)
    assert face.box == pytest.approx((x / WIDTH, y / HEIGHT, width / WIDTH, height / HEIGHT))


def test_the_box_moves_evenly_between_detections():
    analyzer, _ = analyzer_for(lambda number: [detection((10 + 2 * (number - 50), 20, 64, 80))])
    faces = analyse(analyzer, frames(range(26)))
    left = np.array([face.box[0] * WIDTH for face in faces])
    inner = [tick for tick in range(5, 26) if tick % 5 not in (3, 4, 0)]
    assert left[inner] == pytest.approx([10 + 2 * tick for tick in inner], abs=1e-4)
    assert (np.diff(left) >= 0).all()


def test_arrival_times_are_carried_over():
    analyzer, _ = analyzer_for()
    pictures = [
        VideoFrame(tick=tick, image=RgbPicture(picture(60)), arrival_ns=1000 + tick) for tick in range(3)
    ]
    assert [face.arrival_ns for face in analyse(analyzer, pictures)] == [1000, 1001, 1002]


def test_identity_crops_come_on_identity_ticks_from_that_picture():
    analyzer, _ = analyzer_for(identity_interval_ticks=10)
    faces = analyse(analyzer, frames(range(1, 32)))
    crops = {face.tick: face.identity_crop for face in faces if face.identity_crop is not None}
    assert sorted(crops) == [10, 20, 30]
    for tick, crop in crops.items():
        assert (crop.shape, crop.dtype) == ((112, 112, 3), np.uint8)
        assert number_of(crop) == pytest.approx(50 + tick, abs=1)
        with pytest.raises(ValueError, match="read-only"):
            crop[0] = 0


def test_the_identity_interval_changes_from_the_next_detection_on():
    analyzer, _ = analyzer_for(identity_interval_ticks=15)
    faces = [face for frame in frames(range(31)) for face in analyzer.push(frame)]
    analyzer.set_identity_interval(5)
    faces += [face for frame in frames(range(31, 61)) for face in analyzer.push(frame)]
    analyzer.set_identity_interval(15)
    faces += analyse(analyzer, frames(range(61, 106)))
    with_crop = [face.tick for face in faces if face.identity_crop is not None]
    assert with_crop == [0, 15, 30, 35, 40, 45, 50, 55, 60, 75, 90, 105]


@pytest.mark.parametrize("ticks", [0, -5, 7])
def test_an_identity_interval_between_detections_is_refused(ticks):
    analyzer, _ = analyzer_for()
    with pytest.raises(ValueError, match="interval"):
        analyzer.set_identity_interval(ticks)


def test_every_tick_with_a_face_carries_its_sharpness():
    crisp = analyse(analyzer_for()[0], frames(range(11)))
    soft = analyse(analyzer_for()[0], frames(range(11), contrast=8))
    none = analyse(analyzer_for(lambda number: [])[0], frames(range(11)))
    assert {face.sharpness for face in none} == {0.0}
    assert all(one.sharpness > other.sharpness > 0 for one, other in zip(crisp, soft, strict=True))


def test_other_faces_count_from_half_the_size_of_the_followed_one():
    followed, half = detection((40.0, 20.0, 60.0, 60.0)), (100.0, 10.0, 30.0, 30.0)
    smaller = (100.0, 10.0, 29.0, 29.0)
    for boxes, expected in (([], 0), ([half], 1), ([smaller], 0), ([half, (0.0, 80.0, 35.0, 35.0)], 2)):
        analyzer, _ = analyzer_for(lambda number, boxes=boxes: [followed, *map(detection, boxes)])
        faces = analyse(analyzer, frames(range(16)))
        assert {face.track_id for face in faces} == {0}
        assert {face.other_faces for face in faces} == {expected}


def test_another_face_is_gone_with_the_next_detection():
    def script(number):
        return [detection(), *([detection(OTHER_BOX)] * (number == 60))]

    faces = analyse(analyzer_for(script)[0], frames(range(16)))
    assert {face.tick for face in faces if face.other_faces} == {6, 7, 8, 9, 10}


@pytest.mark.parametrize(
    ("script", "pictures", "reason"),
    [
        (lambda number: [], {}, FaceReason.NO_FACE),
        (lambda number: [detection((5, 5, 30, 34))], {}, FaceReason.TOO_SMALL),
        (lambda number: [detection(turn=0.6)], {}, FaceReason.TURNED_AWAY),
        (lambda number: [detection(turn=-0.6)], {}, FaceReason.TURNED_AWAY),
        (always, {"contrast": 0}, FaceReason.BLURRED),
    ],
)
def test_an_unusable_face_says_why_and_costs_no_mesh(script, pictures, reason):
    mesh = BrightnessMesh()
    analyzer, _ = analyzer_for(script, mesh)
    faces = analyse(analyzer, frames(range(21), **pictures))
    assert set(reasons(faces)) == {reason}
    assert all(face.lips is None and face.identity_crop is None for face in faces)
    assert mesh.batches == []
    assert all((face.box is None) == (reason is FaceReason.NO_FACE) for face in faces)


def test_points_that_coincide_are_not_cut():
    collapsed = detection()
    collapsed = type(collapsed)(box=collapsed.box, points=np.full((5, 2), 60, np.float32), confidence=0.9)
    analyzer, _ = analyzer_for(lambda number: [collapsed])
    assert set(reasons(analyse(analyzer, frames(range(6))))) == {FaceReason.TURNED_AWAY}


def test_unsure_landmarks_give_neither_lips_nor_identity():
    mesh = BrightnessMesh(lambda value: 0.2 if 57.5 < value < 62.5 else 0.9)
    analyzer, _ = analyzer_for(mesh=mesh, identity_interval_ticks=10)
    faces = analyse(analyzer, frames(range(21)))
    unsure = [face for face in faces if face.reason is FaceReason.LANDMARKS_UNSURE]
    assert [face.tick for face in unsure] == [8, 9, 10, 11, 12]
    assert all(face.lips is None and face.identity_crop is None for face in unsure)
    assert [face.tick for face in faces if face.identity_crop is not None] == [0, 20]


def test_landmarks_that_coincide_are_unsure():
    class CollapsedMesh(BrightnessMesh):
        def locate(self, regions):
            result = super().locate(regions)
            result.landmarks[...] = 96
            return result

    analyzer, _ = analyzer_for(mesh=CollapsedMesh())
    assert set(reasons(analyse(analyzer, frames(range(6))))) == {FaceReason.LANDMARKS_UNSURE}


def test_regions_run_in_one_batch_a_detection():
    mesh = BrightnessMesh()
    analyzer, _ = analyzer_for(mesh=mesh)
    analyse(analyzer, frames(range(1, 16)))
    assert mesh.batches == [5, 5, 5]


def test_a_face_that_goes_is_there_until_the_detection_and_gone_then():
    analyzer, _ = analyzer_for(lambda number: always(number) if number < 70 else [])
    faces = analyse(analyzer, frames(range(31)))
    assert [face.tick for face in faces if face.reason is None] == list(range(20))
    assert set(reasons(faces[20:])) == {FaceReason.NO_FACE}


def test_a_face_that_comes_is_there_from_its_detection_on():
    analyzer, _ = analyzer_for(lambda number: always(number) if number >= 70 else [])
    faces = analyse(analyzer, frames(range(31)))
    assert [face.tick for face in faces if face.reason is None] == list(range(20, 31))


def test_one_missed_detection_keeps_the_track():
    analyzer, _ = analyzer_for(lambda number: [] if number == 60 else always(number))
    faces = analyse(analyzer, frames(range(31)))
    assert {face.track_id for face in faces if face.reason is None} == {0}
    assert [face.tick for face in faces if face.reason is not None] == [10, 11, 12, 13, 14]


def test_a_cut_to_another_face_changes_the_track():
    analyzer, _ = analyzer_for(
        lambda number: [detection(FACE_BOX if number < 70 else OTHER_BOX)], max_missed_detections=0
    )
    faces = analyse(analyzer, frames(range(31)))
    assert [face.track_id for face in faces] == [0] * 20 + [1] * 11


def test_a_second_larger_face_for_a_moment_changes_nothing():
    def script(number):
        return [detection(), detection((0, 0, 39, 39)), *([detection(OTHER_BOX)] * (number in (60, 65)))]

    analyzer, _ = analyzer_for(script)
    faces = analyse(analyzer, frames(range(31)))
    assert {face.track_id for face in faces} == {0}
    assert reasons(faces) == [None] * 31


def test_ticks_without_a_picture_say_so_and_do_not_end_the_track():
    analyzer, detector = analyzer_for()
    pictures = [gap(tick) if tick in (7, 9, 10, 11) else frames([tick])[0] for tick in range(21)]
    faces = analyse(analyzer, pictures)
    assert [face.tick for face in faces if face.reason is FaceReason.NO_PICTURE] == [7, 9, 10, 11]
    assert {face.track_id for face in faces if face.reason is None} == {0}
    assert detector.shown == [50, 55, 58, 65, 70]


@pytest.mark.parametrize("announced", [True, False])
def test_a_gap_longer_than_the_interval_starts_a_new_track(announced):
    analyzer, _ = analyzer_for()
    ticks = [*range(9), *range(23, 31)]
    pictures = [frames([tick])[0] if tick in ticks else gap(tick) for tick in range(31)]
    faces = analyse(analyzer, [frame for frame in pictures if announced or frame.image is not None])
    shown = [face for face in faces if face.tick in ticks]
    assert reasons(shown) == [None] * len(ticks)
    assert [face.track_id for face in shown] == [0] * 9 + [1] * 8
    assert len(faces) == (31 if announced else 17)


def test_a_resized_picture_keeps_the_track():
    def script(number):
        return [detection(np.array(FACE_BOX) * (2 if number >= 62 else 1))]

    analyzer, _ = analyzer_for(script)
    pictures = frames(range(12)) + frames(range(12, 31), height=2 * HEIGHT, width=2 * WIDTH)
    faces = analyse(analyzer, pictures)
    assert {face.track_id for face in faces} == {0}
    boxes = np.array([face.box for face in faces])
    assert np.allclose(boxes, boxes[0], atol=1e-6)
    assert faces[11].face_size_px == pytest.approx(72)
    assert faces[12].face_size_px == pytest.approx(144)
    assert [brightness(face) for face in faces] == pytest.approx([50 + tick for tick in range(31)], abs=1.5)


def test_a_rotated_picture_starts_a_new_track():
    analyzer, _ = analyzer_for()
    faces = analyse(analyzer, frames(range(11)) + frames(range(11, 31), height=WIDTH, width=HEIGHT))
    assert [face.track_id for face in faces[:11] + faces[15:]] == [0] * 11 + [1] * 16


def test_ticks_must_increase():
    analyzer, _ = analyzer_for()
    analyzer.push(frames([7])[0])
    with pytest.raises(ValueError, match="tick 7"):
        analyzer.push(frames([7])[0])


@pytest.mark.parametrize("stride", [2, 4, 7])
def test_overload_analyses_fewer_ticks_and_bridges_the_rest(stride):
    mesh = BrightnessMesh()
    analyzer, _ = analyzer_for(mesh=mesh)
    analyzer.set_stride(stride)
    faces = analyse(analyzer, frames(range(41)))
    assert reasons(faces) == [None] * 41
    assert [brightness(face) for face in faces] == pytest.approx([50 + tick for tick in range(41)], abs=1.5)
    assert sum(mesh.batches) == sum(tick % 5 == 0 or tick % stride == 0 for tick in range(41))
    assert all(face.box is not None and face.face_size_px > 0 for face in faces)


def test_overload_is_not_bridged_where_a_neighbour_is_unusable():
    analyzer, _ = analyzer_for(lambda number: always(number) if number < 70 else [])
    analyzer.set_stride(5)
    faces = analyse(analyzer, frames(range(31)))
    assert reasons(faces)[:16] == [None] * 16
    assert reasons(faces)[16:20] == [FaceReason.OVERLOAD] * 4
    assert faces[20].reason is FaceReason.NO_FACE


def test_overload_does_not_hide_gaps():
    analyzer, _ = analyzer_for()
    analyzer.set_stride(5)
    faces = analyse(analyzer, [gap(tick) if tick == 7 else frames([tick])[0] for tick in range(11)])
    overload = FaceReason.OVERLOAD
    assert reasons(faces)[5:] == [None, overload, FaceReason.NO_PICTURE, overload, overload, None]


def test_lifting_the_stride_analyses_every_tick_again():
    mesh = BrightnessMesh()
    analyzer, _ = analyzer_for(mesh=mesh)
    analyzer.set_stride(4)
    first = [face for frame in frames(range(21)) for face in analyzer.push(frame)]
    analyzer.set_stride(1)
    mesh.batches.clear()
    second = analyse(analyzer, frames(range(21, 31)))
    assert [face.tick for face in first + second] == list(range(31))
    assert mesh.batches == [5, 5]
    with pytest.raises(ValueError, match="stride"):
        analyzer.set_stride(0)
