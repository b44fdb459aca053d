"""A clip in which every picture carries its number and every moment of the sound can be told apart.

A picture is a field of grey cells. The lower rows hold its number with a checksum; every other cell is dark
or bright as the number says, and changes every ``HOLD_PICTURES``, so that a damaged or stale part of the
picture shows. The sound is noise from a seed, which correlates with itself at one place only. So the place of
either in the source is known at every moment, as if there were a flash and a beep at each.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from realtime.timebase import SAMPLE_RATE_HZ
from realtime.types import Float32, UInt8

WIDTH_PX, HEIGHT_PX = 640, 480
CELL_PX = 32
COLUMNS, ROWS = WIDTH_PX // CELL_PX, HEIGHT_PX // CELL_PX
CODE_ROWS = 2
NUMBER_BITS, CHECK_BITS = 24, 16
#: A little slower than the grid's 25 fps: every picture is shown, and the ticks meet the pictures at every
#: phase, which tells their place between two ticks to a millisecond.
FRAME_RATE_HZ = 24
HOLD_PICTURES = 24
DARK, BRIGHT = 70, 170
THRESHOLD = 120

SOURCE_RATE_HZ = 48_000
BAND_HZ = (200, 6_000)
LOUDNESS = 0.1
SOUND_SEED = 20261123


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The clip's facts.

    Attributes:
        seconds: Its length.
        sound_late_ms: How much later than the pictures its sound is; 0 but where the meter is tested.
    """

    seconds: int
    sound_late_ms: int = 0


@dataclass(frozen=True, slots=True)
class PictureReading:
    """What a picture says.

    Attributes:
        number: Its number; None where the code is not legible.
        wrong_cells: Cells that do not show what the number demands.
    """

    number: int | None
    wrong_cells: int


def cells(number: int) -> npt.NDArray[np.bool_]:
    """Return which cells of a picture are bright, shape (ROWS, COLUMNS)."""
    field = ROWS * COLUMNS
    cell = np.arange(field, dtype=np.uint64)
    epoch = (np.uint64(number) + cell * np.uint64(7)) // np.uint64(HOLD_PICTURES)
    mixed = (cell * np.uint64(2_654_435_761) + epoch * np.uint64(2_246_822_519)) % np.uint64(1 << 32)
    mixed = (mixed ^ (mixed >> np.uint64(15))) * np.uint64(3_266_489_917) % np.uint64(1 << 32)
    bright = ((mixed >> np.uint64(16)) & np.uint64(1)).astype(np.bool_).reshape(ROWS, COLUMNS)
    check = binascii.crc_hqx(number.to_bytes(NUMBER_BITS // 8), 0)
    code = number << CHECK_BITS | check
    width = NUMBER_BITS + CHECK_BITS
    bits = [bool(code >> shift & 1) for shift in reversed(range(width))]
    bright[-CODE_ROWS:] = np.array(bits).reshape(CODE_ROWS, COLUMNS)
    return bright


def read_picture(luma: UInt8) -> PictureReading:
    """Read a picture of the clip, uint8, shape (HEIGHT_PX, WIDTH_PX); another shape is not legible."""
    if luma.shape != (HEIGHT_PX, WIDTH_PX):
        return PictureReading(None, ROWS * COLUMNS)
    inner = slice(CELL_PX // 4, CELL_PX * 3 // 4)
    means = luma.reshape(ROWS, CELL_PX, COLUMNS, CELL_PX)[:, inner, :, inner].mean(axis=(1, 3))
    bright = means > THRESHOLD
    code = int("".join("1" if bit else "0" for bit in bright[-CODE_ROWS:].ravel()), 2)
    number, check = code >> CHECK_BITS, code & (1 << CHECK_BITS) - 1
    if binascii.crc_hqx(number.to_bytes(NUMBER_BITS // 8), 0) != check:
        return PictureReading(None, ROWS * COLUMNS)
    return PictureReading(number, int((bright != cells(number)).sum()))


def sound(seconds: int, rate_hz: int = SAMPLE_RATE_HZ) -> Float32:
    """Return the clip's sound, float32, shape (seconds * rate_hz,): the same at every rate."""
    lines = BAND_HZ[1] * seconds
    random = np.random.default_rng(SOUND_SEED)
    spectrum = np.zeros(seconds * rate_hz // 2 + 1, dtype=np.complex128)
    phases = np.exp(2j * np.pi * random.random(lines))
    first = BAND_HZ[0] * seconds
    spectrum[first:lines] = phases[first:]
    wave = np.fft.irfft(spectrum, seconds * rate_hz)
    return np.asarray(wave * (LOUDNESS / wave.std()), dtype=np.float32)


def write_calibration(path: Path, clip: Calibration) -> Path:
    """Write the clip in high quality: H.264 and PCM at 48 kHz, two channels, in a .mov.

    Args:
        path: Where to.
        clip: Its length, and by how much its sound is late.
    """
    with av.open(str(path), "w", format="mov") as out:
        video: Any = out.add_stream("libx264", rate=FRAME_RATE_HZ)
        video.width, video.height, video.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        video.codec_context.time_base = Fraction(1, FRAME_RATE_HZ)
        video.codec_context.gop_size = FRAME_RATE_HZ
        video.codec_context.thread_count = 1
        video.codec_context.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "18"}
        audio: Any = out.add_stream("pcm_s16le", rate=SOURCE_RATE_HZ, layout="stereo")
        blocks = _blocks(clip)
        for picture in _pictures(clip):
            out.mux(video.encode(picture))
            block = next(blocks, None)
            if block is not None:
                out.mux(audio.encode(block))
        for block in blocks:
            out.mux(audio.encode(block))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))
    return path


def _pictures(clip: Calibration) -> Iterator[av.VideoFrame]:
    random = np.random.default_rng(SOUND_SEED)
    grain = random.normal(0, 3, (8, HEIGHT_PX, WIDTH_PX)).astype(np.float32)
    rows, columns = np.mgrid[0:HEIGHT_PX, 0:WIDTH_PX].astype(np.float32)
    rows, columns = rows * np.float32(2 * np.pi / 160), columns * np.float32(2 * np.pi / 160)
    for number in range(clip.seconds * FRAME_RATE_HZ):
        levels = np.where(cells(number), np.float32(BRIGHT), np.float32(DARK))
        image = np.repeat(np.repeat(levels, CELL_PX, axis=0), CELL_PX, axis=1) + grain[number % len(grain)]
        image += 15 * np.sin(columns + np.float32(number / 20)) * np.cos(rows - np.float32(number / 30))
        planes = np.full((HEIGHT_PX * 3 // 2, WIDTH_PX), 128, dtype=np.uint8)
        planes[:HEIGHT_PX] = np.clip(image, 16, 235).astype(np.uint8)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, FRAME_RATE_HZ)
        yield frame


def _blocks(clip: Calibration) -> Iterator[av.AudioFrame]:
    wave = np.roll(sound(clip.seconds, SOURCE_RATE_HZ), clip.sound_late_ms * SOURCE_RATE_HZ // 1000)
    samples = np.repeat((np.clip(wave, -1, 1) * 32767).astype(np.int16), 2).reshape(1, -1)
    step = SOURCE_RATE_HZ // FRAME_RATE_HZ
    for first in range(0, len(wave), step):
        part = np.ascontiguousarray(samples[:, 2 * first : 2 * (first + step)])
        frame = av.AudioFrame.from_ndarray(part, format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = SOURCE_RATE_HZ, first, Fraction(1, SOURCE_RATE_HZ)
        yield frame
