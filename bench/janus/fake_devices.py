"""What Chromium plays in place of a camera and a microphone.

The camera is a file of JPEG pictures, which Chromium plays at 30 a second, over and over; the microphone
a WAV file. Both are of exactly one length, so that they stay together however often they begin again.
"""

from __future__ import annotations

import wave
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

from realtime.errors import MediaError
from realtime.types import Float32, UInt8, read_only

PICTURES_PER_S = 30
SAMPLE_RATE_HZ = 44_100
SAMPLES_PER_PICTURE = SAMPLE_RATE_HZ // PICTURES_PER_S
JPEG_QUALITY = 92


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeDevices:
    """The two files of one participant.

    Attributes:
        camera: JPEG pictures, one after the other (``.mjpeg``).
        microphone: 16-bit stereo WAV at 44.1 kHz.
    """

    camera: Path
    microphone: Path

    @property
    def flags(self) -> list[str]:
        """Chromium's command-line flags that put the files in place of devices."""
        return [
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-video-capture={self.camera}",
            f"--use-file-for-fake-audio-capture={self.microphone}",
        ]


def fake_devices(clip: Path, folder: Path, *, height_px: int = 480) -> FakeDevices:
    """Write a clip as camera and microphone.

    Args:
        clip: A file with pictures and sound; its pictures may come at any rate.
        folder: Where to.
        height_px: Height of the camera's picture; its width keeps the clip's proportions.

    Raises:
        MediaError: The clip cannot be read, or lacks pictures or sound.
    """
    try:
        return write_fake_devices(folder, _pictures(clip, height_px), _sound(clip))
    except (OSError, av.error.FFmpegError) as error:
        raise MediaError(
            f"{clip} cannot be read: {error}.", fix="Give a clip with video and sound."
        ) from error


def write_fake_devices(folder: Path, pictures: Iterable[UInt8], sound: Float32) -> FakeDevices:
    """Write pictures and sound as camera and microphone.

    Args:
        folder: Where to; made if need be.
        pictures: uint8 RGB, shape (height, width, 3), 30 a second.
        sound: float32, shape (n,), range [-1, 1], at 44.1 kHz; cut or filled up with silence to fit.

    Raises:
        MediaError: There are no pictures, or no sound.
    """
    folder.mkdir(parents=True, exist_ok=True)
    devices = FakeDevices(camera=folder / "camera.mjpeg", microphone=folder / "microphone.wav")
    count = 0
    with devices.camera.open("wb") as camera:
        for picture in pictures:
            bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
            camera.write(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes())
            count += 1
    if count == 0 or sound.size == 0:
        raise MediaError("The clip lacks pictures or sound.", fix="Give a clip with both.")
    length = count * SAMPLES_PER_PICTURE
    fitted = np.pad(sound[:length], (0, max(0, length - sound.size)))
    pcm = np.round(np.clip(fitted, -1, 1) * 32767).astype("<i2")
    with wave.open(str(devices.microphone), "wb") as microphone:
        microphone.setnchannels(2)
        microphone.setsampwidth(2)
        microphone.setframerate(SAMPLE_RATE_HZ)
        microphone.writeframes(np.repeat(pcm, 2).tobytes())
    return devices


def _pictures(clip: Path, height_px: int) -> Iterator[UInt8]:
    """Yield, 30 times a second, the newest picture."""
    due = 0
    with av.open(str(clip)) as container:
        held: UInt8 | None = None
        for frame in container.decode(video=0):
            while held is not None and due < frame.time * PICTURES_PER_S - 1e-6:
                yield held
                due += 1
            width_px = 2 * round(frame.width * height_px / frame.height / 2)
            held = read_only(frame.reformat(width_px, height_px, "rgb24").to_ndarray())
        rate = container.streams.video[0].average_rate
        end_s = 0.0 if held is None else frame.time + (0 if not rate else 1 / rate)
        while held is not None and due < end_s * PICTURES_PER_S - 1e-6:
            yield held
            due += 1


def _sound(clip: Path) -> Float32:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
    blocks: list[Float32] = []
    with av.open(str(clip)) as container:
        if not container.streams.audio:
            return np.zeros(0, np.float32)
        for frame in [*container.decode(audio=0), None]:
            blocks += [np.asarray(part.to_ndarray()[0], np.float32) for part in resampler.resample(frame)]
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
