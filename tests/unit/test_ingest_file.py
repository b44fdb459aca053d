import os
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from realtime.errors import MediaError
from realtime.ingest.file import FILL_STEP_NS, MediaReader, open_media, read_media
from realtime.ingest.sink import MediaItem, PendingPicture
from realtime.timebase import NS_PER_S, SAMPLE_RATE_HZ, TICK_NS, sample_at, sample_time_ns, tick_time_ns
from realtime.types import AudioFrame, GapReason, MediaGap, TrackKind
from tests.support.media import picture, write_clip

MS = 1_000_000

CONTAINERS: dict[str, dict[str, Any]] = {
    "h264.mp4": {"video_codec": "libx264", "audio_codec": "aac"},
    "vp8.webm": {"video_codec": "libvpx", "audio_codec": "libopus"},
    "mjpeg.avi": {"video_codec": "mjpeg", "audio_codec": "pcm_s16le", "rate": 44_100, "channels": 2},
    "mpeg2.ts": {"video_codec": "mpeg2video", "audio_codec": "mp2"},
    "flac.mkv": {"video_codec": "mpeg4", "audio_codec": "flac", "fps": 50},
    "slow.mov": {"video_codec": "mpeg4", "audio_codec": "pcm_s16le", "fps": 15, "rate": 8_000},
}


def kind_of(item: MediaItem) -> TrackKind:
    if isinstance(item, MediaGap):
        return item.track
    return "audio" if isinstance(item, AudioFrame) else "video"


def span_of(item: MediaItem) -> tuple[int, int]:
    if isinstance(item, MediaGap):
        return item.span.start_ns, item.span.end_ns
    if isinstance(item, PendingPicture):
        return tick_time_ns(item.tick), tick_time_ns(item.tick + 1)
    return item.start_ns, sample_time_ns(sample_at(item.start_ns) + len(item.samples))


def read_all(reader: MediaReader) -> list[MediaItem]:
    """Read a file, checking that each track tiles the timeline and that the two advance together."""
    covered = {"audio": 0, "video": 0}
    items: list[MediaItem] = []
    for item in reader:
        start_ns, end_ns = span_of(item)
        assert start_ns == covered[kind_of(item)]
        assert end_ns > start_ns
        covered[kind_of(item)] = end_ns
        assert reader.position_ns == max(covered.values())
        items.append(item)
    assert abs(covered["audio"] - covered["video"]) <= TICK_NS
    return items


def flashes_s(items: list[MediaItem]) -> list[float]:
    bright = {p.tick: p.convert().mean() > 150 for p in items if isinstance(p, PendingPicture)}
    return [tick * 0.04 for tick in sorted(bright) if bright[tick] and not bright.get(tick - 1, False)]


def beeps_s(items: list[MediaItem]) -> list[float]:
    onsets: list[float] = []
    for frame in (item for item in items if isinstance(item, AudioFrame)):
        loud = frame.start_ns / NS_PER_S + np.flatnonzero(np.abs(frame.samples) > 0.2) / SAMPLE_RATE_HZ
        for time_s in loud:
            if not onsets or time_s - onsets[-1] > 0.5:
                onsets.append(float(time_s))
    return onsets


def gaps_of(items: list[MediaItem], kind: TrackKind) -> list[MediaGap]:
    return [item for item in items if isinstance(item, MediaGap) and item.track == kind]


@pytest.mark.parametrize("name", CONTAINERS)
def test_flash_and_beep_lie_at_the_whole_seconds(tmp_path: Path, name: str) -> None:
    path = write_clip(tmp_path / name, **CONTAINERS[name])
    with read_media(path) as reader:
        assert reader.info.audio_index is not None
        assert (reader.info.width, reader.info.height) == (64, 48)
        items = read_all(reader)
    assert not reader.truncated
    assert reader.undecodable == 0
    assert flashes_s(items) == pytest.approx([0, 1], abs=0.0401)
    assert beeps_s(items) == pytest.approx([0, 1], abs=0.015)
    assert reader.position_ns == pytest.approx(2 * NS_PER_S, abs=45 * MS)


