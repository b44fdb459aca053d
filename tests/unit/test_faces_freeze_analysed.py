"""What the face analysis makes of pictures that stand still: lips are missing, the look counts once."""

from __future__ import annotations

from engines.frontend.picture import RgbPicture
from realtime.config import FaceConfig
from realtime.faces.analyzer import FaceAnalyzer
from realtime.faces.freeze import MAX_HELD_TICKS
from realtime.types import FaceFrame, FaceReason, VideoFrame
from tests.support.faces import BrightnessMesh, ScriptedDetector, detection, picture

INTERVAL_TICKS = FaceConfig().identity_interval_ticks


def analysed(shown: list[int]) -> list[FaceFrame]:
    """Analyse a picture a tick, each decoded anew, with the face always there."""
    analyzer = FaceAnalyzer(FaceConfig(), ScriptedDetector(lambda _: [detection()]), BrightnessMesh())
    ticks = [VideoFrame(tick=tick, image=RgbPicture(picture(n).copy())) for tick, n in enumerate(shown)]
    return [face for frame in ticks for face in analyzer.push(frame)] + analyzer.flush()


def test_a_freeze_has_no_lips_and_says_why_until_the_picture_moves_again() -> None:
    shown = [*range(60, 90), *[90] * 40, *range(91, 111)]
    faces = analysed(shown)
    frozen = range(30 + MAX_HELD_TICKS, 70)
    assert [face.tick for face in faces if face.reason is FaceReason.FROZEN] == list(frozen)
    assert all((face.lips is None) == (face.tick in frozen) for face in faces)
    assert all(face.reason is None for face in faces if face.tick not in frozen)


def test_the_look_of_a_picture_that_stands_still_counts_once() -> None:
    faces = analysed([*range(60, 91), *[91] * 200])
    assert [face.tick for face in faces if face.identity_crop is not None] == [0, 15, 30, 45]


def test_pictures_that_all_stand_a_little_longer_than_usual_still_show_who_it_is() -> None:
    """At five pictures a second every identity tick may fall on the last tick of a held picture."""
    faces = analysed([60 + (tick + 4) // 5 for tick in range(91)])
    assert [face.tick for face in faces if face.identity_crop is not None] == list(
        range(0, 91, INTERVAL_TICKS)
    )
