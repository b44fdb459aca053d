from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from fractions import Fraction
from itertools import groupby
from typing import Any

import av
import numpy as np
import pytest

from realtime.ingest import decoder as decoder_module
from realtime.ingest.decoder import (
    MAX_DECODED_FRAMES,
    MAX_ENCODED_BYTES,
    MAX_ENCODED_FRAMES,
    CodecName,
    DecodedFrame,
    TrackDecoder,
)
from realtime.ingest.rtp.packet import EncodedFrame
from realtime.types import TrackKind
from tests.support.media import audio_frame, picture, tone, video_frame

VIDEO_CODECS: tuple[tuple[CodecName, str], ...] = (("vp8", "libvpx"), ("h264", "libx264"))
OPTIONS = {"libvpx": {"deadline": "realtime", "lag-in-frames": "0"}, "libx264": {"tune": "zerolatency"}}


def encoded_video(
    encoder: str, count: int, *, keys: int = 10, size: tuple[int, int] = (64, 48)
) -> list[EncodedFrame]:
    context = av.VideoCodecContext.create(encoder, "w")
    context.width, context.height = size
    context.pix_fmt, context.time_base, context.gop_size = "yuv420p", Fraction(1, 90_000), keys
    context.framerate = Fraction(30)
    context.options = OPTIONS[encoder]
    frames = []
    for index in range(count):
        image = video_frame(picture(index, width=size[0], height=size[1]), index * 3000, Fraction(1, 90_000))
        for packet in context.encode(image.reformat(format="yuv420p")):
            frames.append(EncodedFrame(index * 3000, 97, bytes(packet), packet.is_keyframe, 0))
    assert len(frames) == count
    return frames


def encoded_audio(count: int) -> list[EncodedFrame]:
    context = av.AudioCodecContext.create("libopus", "w")
    context.sample_rate, context.layout, context.format = 48_000, "mono", "flt"
    frames = []
    for index in range(count):
        block = audio_frame(
            tone(index * 960, 960, rate=48_000), rate=48_000, pts=index * 960, format_name="flt"
        )
        for packet in context.encode(block):
            frames.append(EncodedFrame(index * 960, 96, bytes(packet), True, 0))
    return frames


class Decoding:
    def __init__(self, kind: TrackKind) -> None:
        self.damages = 0
        self.frames: list[DecodedFrame] = []
        self.decoder = TrackDecoder(kind, on_frames=self.frames.extend, on_damage=self._on_damage)

    def _on_damage(self) -> None:
        self.damages += 1

    async def rest(self) -> list[DecodedFrame]:
        """End, and return everything that came."""
        self.decoder.end()
        await self.decoder.wait()
        return self.frames


@asynccontextmanager
async def decoding(kind: TrackKind, *, start: bool = True) -> AsyncIterator[Decoding]:
    made = Decoding(kind)
    if start:
        made.decoder.start()
    yield made
    await made.decoder.close()
    assert not [thread for thread in threading.enumerate() if thread.name.endswith("-decoder")]


@pytest.mark.parametrize(("codec", "encoder"), VIDEO_CODECS)
async def test_pictures_come_out_in_order_with_their_timestamps(codec: CodecName, encoder: str) -> None:
    count = MAX_DECODED_FRAMES
    async with decoding("video") as made:
        for frame in encoded_video(encoder, count):
            assert made.decoder.put(codec, frame)
        pictures = await made.rest()
    assert [picture.pts for picture in pictures] == [index * 3000 for index in range(count)]
    assert {(picture.width, picture.height) for picture in pictures} == {(64, 48)}
    assert (made.decoder.dropped, made.decoder.damaged, made.damages) == (0, 0, 0)


async def test_audio_comes_out_with_its_timestamps() -> None:
    async with decoding("audio") as made:
        for frame in encoded_audio(20):
            made.decoder.put("opus", frame)
        blocks = await made.rest()
    assert [block.pts for block in blocks] == [index * 960 for index in range(20)]
    assert {block.samples for block in blocks} == {960}


