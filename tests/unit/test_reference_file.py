"""Photos and clips as references: what is taken from them, and what is refused with a way out."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest

from realtime.config import FaceConfig
from realtime.errors import ConfigurationError, MediaError
from realtime.identity import references as references_module
from realtime.identity.reference_file import CLIP_INTERVAL_TICKS, MAX_CLIP_TICKS, read_reference
from realtime.identity.references import ReferenceFile, References
from tests.support.evidence import unit
from tests.support.faces import FACE_BOX, ScriptedDetector, detection, number_of, picture
from tests.support.media import write_clip

FACES = FaceConfig()
ANNA, BERT, ANNA_IN_THE_DARK = 90, 150, 60
LOOKS = {ANNA: [1.0, 0, 0], ANNA_IN_THE_DARK: [0.7, 0, 0.7], BERT: [0, 1.0, 0]}
SECOND_BOX = (100.0, 40.0, 55.0, 60.0)


class NumberedIdentity:
    """Tells people apart by the brightness of their aligned faces."""

    id = "numbered"
    dimension = 3

    def embed(self, crops):
        return unit([LOOKS[min(LOOKS, key=lambda face: abs(face - number_of(crop)))] for crop in crops])


def photo(path, number=ANNA, *, contrast=40, **options):
    encoded = cv2.cvtColor(picture(number, contrast=contrast), cv2.COLOR_RGB2BGR)
    assert cv2.imwrite(str(path), encoded, **options)
    return path


def clip(path, numbers, seconds=3.0):
    """Write a clip whose pictures carry these numbers, evenly over its length."""
    with av.open(path, "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv444p"
        frames = round(seconds * 25)
        for index in range(frames):
            image = np.array(picture(numbers[index * len(numbers) // frames]))
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def read(path, script=lambda number: [detection()]):
    return read_reference(path, ScriptedDetector(script), NumberedIdentity(), FACES)


@pytest.mark.parametrize("name", ["anna.jpg", "anna.png", "no-suffix.jpeg"])
def test_a_photo_gives_one_look(tmp_path, name):
    reference = read(photo(tmp_path / name))
    np.testing.assert_allclose(reference.looks, unit([LOOKS[ANNA]]), atol=1e-6)
    assert reference.engine_id == "numbered"


def test_a_photo_is_known_by_its_content_and_not_by_its_name(tmp_path):
    path = photo(tmp_path / "anna.jpg").rename(tmp_path / "anna.mp4")
    assert len(read(path).looks) == 1


def test_a_clip_gives_a_look_for_each_light(tmp_path):
    reference = read(clip(tmp_path / "anna.mkv", [ANNA, ANNA_IN_THE_DARK]))
    np.testing.assert_allclose(reference.looks, unit([LOOKS[ANNA], LOOKS[ANNA_IN_THE_DARK]]), atol=1e-6)


def test_only_the_first_minute_of_a_clip_is_looked_at(tmp_path):
    detector = ScriptedDetector(lambda number: [detection()])
    path = clip(tmp_path / "anna.mkv", [ANNA] * 10 + [BERT], seconds=66)
    read_reference(path, detector, NumberedIdentity(), FACES)
    assert len(detector.shown) == MAX_CLIP_TICKS // CLIP_INTERVAL_TICKS


def faceless(_number):
    return []


def small(_number):
    return [detection((40.0, 20.0, 30.0, 40.0))]


def turned(_number):
    return [detection(turn=0.6)]


def couple(_number):
    return [detection(), detection(SECOND_BOX)]


def unsure(_number):
    return [detection(confidence=0.6)]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (faceless, "shows no face"),
        (unsure, "shows no face"),
        (small, "too small"),
        (turned, "turned away"),
        (couple, "several faces"),
    ],
)
@pytest.mark.parametrize("kind", ["photo", "clip"])
def test_what_does_not_show_one_face_well_is_refused_with_a_fix(tmp_path, script, words, kind):
    path = photo(tmp_path / "anna.jpg") if kind == "photo" else clip(tmp_path / "anna.mkv", [ANNA])
    with pytest.raises(MediaError, match=words) as refused:
        read(path, script)
    assert refused.value.fix
    assert str(path) in refused.value.message


def test_a_blurred_photo_is_refused(tmp_path):
    with pytest.raises(MediaError, match="blurred"):
        read(photo(tmp_path / "anna.png", contrast=0))


def test_a_face_without_eyes_apart_is_turned_away(tmp_path):
    one = detection()
    one.points[1] = one.points[0]
    with pytest.raises(MediaError, match="turned away"):
        read(photo(tmp_path / "anna.jpg"), lambda _: [one])


def test_a_small_face_behind_does_not_make_it_several(tmp_path):
    behind = detection((5.0, 5.0, 20.0, 25.0))
    assert len(read(photo(tmp_path / "anna.jpg"), lambda _: [detection(), behind]).looks) == 1


def test_a_clip_of_two_people_in_turn_is_refused(tmp_path):
    with pytest.raises(MediaError, match="several faces"):
        read(clip(tmp_path / "both.mkv", [ANNA, BERT]))


def test_a_passer_by_in_a_clip_is_left_out(tmp_path):
    def script(number):
        return couple(number) if number_is(number, BERT) else [detection()]

    reference = read(clip(tmp_path / "anna.mkv", [ANNA] * 19 + [BERT], seconds=24), script)
    np.testing.assert_allclose(reference.looks, unit([LOOKS[ANNA]]), atol=1e-6)


def number_is(number, other):
    return abs(number - other) < 5


def test_a_clip_with_too_few_good_views_is_refused(tmp_path):
    with pytest.raises(MediaError, match="no face"):
        read(clip(tmp_path / "anna.mkv", [ANNA, BERT, BERT]), lambda n: [detection()] if n < 100 else [])


def test_files_that_cannot_be_read_are_refused(tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 not a picture")
    text = tmp_path / "notes.txt"
    text.write_text("no media at all")
    sound = write_clip(tmp_path / "sound.mp4", video_codec=None)
    for path in (broken, text, sound, tmp_path / "missing.jpg", tmp_path):
        with pytest.raises(MediaError) as refused:
            read(path)
        assert refused.value.fix


def test_the_reference_of_a_call_goes_before_that_of_a_name(tmp_path, monkeypatch):
    monkeypatch.setattr(references_module, "embedded_reference", lambda path, _encoders, _faces: read(path))
    files = [
        ReferenceFile(name="anna", path=photo(tmp_path / "a.jpg")),
        ReferenceFile(name="standup/anna", path=photo(tmp_path / "b.jpg", BERT)),
        ReferenceFile(name="bert", path=photo(tmp_path / "c.jpg", BERT)),
    ]
    references = References(files)
    references.read(SimpleNamespace(), FACES)
    assert references.of("standup", "anna").looks[0, 1] == 1
    assert references.of("retro", "anna").looks[0, 0] == 1
    assert references.of("retro", "carol") is None
    assert references.unused == ("bert",)


def test_two_references_of_one_name_are_refused(tmp_path):
    files = [ReferenceFile(name="anna", path=tmp_path / name) for name in ("a.jpg", "b.jpg")]
    with pytest.raises(ConfigurationError, match="anna"):
        References(files)


def test_faces_of_these_pictures_are_large_enough():
    assert sum(FACE_BOX[2:]) / 2 >= FACES.min_face_px
