"""Camera and microphone of a fake participant keep a clip's pictures and sound together."""

from __future__ import annotations

import wave
from pathlib import Path

import cv2
import numpy as np
import pytest

from bench.janus.fake_devices import (
    PICTURES_PER_S,
    SAMPLE_RATE_HZ,
    SAMPLES_PER_PICTURE,
    fake_devices,
    write_fake_devices,
)
from clients.demo.clip_writer import clip_suffix, write_clip
from realtime.errors import MediaError
from realtime.types import UInt8

FLASH_TICKS = (20, 45)


def pictures_of(camera: Path) -> list[UInt8]:
    encoded = camera.read_bytes().split(b"\xff\xd8\xff")[1:]
    return [cv2.imdecode(np.frombuffer(b"\xff\xd8\xff" + one, np.uint8), cv2.IMREAD_COLOR) for one in encoded]


def sound_of(microphone: Path) -> np.ndarray:
    with wave.open(str(microphone), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, SAMPLE_RATE_HZ)
        stereo = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    assert (stereo[:, 0] == stereo[:, 1]).all()
    return stereo[:, 0] / 32768


def test_flashes_and_beeps_of_a_25_fps_clip_stay_together(tmp_path: Path) -> None:
    clip = tmp_path / f"clip{clip_suffix()}"
    ticks = []
    for tick in range(75):
        bright = tick in FLASH_TICKS
        beep = np.sin(np.arange(640) * 0.4).astype(np.float32) * 0.5 if bright else np.zeros(640, np.float32)
        ticks.append((np.full((96, 128, 3), 230 if bright else 20, np.uint8), beep))
    write_clip(clip, ticks, title="flash and beep")

    devices = fake_devices(clip, tmp_path / "devices", height_px=48)

    pictures, sound = pictures_of(devices.camera), sound_of(devices.microphone)
    assert abs(len(pictures) - 3 * PICTURES_PER_S) <= 1
    assert len(sound) == len(pictures) * SAMPLES_PER_PICTURE
    assert pictures[0].shape == (48, 64, 3)
    bright = [index / PICTURES_PER_S for index, picture in enumerate(pictures) if picture.mean() > 125]
    loud = np.flatnonzero(np.abs(sound) > 0.2) / SAMPLE_RATE_HZ
    for tick in FLASH_TICKS:
        flash_s = min(time for time in bright if time >= tick / 25 - 1e-6)
        beep_s = min(time for time in loud if time >= tick / 25 - 0.03)
        assert 0 <= flash_s - tick / 25 < 1 / PICTURES_PER_S
        assert beep_s == pytest.approx(tick / 25, abs=0.025)


def test_the_files_go_in_place_of_devices(tmp_path: Path) -> None:
    devices = write_fake_devices(
        tmp_path, [np.zeros((32, 32, 3), np.uint8)] * 3, np.ones(9 * SAMPLES_PER_PICTURE, np.float32)
    )
    assert len(sound_of(devices.microphone)) == 3 * SAMPLES_PER_PICTURE
    assert f"--use-file-for-fake-video-capture={devices.camera}" in devices.flags
    assert f"--use-file-for-fake-audio-capture={devices.microphone}" in devices.flags


def test_a_clip_without_pictures_or_sound_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="lacks"):
        write_fake_devices(tmp_path, [], np.ones(10, np.float32))
    with pytest.raises(MediaError, match="lacks"):
        write_fake_devices(tmp_path, [np.zeros((32, 32, 3), np.uint8)], np.zeros(0, np.float32))
    with pytest.raises(MediaError, match="cannot be read"):
        fake_devices(tmp_path / "missing.mp4", tmp_path)
