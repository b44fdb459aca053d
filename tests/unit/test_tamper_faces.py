"""Altered faces: another identity, another mouth, one picture; found by the same models as in a call."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy", reason="needs the training extra")

from engines.frontend.alignment import align_face
from engines.frontend.lips import lip_opening, normalise_lips
from engines.frontend.picture import RgbPicture
from engines.loader import EngineSet
from realtime.errors import ConfigurationError, MediaError
from realtime.faces.detector import FaceDetector
from realtime.faces.mesh import FaceMesh
from realtime.types import UInt8
from training.tamper.face_swap import choose_portrait
from training.tamper.kind_list import KINDS
from training.tamper.landmarks import LandmarkFinder
from training.tamper.portrait import TalkingPortrait
from training.tamper.recording import Recording, read_recording
from training.tamper.tampering import Subject, Tampered, tamper

pytest_plugins = ["tests.support.models", "tests.support.synthetic_clips"]

TICKS = 75
CLIPS = Path(__file__).parents[3] / "shared" / "clips"
GRID_CLIPS = ("real_080f3e1511.mp4", "real_086b54a335.mp4", "real_09090d1f7a.mp4")
FACE_KINDS = [kind.name for kind in KINDS.values() if kind.alters == "face"]


@pytest.fixture(scope="module")
def finder(engine_set: EngineSet) -> LandmarkFinder:
    return LandmarkFinder(FaceDetector(engine_set.detector), FaceMesh(engine_set.landmarks))


@pytest.fixture(scope="module")
def subject(genuine_clip: Path, finder: LandmarkFinder) -> Subject:
    return Subject(read_recording(genuine_clip, max_width_px=400).part(0, TICKS), finder)


@pytest.fixture(scope="module")
def other(exchanged_clip: Path, finder: LandmarkFinder) -> Subject:
    return Subject(read_recording(exchanged_clip, max_width_px=400).part(150, 200), finder)


def identity(engines: EngineSet, image: UInt8) -> np.ndarray:
    found = FaceDetector(engines.detector).detect(RgbPicture(image))[0]
    crop = align_face(image, found.points).astype(np.float32).transpose(2, 0, 1)[None]
    (embedding,) = engines.identity.run({"faces": crop}).values()
    return embedding[0] / np.linalg.norm(embedding[0])


def opening(finder: LandmarkFinder, recording: Recording) -> np.ndarray:
    return lip_opening(normalise_lips(finder.track(recording).points))


def as_recording(done: Tampered, original: Recording) -> Recording:
    return Recording(name="tampered", frames=list(done.frames(original)), audio=done.audio)


@pytest.mark.parametrize("kind", FACE_KINDS)
def test_the_voice_and_what_came_before_stay(subject: Subject, other: Subject, kind: str) -> None:
    done = tamper(kind, subject, [other], from_s=1.0, seed=2)
    original = subject.recording
    np.testing.assert_array_equal(done.audio, original.audio)
    frames = list(done.frames(original))
    assert len(frames) == TICKS
    assert all(np.array_equal(frames[tick], original.frames[tick]) for tick in range(25))
    changed = [not np.array_equal(frames[tick], original.frames[tick]) for tick in range(25, TICKS)]
    assert np.mean(changed) > 0.3
    assert {frame.shape for frame in frames} == {original.frames[0].shape}
    assert (done.from_s, done.to_s) == (1.0, 3.0)


@pytest.mark.parametrize("kind", FACE_KINDS)
def test_the_same_seed_gives_the_same_pictures(subject: Subject, other: Subject, kind: str) -> None:
    first, second = (tamper(kind, subject, [other], seed=4) for _ in range(2))
    assert first.frame is not None
    assert second.frame is not None
    assert all(np.array_equal(first.frame(tick), second.frame(tick)) for tick in (0, 30, 74))


def test_a_swapped_face_is_nearer_to_the_other_person(
    subject: Subject, other: Subject, engine_set: EngineSet
) -> None:
    done = tamper("face_swapped", subject, [other], seed=1)
    assert done.frame is not None
    own, donor = (identity(engine_set, who.recording.frames[10]) for who in (subject, other))
    shown = identity(engine_set, done.frame(10))
    assert float(shown @ own) < 0.75
    assert float(shown @ donor) > float(own @ donor) + 0.15
    assert done.sources == (subject.recording.name, other.recording.name)


@pytest.mark.clips
def test_a_swapped_recorded_face_is_another_person(finder: LandmarkFinder, engine_set: EngineSet) -> None:
    paths = [CLIPS / name for name in GRID_CLIPS]
    if not all(path.is_file() for path in paths):
        pytest.skip("the recorded clips are not here")
    people = [Subject(read_recording(path), finder) for path in paths]
    for own, donor in itertools.permutations(people, 2):
        done = tamper("face_swapped", own, [donor], seed=1)
        assert done.frame is not None
        who, whose = (identity(engine_set, person.recording.frames[30]) for person in (own, donor))
        shown = identity(engine_set, done.frame(30))
        assert float(shown @ who) < 0.5
        assert float(shown @ whose) > float(shown @ who)


def test_a_swapped_face_speaks_on(subject: Subject, other: Subject, finder: LandmarkFinder) -> None:
    done = tamper("face_swapped", subject, [other], seed=1)
    before, after = (
        opening(finder, recording) for recording in (subject.recording, as_recording(done, subject.recording))
    )
    assert np.corrcoef(before, after)[0, 1] > 0.8


@pytest.mark.parametrize("kind", ["lips_retimed", "lips_other_moment"])
def test_the_mouth_no_longer_follows(subject: Subject, finder: LandmarkFinder, kind: str) -> None:
    done = tamper(kind, subject, seed=1)
    before, after = (
        opening(finder, recording) for recording in (subject.recording, as_recording(done, subject.recording))
    )
    assert np.corrcoef(before, after)[0, 1] < 0.5
    assert after.std() > 0.5 * before.std()
    assert done.amount is not None
    assert done.amount > 0.1


@pytest.mark.parametrize(("moves", "least", "most"), [(True, 0.5, 1.0), (False, -0.7, 0.7)])
def test_a_portrait_talks_or_rests(
    subject: Subject, finder: LandmarkFinder, moves: bool, least: float, most: float
) -> None:
    portrait = choose_portrait(subject.recording, subject.track, wanted_turn=0, open_share=0.8)
    shown = TalkingPortrait(portrait, subject.track, np.random.default_rng(0), mouth_moves=moves)
    frames = [shown.frame(tick) for tick in range(TICKS)]
    animated = Recording(name="portrait", frames=frames, audio=subject.recording.audio)
    before, after = opening(finder, subject.recording), opening(finder, animated)
    assert least < np.corrcoef(before, after)[0, 1] < most
    assert (after.std() > 0.3 * before.std()) == moves


def test_pictures_without_a_face_stay(subject: Subject, other: Subject, finder: LandmarkFinder) -> None:
    frames = list(subject.recording.frames)
    frames[50:] = [np.full_like(frames[0], 90)] * 25
    partly = Subject(Recording(name="partly", frames=frames, audio=subject.recording.audio), finder)
    done = tamper("face_swapped", partly, [other], seed=1)
    assert done.frame is not None
    assert all(np.array_equal(done.frame(tick), frames[tick]) for tick in range(60, 75))
    assert not np.array_equal(done.frame(10), frames[10])


def test_scenes_are_followed_apart(subject: Subject, other: Subject, finder: LandmarkFinder) -> None:
    one, two = subject.recording.part(0, 30), other.recording.part(0, 30)
    call = Recording(
        name="call",
        frames=[*one.frames, *two.frames],
        audio=np.concatenate([one.audio, two.audio]),
        cuts=(0, 30),
    )
    together = finder.track(call)
    assert together.present.all()
    np.testing.assert_array_equal(together.points[:30], finder.track(one).points)
    np.testing.assert_array_equal(together.points[30:], finder.track(two).points)


def test_a_recording_without_a_face_is_refused(finder: LandmarkFinder) -> None:
    empty = Recording(
        name="wall", frames=[np.full((90, 120, 3), 99, np.uint8)] * 30, audio=np.zeros(30 * 640, np.float32)
    )
    with pytest.raises(MediaError, match="wall"):
        tamper("lips_retimed", Subject(empty, finder), seed=1)


def test_a_kind_that_needs_another_person_says_so(subject: Subject) -> None:
    with pytest.raises(ConfigurationError, match="another person"):
        tamper("face_swapped", subject, seed=1)
    with pytest.raises(ConfigurationError, match="face_stolen"):
        tamper("face_stolen", subject, seed=1)
