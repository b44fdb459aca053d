"""A clip that tells its own time: every picture spells its number, and a beep starts every second."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.janus.fake_devices import (
    PICTURES_PER_S,
    SAMPLE_RATE_HZ,
    FakeDevices,
    write_fake_devices,
)
from realtime.types import Float32, UInt8

CLIP_S = 12
WIDTH_PX, HEIGHT_PX = 640, 480
CODE_BITS = 16
#: The number's blocks fill the picture's foot, lowest bit on the left; page/capture_times.js reads them too.
CODE_HEIGHT_PX = HEIGHT_PX // 8
BEEP_S = 0.06
BEEP_HZ = 1000.0
BEEP_PEAK = 0.6
#: A beep starts where silence of ``QUIET_S`` ends with a sample of at least this level.
BEEP_LEVEL = 0.2
QUIET_S = 0.2

_DARK, _LIGHT = 16, 235


def numbered_devices(folder: Path) -> FakeDevices:
    """Write the clip as camera and microphone."""
    return write_fake_devices(folder, numbered_pictures(), beeps())


def numbered_pictures() -> Iterator[UInt8]:
    """Yield the clip's pictures, waves above a number: uint8 RGB, shape (480, 640, 3)."""
    noise = np.random.default_rng(0)
    rows, columns = np.mgrid[0:HEIGHT_PX, 0:WIDTH_PX]
    for number in range(PICTURES_PER_S * CLIP_S):
        waves = np.sin(columns / 40 + number / 8) + np.cos(rows / 30 - number / 12)
        grey = 110 + 35 * waves + noise.normal(0, 2, waves.shape)
        picture = np.clip(grey, 0, 255).astype(np.uint8)
        picture[-CODE_HEIGHT_PX:] = spelled(number)
        yield np.repeat(picture[..., None], 3, axis=2)


def spelled(number: int) -> UInt8:
    """Return a number as blocks: uint8, shape (60, 640)."""
    bits = [_LIGHT if number >> bit & 1 else _DARK for bit in range(CODE_BITS)]
    row = np.repeat(np.array(bits, np.uint8), WIDTH_PX // CODE_BITS)
    return np.tile(row, (CODE_HEIGHT_PX, 1))


def read_number(picture: UInt8) -> int:
    """Return the number in a picture of any size: uint8 RGB, shape (height, width, 3)."""
    height, width = picture.shape[:2]
    row = picture[height - height // 16, :, 1]
    centres = (np.arange(CODE_BITS) * 2 + 1) * width // (2 * CODE_BITS)
    return sum(1 << bit for bit, column in enumerate(centres) if row[column] > 128)


def beeps() -> Float32:
    """Return the clip's sound: float32, shape (n,), at 44.1 kHz."""
    sound = np.zeros(CLIP_S * SAMPLE_RATE_HZ, np.float32)
    times_s = np.arange(round(BEEP_S * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    for second in range(CLIP_S):
        start = second * SAMPLE_RATE_HZ
        sound[start : start + times_s.size] = BEEP_PEAK * np.sin(2 * np.pi * BEEP_HZ * times_s)
    return sound


class BeepFinder:
    """Finds the starts of beeps in a stream of samples.

    Args:
        sample_rate_hz: Rate of the samples.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._quiet_samples = round(QUIET_S * sample_rate_hz)
        self._since_loud = 0

    def push(self, samples: Float32) -> list[int]:
        """Return where in these samples beeps start."""
        starts: list[int] = []
        newest = -1 - self._since_loud
        for index in np.flatnonzero(np.abs(samples) >= BEEP_LEVEL):
            if index - newest > self._quiet_samples:
                starts.append(int(index))
            newest = int(index)
        self._since_loud = len(samples) - 1 - newest
        return starts