def test_streams_that_start_apart_stay_apart(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", video_start_s=0.5, audio_codec="pcm_s16le")
    items = read_all(read_media(path))
    assert flashes_s(items) == pytest.approx([1.0], abs=0.001)
    assert beeps_s(items) == pytest.approx([0, 1], abs=0.002)
    first = gaps_of(items, "video")[0]
    assert (first.span.start_ns, first.span.end_ns) == (0, 520 * MS)
    assert first.reason is GapReason.NO_TRACK


def test_holes_in_the_timestamps_are_gaps_not_silence(tmp_path: Path) -> None:
    path = write_clip(
        tmp_path / "holes.mkv",
        audio_codec="pcm_s16le",
        keep_picture=lambda index: not 20 <= index < 40,
        keep_audio=lambda time_s: not 0.499 <= time_s < 0.999,
    )
    items = read_all(read_media(path))
    audio = [gap.span.seconds for gap in gaps_of(items, "audio") if gap.reason is GapReason.LOSS]
    video = [gap.span.seconds for gap in gaps_of(items, "video") if gap.reason is GapReason.LOSS]
    assert audio == [(0.5, 1.0)]
    assert len(video) == 1
    assert video[0] == pytest.approx((19 / 30 + 0.2, 40 / 30), abs=0.041)
    assert beeps_s(items) == pytest.approx([0, 1], abs=0.002)


@pytest.mark.parametrize("missing", ["audio", "video"])
def test_a_missing_track_is_told_and_covered_in_step(tmp_path: Path, missing: TrackKind) -> None:
    codecs: dict[str, Any] = {f"{missing}_codec": None}
    path = write_clip(tmp_path / "half.mkv", **codecs)
    reader = read_media(path)
    assert reader.info.index_of(missing) is None
    items = read_all(reader)
    gaps = gaps_of(items, missing)
    assert {gap.reason for gap in gaps} == {GapReason.NO_TRACK}
    assert max(gap.span.duration_ns for gap in gaps) <= 2 * FILL_STEP_NS
    assert not reader.truncated


def test_both_tracks_advance_together_when_the_file_does_not_interleave_them(tmp_path: Path) -> None:
    path = write_clip(
        tmp_path / "apart.mov",
        seconds=4,
        audio_codec="pcm_s16le",
        options={"max_interleave_delta": "0", "chunk_duration": "100000000"},
    )
    reached = {"audio": 0, "video": 0}
    furthest_apart_ns = 0
    for item in read_media(path):
        reached[kind_of(item)] = span_of(item)[0]
        furthest_apart_ns = max(furthest_apart_ns, abs(reached["audio"] - reached["video"]))
    assert furthest_apart_ns <= 200 * MS


@pytest.mark.parametrize("name", ["cut.webm", "cut.mp4", "cut.avi", "cut.wav"])
def test_a_cut_file_yields_what_is_there_and_says_so(tmp_path: Path, name: str) -> None:
    codecs: dict[str, dict[str, Any]] = {
        "cut.webm": {"video_codec": "libvpx", "audio_codec": "libopus"},
        "cut.mp4": {"options": {"movflags": "faststart"}, "size": (320, 240)},
        "cut.avi": {"video_codec": "mjpeg", "audio_codec": "pcm_s16le"},
        "cut.wav": {"video_codec": None, "audio_codec": "pcm_s16le"},
    }
    path = write_clip(tmp_path / name, seconds=4, **codecs[name])
    whole = read_media(path)
    read_all(whole)
    assert not whole.truncated
    os.truncate(path, path.stat().st_size * 6 // 10)
    cut = read_media(path)
    read_all(cut)
    assert cut.truncated
    assert NS_PER_S < cut.position_ns < whole.position_ns - NS_PER_S


def test_damage_in_the_middle_costs_only_itself(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.avi", seconds=4, video_codec="mjpeg", audio_codec="pcm_s16le")
    data = bytearray(path.read_bytes())
    start = data.find(b"\xff\xd8", len(data) // 2)
    data[start : start + 40] = bytes(40)
    path.write_bytes(data)
    reader = read_media(path)
    items = read_all(reader)
    assert not reader.truncated
    assert flashes_s(items) == pytest.approx([0, 1, 2, 3], abs=0.041)


def test_cover_art_is_not_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    with av.open(str(path), "w") as out:
        audio = out.add_stream("libmp3lame", rate=44_100)
        cover = out.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        image = av.VideoFrame.from_ndarray(picture(0), format="rgb24")
        image.pts = 0
        packets = cover.encode(image) + cover.encode(None)
        silence = av.AudioFrame.from_ndarray(np.zeros((2, 1152), np.float32), format="fltp", layout="stereo")
        silence.sample_rate = 44_100
        for packet in packets:
            out.mux(packet)
        for index in range(20):
            silence.pts = index * 1152
            for packet in audio.encode(silence):
                out.mux(packet)
        for packet in audio.encode(None):
            out.mux(packet)
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1
    assert open_media(path).video_index is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.mp4", b""),
        ("text.mp4", b"hello\n" * 50),
        ("text.txt", b"hello\n" * 50),
        ("noise.webm", np.random.default_rng(1).bytes(4000)),
        ("list.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n"),
        ("list.ffconcat", b"ffconcat version 1.0\nfile other.mp4\n"),
        ("list.mpd", b'<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>'),
        ("live.sdp", b"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n"),
    ],
)
def test_what_is_not_media_is_refused_with_a_fix(tmp_path: Path, name: str, content: bytes) -> None:
    write_clip(tmp_path / "other.mp4", seconds=0.2)
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(MediaError) as caught:
        list(read_media(path))
    assert str(path) in caught.value.message
    assert caught.value.fix


def test_paths_that_are_no_file_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.mp4"):
        with pytest.raises(MediaError):
            open_media(path)


def test_an_early_close_ends_the_iteration(tmp_path: Path) -> None:
    reader = read_media(write_clip(tmp_path / "a.mp4"))
    next(reader)
    reader.close()
    reader.close()
    assert list(reader) == []
