from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from realtime.errors import MediaError
from realtime.ingest.file import read_media
from realtime.timebase import NS_PER_S, SAMPLE_RATE_HZ, TICK_NS
from realtime.types import AudioFrame, MediaGap
from tests.support.media import FLASH_S, video_frame, write_clip
from training.evaluate.variants import SUFFIX, make_variant, speech_onset_ns

#: Less than a tick of the 25 fps grid.
CLOSE_S = 0.02


def flashes_and_beeps(path: Path) -> tuple[list[float], list[float]]:
    """Return when the pictures turn bright and the sound loud, as the live pipeline sees the file."""
    brightness: dict[float, float] = {}
    sound = np.zeros(SAMPLE_RATE_HZ * 10, np.float32)
    with read_media(path) as media:
        for item in media:
            if isinstance(item, MediaGap):
                continue
            if isinstance(item, AudioFrame):
                start = round(item.start_ns * SAMPLE_RATE_HZ / NS_PER_S)
                sound[start : start + len(item.samples)] = item.samples
            else:
                frame = item.resolve()
                if frame.image is not None:
                    brightness[frame.tick * TICK_NS / NS_PER_S] = float(frame.image.rgb().mean())
    times = sorted(brightness)
    bright = np.array([brightness[time] > 150 for time in times])
    loud = np.abs(sound).reshape(-1, 160).max(axis=1) > 0.2
    return (
        [times[index] for index in np.flatnonzero(bright & ~np.r_[False, bright[:-1]])],
        [index / 100 for index in np.flatnonzero(loud & ~np.r_[False, loud[:-1]])],
    )


class LoudnessDetector:
    """Speech is what is loud; the real detector's interface."""

    def push(self, start: int, samples: np.ndarray):
        for offset in range(0, len(samples) - 159, 160):
            block = samples[offset : offset + 160]
            yield start + offset, start + offset + 160, float(np.abs(block).max() > 0.2)


@pytest.mark.parametrize(("quality", "start_s"), [("hq", 0.0), ("lq", 0.0), ("as-is", 1.0), ("lq", 1.0)])
@pytest.mark.parametrize("audio_start_s", [0.0, 0.2])
def test_lips_and_voice_stay_together(tmp_path: Path, quality, start_s: float, audio_start_s: float) -> None:
    source = write_clip(
        tmp_path / "clip.mp4", seconds=4.0, fps=25, audio_start_s=audio_start_s, video_codec="libx264"
    )
    target = tmp_path / f"variant{SUFFIX[quality]}"
    make_variant(source, target, quality, round(start_s * NS_PER_S))
    flashes, beeps = flashes_and_beeps(target)
    before_flashes, before_beeps = flashes_and_beeps(source)
    assert flashes == pytest.approx(
        [time - start_s for time in before_flashes if time >= start_s - 1e-6], abs=CLOSE_S
    )
    lasting = [time - start_s for time in before_beeps if time >= start_s - CLOSE_S]
    assert beeps == pytest.approx(lasting, abs=CLOSE_S)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_low_quality_is_small_and_of_16_khz(tmp_path: Path) -> None:
    source = write_clip(
        tmp_path / "clip.mp4", seconds=2.0, size=(320, 240), rate=44_100, channels=2, video_codec="libx264"
    )
    sizes = {}
    for quality in ("as-is", "hq", "lq"):
        target = tmp_path / f"{quality}{SUFFIX[quality]}"
        make_variant(source, target, quality)
        with av.open(target) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            assert (video.codec_context.name, video.width, video.height) == ("h264", 320, 240)
            assert audio.codec_context.sample_rate == (16_000 if quality == "lq" else 44_100)
            sizes[quality] = sum(packet.size for packet in container.demux(video))
    assert sizes["lq"] < sizes["hq"] < sizes["as-is"]


def test_a_variant_is_the_same_every_time(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    source = tmp_path / "clip.mp4"
    with av.open(source, "w") as out:
        video = out.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 224, 224, "yuv420p"
        scene = generator.integers(0, 255, (28, 28, 3)).repeat(10, axis=0).repeat(10, axis=1)
        for index in range(40):
            picture = np.ascontiguousarray(np.roll(scene, 3 * index, axis=1)[:224, :224], np.uint8)
            out.mux(video.encode(video_frame(picture, index, Fraction(1, 25))))
        out.mux(video.encode(None))
    made = set()
    for attempt in range(5):
        used_memory = [generator.integers(0, 255, size, np.uint8) for size in (5_000, 70_000, 90_000) * 20]
        del used_memory
        target = tmp_path / f"{attempt}.mp4"
        make_variant(source, target, "lq")
        made.add(target.read_bytes())
    assert len(made) == 1


def test_high_quality_copies_the_sound(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "clip.mp4", seconds=1.0)
    target = tmp_path / "hq.mkv"
    make_variant(source, target, "hq")

    def packets(path: Path) -> list[bytes]:
        with av.open(path) as container:
            return [bytes(packet) for packet in container.demux(container.streams.audio[0]) if packet.size]

    assert packets(target) == packets(source)[1:]


def test_pictures_come_out_upright(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "clip.mp4", seconds=1.0, size=(64, 48), rotation=90)
    target = tmp_path / "hq.mkv"
    make_variant(source, target, "hq")
    with av.open(target) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (48, 64)


@pytest.mark.parametrize("audio_start_s", [0.0, 0.5])
def test_speech_onset_is_on_the_grid(tmp_path: Path, audio_start_s: float) -> None:
    def silent_first(time_s: float) -> bool:
        return time_s > FLASH_S + 0.02

    source = write_clip(
        tmp_path / "clip.mkv",
        seconds=3.0,
        audio_codec="flac",
        audio_start_s=audio_start_s,
        keep_audio=silent_first,
    )
    onset_ns = speech_onset_ns(source, LoudnessDetector())
    assert onset_ns is not None
    assert onset_ns % TICK_NS == 0
    assert 0 <= 1.0 - onset_ns / NS_PER_S <= TICK_NS / NS_PER_S + 1e-9


def test_no_sound_has_no_onset(tmp_path: Path) -> None:
    assert speech_onset_ns(write_clip(tmp_path / "a.mp4", audio_codec=None), LoudnessDetector()) is None


def test_a_corrupt_clip_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a film" * 100)
    with pytest.raises(MediaError, match=r"broken\.mp4"):
        make_variant(broken, tmp_path / "out.mp4", "lq")
    with pytest.raises(MediaError, match=r"broken\.mp4"):
        speech_onset_ns(broken, LoudnessDetector())
    assert [path.name for path in tmp_path.iterdir()] == ["broken.mp4"]
