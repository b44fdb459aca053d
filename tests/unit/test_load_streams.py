"""Encoded streams that can be exchanged at every second, and the floor that is measured on them."""

from __future__ import annotations

import av
import numpy as np
import pytest

from bench.load.floor import measure_floor
from bench.load.people import LISTEN_S, listening, people
from bench.load.schedule import Schedule
from bench.load.sending import ScheduledPackets
from bench.load.streams import (
    OPUS_PACKETS_PER_S,
    Stream,
    StreamLibrary,
    encode_stream,
    placed,
    read_stream,
    write_stream,
)
from engines.frontend.picture import RgbPicture
from realtime.faces.freeze import FreezeDetector
from realtime.ingest.decoder import open_codec
from realtime.timebase import FRAME_RATE_HZ, NS_PER_S, SAMPLES_PER_TICK

SIZE = (64, 48)
SECONDS = 2


def _ticks(level: int):
    generator = np.random.default_rng(level)
    return [
        (
            np.clip(generator.normal(level, 1, (24, 32, 3)), 0, 255).astype(np.uint8),
            (0.1 * generator.standard_normal(SAMPLES_PER_TICK)).astype(np.float32),
        )
        for _ in range(SECONDS * FRAME_RATE_HZ)
    ]


@pytest.fixture(scope="module", params=["vp8", "h264"])
def encoded(request):
    return (
        request.param,
        encode_stream(_ticks(60), SIZE, request.param),
        encode_stream(_ticks(200), SIZE, request.param),
    )


def test_a_stream_has_whole_seconds(encoded):
    _, stream, _ = encoded
    assert stream.seconds == SECONDS
    assert len(stream.pictures) == SECONDS * FRAME_RATE_HZ
    assert len(stream.sound) == SECONDS * OPUS_PACKETS_PER_S
    assert stream.pictures_of(SECONDS + 1) == stream.pictures_of(1) != stream.pictures_of(0)
    assert len(stream.sound_of(5)) == OPUS_PACKETS_PER_S


def test_streams_can_be_exchanged_at_every_second(encoded):
    codec, dark, bright = encoded
    decoder = open_codec(codec)
    levels = []
    for packet in (*dark.pictures_of(0), *bright.pictures_of(1), *dark.pictures_of(1)):
        levels += [
            float(frame.to_ndarray(format="gray").mean()) for frame in decoder.decode(av.Packet(packet))
        ]
    assert len(levels) == 3 * FRAME_RATE_HZ
    middle = [levels[(index + 1) * FRAME_RATE_HZ - 1] for index in range(3)]
    assert middle[0] == pytest.approx(60, abs=20)
    assert middle[1] == pytest.approx(200, abs=20)
    assert middle[2] == pytest.approx(60, abs=20)


def test_what_is_written_is_read_again(encoded, tmp_path):
    _, stream, _ = encoded
    write_stream(tmp_path / "0-talk.npz", stream)
    assert read_stream(tmp_path / "0-talk.npz") == stream
    assert [path.name for path in tmp_path.iterdir()] == ["0-talk.npz"]


async def test_a_participant_sends_what_the_schedule_says_at_its_times(encoded, tmp_path):
    _, dark, bright = encoded
    for person, stream in enumerate((dark, bright)):
        write_stream(tmp_path / f"{person}-talk.npz", stream)
    schedule = Schedule(participants=1, talk="all", talkers=1, intruder=1, tampered=0, tampered_from_s=1)
    packets = ScheduledPackets(StreamLibrary(tmp_path), schedule, 0)
    sent = [await packets.next("video") for _ in range(2 * FRAME_RATE_HZ)]
    sound = [await packets.next("audio") for _ in range(2 * OPUS_PACKETS_PER_S)]
    assert [packet.data for packet in sent] == [*dark.pictures_of(0), *bright.pictures_of(2)]
    assert [packet.data for packet in sound] == list(dark.sound)
    assert [packet.time_ns for packet in sent] == [index * NS_PER_S // 25 for index in range(50)]
    assert [packet.time_ns for packet in sound] == [index * NS_PER_S // 50 for index in range(100)]


class Counting:
    """A clock that advances by one at every reading."""

    def __init__(self) -> None:
        self.readings = 0

    def __call__(self) -> int:
        self.readings += 1
        return self.readings * 1_000_000


def test_the_floor_times_every_picture_of_every_participant(encoded, tmp_path):
    codec, stream, _ = encoded
    write_stream(tmp_path / "0-talk.npz", stream)
    schedule = Schedule(participants=3, talk="all", talkers=1, intruder=1)
    clock = Counting()
    cost = measure_floor(StreamLibrary(tmp_path), schedule, codec, SECONDS, cpu_ns=clock)
    assert clock.readings == 3 * 3 * SECONDS * FRAME_RATE_HZ
    assert cost.decoding_ms == pytest.approx(FRAME_RATE_HZ)
    assert cost.total_ms == pytest.approx(2 * FRAME_RATE_HZ)


def test_the_floor_really_decodes(encoded, tmp_path):
    codec, stream, _ = encoded
    write_stream(tmp_path / "0-talk.npz", Stream((b"\0" * 30,) * len(stream.pictures), stream.sound))
    schedule = Schedule(participants=1, talk="all", talkers=1, intruder=1)
    with pytest.raises(av.FFmpegError):
        measure_floor(StreamLibrary(tmp_path), schedule, codec, 1)


@pytest.mark.parametrize("size", [(64, 36), (36, 64), (40, 30)])
def test_a_picture_is_placed_without_distortion(size):
    picture = np.zeros((30, 40, 3), np.uint8)
    picture[10:20, 15:25] = 255
    shown = placed(picture, size)
    assert shown.shape == (size[1], size[0], 3)
    rows, columns = np.nonzero(shown[:, :, 0] > 127)
    scale = size[1] / 30
    assert np.ptp(rows) + 1 == pytest.approx(10 * scale, abs=2)
    assert np.ptp(columns) + 1 == pytest.approx(10 * scale, abs=2)


def _portrait(shift: int = 0) -> np.ndarray:
    """Return a soft picture with edges, as of a person before a wall."""
    rows, columns = np.mgrid[0:288, 0:360]
    inside = ((rows - 150) / 90) ** 2 + ((columns - 180 - shift) / 60) ** 2 < 1
    return np.where(inside[:, :, None], 180, 60).astype(np.uint8).repeat(3, axis=2)


def test_a_listener_moves_enough_not_to_be_frozen_and_is_hardly_heard():
    sound = np.zeros(SAMPLES_PER_TICK, np.float32)
    quiet = listening([(_portrait(), sound)] * FRAME_RATE_HZ, seed=1)
    assert len(quiet) == LISTEN_S * FRAME_RATE_HZ
    detector, control = FreezeDetector(), FreezeDetector()
    frozen = []
    for picture, _ in quiet:
        detector.take(RgbPicture(picture))
        control.take(RgbPicture(_portrait()))
        frozen.append(detector.is_frozen)
    assert control.is_frozen
    assert not any(frozen)
    heard = [float(np.abs(samples).max()) for _, samples in quiet]
    assert 0 < max(heard) < 0.01


def test_synthetic_people_stand_in_where_there_are_no_clips():
    cast = people(None)
    assert cast.intruder == cast.talkers == 2
    assert "synthetic" in cast.description
