"""Recordings survive encoding with sound and picture on one clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy", reason="needs the training extra")

from realtime.errors import ConfigurationError, MediaError
from tests.support.media import write_clip
from training.tamper.compression import PROFILES, profile_named
from training.tamper.recording import Recording, join, read_recording
from training.tamper.writing import Output, write_recording, write_with_video_of

MAX_SHIFT_S = 0.005


@pytest.fixture(scope="module")
def flashes(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    path = tmp_path_factory.mktemp("flashes") / "flashes.mp4"
    return read_recording(
        write_clip(path, seconds=4, fps=25, size=(128, 96), video_codec="libx264", rate=44_100)
    )


def flash_onsets_s(recording: Recording) -> list[float]:
    bright = np.array([frame.mean() for frame in recording.frames]) > 140
    return [tick / 25 for tick in np.flatnonzero(bright) if tick == 0 or not bright[tick - 1]]


def beep_onsets_s(recording: Recording) -> list[float]:
    loud = np.abs(recording.audio) > 0.15 * np.abs(recording.audio).max()
    found: list[int] = []
    for sample in np.flatnonzero(loud):
        if not found or sample - found[-1] > 8000:
            found.append(int(sample))
    return [sample / 16_000 for sample in found]


def output(folder: Path, name: str, *, seed: int = 3, stem: str = "out") -> Output:
    profile = PROFILES[name]
    return Output(path=folder / f"{stem}{profile.container}", profile=profile, seed=seed)


@pytest.mark.parametrize("name", list(PROFILES))
def test_no_profile_moves_sound_against_picture(flashes: Recording, tmp_path: Path, name: str) -> None:
    written = output(tmp_path, name)
    write_recording([written], flashes.frames, flashes.audio, ticks=flashes.ticks)
    back = read_recording(written.path)
    assert back.ticks == flashes.ticks
    assert flash_onsets_s(back) == [0, 1, 2, 3]
    np.testing.assert_allclose(beep_onsets_s(back), [0, 1, 2, 3], atol=MAX_SHIFT_S)


@pytest.mark.parametrize(
    ("size", "half"), [((128, 96), (64, 48)), ((130, 98), (64, 48)), ((134, 102), (68, 52))]
)
def test_half_size_writes_even_sizes_of_half(
    tmp_path: Path, size: tuple[int, int], half: tuple[int, int]
) -> None:
    grey = [np.full((size[1], size[0], 3), 10 * tick, np.uint8) for tick in range(5)]
    written = output(tmp_path, "half_size")
    write_recording([written], grey, np.zeros(5 * 640, np.float32), ticks=5)
    back = read_recording(written.path)
    assert back.size == half
    np.testing.assert_allclose([frame.mean() for frame in back.frames], [0, 10, 20, 30, 40], atol=3)


@pytest.mark.parametrize("name", ["clean", "call_300k", "fps15"])
def test_a_voice_version_carries_the_control_s_pictures(
    flashes: Recording, tmp_path: Path, name: str
) -> None:
    control, copy = output(tmp_path, name), output(tmp_path, name, stem="copy")
    write_recording([control], flashes.frames, flashes.audio, ticks=flashes.ticks)
    late = np.roll(flashes.audio, 8000)
    write_with_video_of(control.path, copy, late)
    first, second = read_recording(control.path), read_recording(copy.path)
    assert all(np.array_equal(one, other) for one, other in zip(first.frames, second.frames, strict=True))
    np.testing.assert_allclose(beep_onsets_s(second), [0.5, 1.5, 2.5, 3.5], atol=MAX_SHIFT_S)


def test_several_profiles_at_once_equal_one_after_the_other(flashes: Recording, tmp_path: Path) -> None:
    names = ["hq", "lq", "freeze"]
    together = [output(tmp_path, name, stem=f"together-{name}") for name in names]
    write_recording(together, iter(flashes.frames), flashes.audio, ticks=flashes.ticks)
    for name, both in zip(names, together, strict=True):
        alone = output(tmp_path, name, stem=f"alone-{name}")
        write_recording([alone], flashes.frames, flashes.audio, ticks=flashes.ticks)
        assert alone.path.read_bytes() == both.path.read_bytes()


def test_a_failure_leaves_no_file(flashes: Recording, tmp_path: Path) -> None:
    def broken() -> object:
        yield from flashes.frames[:5]
        raise MediaError("The face is lost.", fix="Find it.")

    with pytest.raises(MediaError, match="face is lost"):
        write_recording([output(tmp_path, "clean")], broken(), flashes.audio, ticks=flashes.ticks)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(flashes: Recording, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="cannot be written"):
        write_recording(
            [output(tmp_path / "absent", "clean")], flashes.frames, flashes.audio, ticks=flashes.ticks
        )


def test_a_copy_of_what_is_not_there_is_refused(flashes: Recording, tmp_path: Path) -> None:
    with pytest.raises(MediaError):
        write_with_video_of(tmp_path / "absent.mp4", output(tmp_path, "clean"), flashes.audio)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("ticks", [1, 12, 31, 500])
def test_freezes_repeat_the_picture_before(ticks: int, seed: int) -> None:
    shown = PROFILES["freeze"].schedule(ticks, seed)
    assert len(shown) == ticks
    for tick, picture in enumerate(shown):
        assert picture == tick or picture == shown[tick - 1]
    assert shown == PROFILES["freeze"].schedule(ticks, seed)


def test_freezes_last_a_few_pictures_and_come_back() -> None:
    held = [
        sum(tick != picture for tick, picture in enumerate(PROFILES["freeze"].schedule(500, seed)))
        for seed in range(20)
    ]
    assert 20 < np.mean(held) < 150


def test_fewer_pictures_show_the_nearest_tick() -> None:
    shown = PROFILES["fps15"].schedule(500, 0)
    assert len(shown) == 300
    assert max(abs(tick / 25 - index / 15) for index, tick in enumerate(shown)) <= 0.02


def test_other_profiles_show_every_tick() -> None:
    for name in ("clean", "hq", "lq", "call_300k", "call_100k", "half_size"):
        assert PROFILES[name].schedule(7, 1) == list(range(7))


def test_an_unknown_profile_lists_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="clean") as caught:
        profile_named("best")
    assert "lq" in caught.value.fix


def test_parts_keep_their_scenes(flashes: Recording) -> None:
    joined = join("call", [flashes, flashes.part(0, 50), flashes], max_ticks=180)
    assert joined.ticks == 180
    assert len(joined.audio) == 180 * 640
    assert joined.scenes == ((0, 100), (100, 150), (150, 180))
    part = joined.part(90, 160)
    assert part.scenes == ((0, 10), (10, 60), (60, 70))
    np.testing.assert_array_equal(part.audio, joined.audio[90 * 640 : 160 * 640])
    assert part.frames[10] is joined.frames[100]


def test_joined_recordings_take_the_first_one_s_size(flashes: Recording) -> None:
    wide = Recording(
        name="wide", frames=[np.full((50, 200, 3), 7, np.uint8)] * 3, audio=np.zeros(3 * 640, np.float32)
    )
    joined = join("call", [flashes.part(0, 2), wide], max_ticks=5)
    assert {frame.shape for frame in joined.frames} == {(96, 128, 3)}
    assert (joined.frames[-1] == 7).all()


def test_reading_can_stop_early_and_scale_down(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "big.mp4", seconds=2, fps=30, size=(200, 100))
    recording = read_recording(path, max_seconds=0.8, max_width_px=101)
    assert recording.ticks == 20
    assert recording.size == (100, 50)
    assert len(recording.audio) == 20 * 640


@pytest.mark.parametrize("missing", ["video_codec", "audio_codec"])
def test_a_clip_needs_picture_and_sound(tmp_path: Path, missing: str) -> None:
    path = write_clip(tmp_path / "half.mp4", seconds=1, **{missing: None})
    with pytest.raises(MediaError):
        read_recording(path)


def test_what_is_not_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="not a file"):
        read_recording(tmp_path)
