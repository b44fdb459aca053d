import pytest

from realtime.config import FaceConfig
from realtime.faces.tracker import TAKEOVER_DETECTIONS, FaceTracker
from tests.support.faces import detection

SMALL, LARGE, LARGER = (10, 10, 40, 50), (100, 10, 60, 70), (250, 10, 90, 99)


@pytest.fixture
def tracker():
    return FaceTracker(FaceConfig(max_missed_detections=2))


def follow(tracker, *boxes, **options):
    tracker.update([detection(box, **options) for box in boxes])
    return tracker.followed


def test_a_moving_face_keeps_its_track(tracker):
    assert {follow(tracker, (10 + 15 * step, 10, 60, 70)) for step in range(20)} == {0}


def test_a_jump_starts_a_new_track_and_the_old_one_ends_after_its_misses(tracker):
    assert follow(tracker, SMALL) == 0
    assert [follow(tracker, LARGE) for _ in range(3)] == [0, 0, 1]
    assert set(tracker.seen) == {1}


def test_another_face_in_the_same_box_is_told_by_its_points(tracker):
    assert follow(tracker, LARGE) == 0
    moved = detection(LARGE)
    tracker.update([type(moved)(box=moved.box, points=moved.points + 40, confidence=0.9)])
    assert set(tracker.seen) == {1}


def test_an_unsure_detection_continues_a_track_but_starts_none(tracker):
    assert follow(tracker, LARGE, confidence=0.6) is None
    assert follow(tracker, LARGE, confidence=0.9) == 0
    assert follow(tracker, LARGE, confidence=0.6) == 0
    assert set(tracker.seen) == {0}


def test_a_missed_track_comes_back_under_its_id(tracker):
    follow(tracker, LARGE)
    assert (follow(tracker), follow(tracker)) == (0, 0)
    assert tracker.seen == {}
    assert follow(tracker, LARGE) == 0
    assert set(tracker.seen) == {0}
    for _ in range(3):
        follow(tracker)
    assert tracker.followed is None
    assert follow(tracker, LARGE) == 1


def test_the_largest_face_is_followed(tracker):
    assert follow(tracker, SMALL, LARGE) == 1


def test_a_larger_face_takes_over_only_after_a_while(tracker):
    assert follow(tracker, LARGE) == 0
    followed = [follow(tracker, LARGE, LARGER) for _ in range(TAKEOVER_DETECTIONS + 3)]
    assert followed == [0] * (TAKEOVER_DETECTIONS - 1) + [1] * 4


def test_a_face_that_flickers_does_not_take_over(tracker):
    follow(tracker, LARGE)
    for _ in range(10):
        assert [follow(tracker, LARGE, LARGER) for _ in range(TAKEOVER_DETECTIONS - 1)][-1] == 0
        assert follow(tracker, LARGE) == 0


def test_faces_of_much_the_same_size_never_swap(tracker):
    first = follow(tracker, LARGE, SMALL)
    grown = (10, 10, 62, 74)
    tracker.reset()
    first = follow(tracker, LARGE)
    assert {follow(tracker, LARGE, grown) for _ in range(50)} == {first}


def test_ids_are_not_used_again_after_a_reset(tracker):
    assert follow(tracker, LARGE) == 0
    tracker.reset()
    assert tracker.followed is None
    assert tracker.seen == {}
    assert follow(tracker, LARGE) == 1
