"""Tracks over arbitrary detections."""

from hypothesis import given
from hypothesis import strategies as st

from engines.frontend.detector import overlaps
from realtime.config import FaceConfig
from realtime.faces.tracker import FaceTracker
from tests.support.faces import detection

CONFIG = FaceConfig()
COORDINATES = st.integers(0, 120)
SIDES = st.integers(20, 120)
DETECTIONS = st.builds(
    lambda x, y, w, h, confidence: detection((x, y, w, h), confidence=confidence),
    COORDINATES,
    COORDINATES,
    SIDES,
    SIDES,
    st.sampled_from([0.55, 0.95]),
)


@given(st.lists(st.lists(DETECTIONS, max_size=4), max_size=25))
def test_tracks_join_only_what_overlaps_and_ids_are_never_used_again(pictures):
    tracker = FaceTracker(CONFIG)
    last, ended, missed = {}, set(), {}
    for detections in pictures:
        tracker.update(detections)
        seen = dict(tracker.seen)
        for track_id, found in seen.items():
            assert any(found is candidate for candidate in detections)
            assert track_id not in ended
            if track_id in last:
                assert overlaps(last[track_id].box, [found.box])[0] >= CONFIG.min_track_overlap
            else:
                assert track_id > max(last, default=-1)
                assert found.confidence >= CONFIG.min_detection_confidence
        assert len({id(found) for found in seen.values()}) == len(seen)
        sure = [found for found in detections if found.confidence >= CONFIG.min_detection_confidence]
        assert all(any(found is held for held in seen.values()) for found in sure)
        last |= seen
        missed = {
            track_id: 0 if track_id in seen else missed.get(track_id, 0) + 1
            for track_id in last
            if track_id not in ended
        }
        ended |= {track_id for track_id, count in missed.items() if count > CONFIG.max_missed_detections}
        alive = set(last) - ended
        assert (tracker.followed in alive) if alive & set(seen) else tracker.followed in alive | {None}


@given(
    steps=st.lists(st.tuples(st.integers(-10, 10), st.integers(-10, 10)), max_size=40),
    others=st.lists(st.booleans(), min_size=40, max_size=40),
)
def test_a_face_that_moves_little_keeps_its_track_beside_a_smaller_one(steps, others):
    tracker = FaceTracker(CONFIG)
    x, y = 500, 500
    tracker.update([detection((x, y, 100, 120))])
    for (dx, dy), other in zip(steps, others, strict=False):
        x, y = x + dx, y + dy
        tracker.update([*([detection((0, 0, 80, 80))] * other), detection((x, y, 100, 120))])
        assert tracker.followed == 0
        assert tracker.seen[0].box[0] == x
