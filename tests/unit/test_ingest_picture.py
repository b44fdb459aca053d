from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from engines.frontend.decoded import upright_rgb
from realtime.ingest.picture import VideoLine
from realtime.ingest.sink import PendingPicture
from realtime.timebase import TICK_NS
from realtime.types import GapReason, MediaGap
from tests.support.media import picture, video_frame, write_clip

BASE = Fraction(1, 90_000)


def test_the_converted_picture_is_rgb_and_read_only() -> None:
    image = np.zeros((32, 48, 3), np.uint8)
    image[:, :24, 0] = 255
    rgb = upright_rgb(video_frame(image, 0, BASE))
    np.testing.assert_array_equal(rgb, image)
    assert not rgb.flags.writeable


@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
def test_the_display_rotation_is_applied(tmp_path: Path, degrees: int) -> None:
    plain = write_clip(tmp_path / "plain.mp4", seconds=0.2, audio_codec=None, size=(96, 64))
    turned = write_clip(
        tmp_path / "turned.mp4", seconds=0.2, audio_codec=None, size=(96, 64), rotation=degrees
    )
    with av.open(str(plain)) as container:
        stored = next(container.decode(video=0)).to_ndarray(format="rgb24")
    with av.open(str(turned)) as container:
        shown = upright_rgb(next(container.decode(video=0)))
    np.testing.assert_array_equal(shown, np.rot90(stored, degrees // 90))


def test_a_change_of_size_and_format_in_mid_stream_is_no_event() -> None:
    line = VideoLine()
    sizes = [(64, 48), (128, 96), (31, 17)]
    items = []
    for index, (width, height) in enumerate(sizes):
        frame = video_frame(picture(index, width=width, height=height), index, BASE)
        if index == 1:
            frame = frame.reformat(format="yuv420p")
        items += line.push(index * TICK_NS, frame, arrival_ns=index)
    pictures = [item.resolve() for item in items if isinstance(item, PendingPicture)]
    assert [(p.tick, p.image.rgb().shape, p.arrival_ns) for p in pictures if p.image is not None] == [
        (0, (48, 64, 3), 0),
        (1, (96, 128, 3), 1),
        (2, (17, 31, 3), 2),
    ]


def test_held_pictures_are_converted_once_and_silence_becomes_a_gap() -> None:
    line = VideoLine()
    first = line.push(0, video_frame(picture(0), 0, BASE))
    rest = line.advance(20 * TICK_NS, GapReason.MUTED)
    held = [item for item in first + rest if isinstance(item, PendingPicture)]
    assert [item.tick for item in held] == [0, 1, 2, 3, 4, 5]
    assert len({id(item.convert()) for item in held}) == 1
    gap = rest[-1]
    assert isinstance(gap, MediaGap)
    assert (gap.span.start_ns, gap.span.end_ns, gap.reason) == (6 * TICK_NS, 20 * TICK_NS, GapReason.MUTED)
    assert line.covered_ns == 20 * TICK_NS