@pytest.mark.parametrize(("codec", "encoder"), VIDEO_CODECS)
async def test_after_a_picture_that_cannot_be_decoded_the_next_key_frame_is_the_next(
    codec: CodecName, encoder: str
) -> None:
    frames = encoded_video(encoder, 10, keys=6)
    frames[2] = frames[2]._replace(data=b"\xff" * 20)
    async with decoding("video") as made:
        for frame in frames:
            made.decoder.put(codec, frame)
        pictures = await made.rest()
    assert [picture.pts // 3000 for picture in pictures] == [0, 1, 6, 7, 8, 9]
    assert made.decoder.damaged == 4
    assert made.damages == 1


async def test_damaged_audio_costs_only_itself() -> None:
    frames = encoded_audio(10)
    frames[4] = frames[4]._replace(data=b"\xff\xff\xff")
    async with decoding("audio") as made:
        for frame in frames:
            made.decoder.put("opus", frame)
        blocks = await made.rest()
    assert [block.pts // 960 for block in blocks] == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert (made.decoder.damaged, made.damages) == (1, 0)


async def test_a_change_of_codec_goes_through() -> None:
    async with decoding("video") as made:
        for codec, encoder in VIDEO_CODECS:
            for frame in encoded_video(encoder, 3):
                made.decoder.put(codec, frame)
        pictures = await made.rest()
    assert [picture.pts // 3000 for picture in pictures] == [0, 1, 2, 0, 1, 2]


async def test_too_many_encoded_frames_are_refused() -> None:
    frame = EncodedFrame(0, 97, b"x", False, 0)
    async with decoding("video", start=False) as made:
        taken = [made.decoder.put("vp8", frame) for _ in range(MAX_ENCODED_FRAMES + 2)]
        assert [(took, len(list(run))) for took, run in groupby(taken)] == [(True, 60), (False, 2)]
        assert made.decoder.dropped == 2


async def test_too_many_encoded_bytes_are_refused() -> None:
    frame = EncodedFrame(0, 97, bytes(MAX_ENCODED_BYTES // 2), False, 0)
    async with decoding("video", start=False) as made:
        assert [made.decoder.put("vp8", frame) for _ in range(3)] == [True, True, False]


async def test_too_many_decoded_frames_drop_the_oldest() -> None:
    limit = MAX_DECODED_FRAMES
    async with decoding("video") as made:
        for frame in encoded_video("libvpx", limit + 5):
            made.decoder.put("vp8", frame)
        made.decoder.end()
        assert made.decoder._thread is not None
        made.decoder._thread.join()
        pictures = await made.rest()
    assert [picture.pts // 3000 for picture in pictures] == list(range(5, limit + 5))
    assert made.decoder.dropped == 5


@pytest.mark.parametrize(("codec", "encoder"), VIDEO_CODECS)
async def test_a_picture_of_absurd_size_is_not_decoded(
    codec: CodecName, encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder_module, "MAX_PIXELS", 64 * 48)
    async with decoding("video") as made:
        for frame in encoded_video(encoder, 2, size=(128, 48)) + encoded_video(encoder, 2):
            made.decoder.put(codec, frame)
        pictures = await made.rest()
    assert [(picture.width, picture.pts // 3000) for picture in pictures] == [(64, 0), (64, 1)]
    assert made.decoder.damaged == 2


async def test_an_error_that_is_not_the_medias_ends_the_track_with_it() -> None:
    class Broken:
        def decode(self, packet: Any) -> list[Any]:
            raise RuntimeError("no")

    async with decoding("video") as made:
        broken: Any = Broken()
        made.decoder._codec = "vp8", broken
        made.decoder.put("vp8", encoded_video("libvpx", 1)[0])
        with pytest.raises(RuntimeError, match="no"):
            await made.decoder.wait()
        assert not made.decoder.put("vp8", EncodedFrame(0, 97, b"x", True, 0))


@pytest.mark.parametrize("kind", ["audio", "video"])
async def test_an_error_of_who_takes_the_frames_ends_the_track_with_it(kind: TrackKind) -> None:
    def refuse(frames: Sequence[DecodedFrame]) -> None:
        raise RuntimeError("no")

    decoder = TrackDecoder(kind, on_frames=refuse, on_damage=lambda: None)
    decoder.start()
    if kind == "audio":
        decoder.put("opus", encoded_audio(1)[0])
    else:
        decoder.put("vp8", encoded_video("libvpx", 1)[0])
    with pytest.raises(RuntimeError, match="no"):
        await decoder.wait()
    await decoder.close()


async def test_sound_is_handed_on_before_put_returns_and_never_after_the_end() -> None:
    frames = encoded_audio(4)
    async with decoding("audio") as made:
        for count, frame in enumerate(frames[:3], start=1):
            assert made.decoder.put("opus", frame)
            assert len(made.frames) == count
        made.decoder.end()
        assert not made.decoder.put("opus", frames[3])
        await made.decoder.wait()
    assert (len(made.frames), made.decoder.dropped) == (3, 1)


async def test_closing_drops_what_waits() -> None:
    async with decoding("video", start=False) as made:
        for frame in encoded_video("libvpx", 20):
            made.decoder.put("vp8", frame)
        made.decoder.start()
        await made.decoder.close()
        await made.decoder.close()
        assert 20 - 1 <= len(made.frames) + made.decoder.dropped <= 20


@pytest.mark.parametrize(("codec", "encoder"), VIDEO_CODECS)
async def test_fuzzed_pictures_never_end_the_thread(codec: CodecName, encoder: str) -> None:
    random = np.random.default_rng(7)
    frames = encoded_video(encoder, 40, keys=4)
    async with decoding("video") as made:
        for frame in frames:
            data = bytearray(frame.data)
            for place in random.integers(0, len(data), size=3):
                data[place] = random.integers(0, 256)
            made.decoder.put(codec, frame._replace(data=bytes(data)))
        await made.rest()
        assert made.decoder._failure is None
