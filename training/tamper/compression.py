"""Compression profiles: what a recording goes through after tampering, genuine controls alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from realtime.errors import ConfigurationError
from realtime.timebase import FRAME_RATE_HZ

_FREEZE_EVERY_S: Final = 2.5
_FREEZE_S: Final = (0.16, 0.8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A way to encode.

    Attributes:
        name: Its name in options and ground truth.
        container: File name suffix.
        video_codec: FFmpeg name of the video encoder.
        video_options: Options of the encoder.
        video_bit_rate: Bits per second; None where the options give a constant quality.
        audio_codec: FFmpeg name of the audio encoder.
        audio_options: Options of the encoder.
        audio_rate_hz: Sample rate of the encoded sound.
        audio_bit_rate: Bits per second.
        frame_rate: Pictures per second.
        freezes: Whether pictures get stuck now and then, as after packet loss.
        scale: Size of the encoded pictures against the recording's.
    """

    name: str
    container: str = ".mp4"
    video_codec: str = "libx264"
    video_options: Mapping[str, str] = field(default_factory=dict)
    video_bit_rate: int | None = None
    audio_codec: str = "aac"
    audio_options: Mapping[str, str] = field(default_factory=lambda: {"aac_coder": "fast"})
    audio_rate_hz: int = 16_000
    audio_bit_rate: int = 48_000
    frame_rate: int = FRAME_RATE_HZ
    freezes: bool = False
    scale: float = 1.0

    def schedule(self, ticks: int, seed: int) -> list[int]:
        """Return the tick that each encoded picture shows; the n-th is due at n / frame_rate seconds.

        Args:
            ticks: Length of the recording.
            seed: Where freezes happen; a recording and its control share it.
        """
        source = _with_freezes(ticks, seed) if self.freezes else np.arange(ticks)
        count = max(1, round(ticks * self.frame_rate / FRAME_RATE_HZ))
        nearest = np.rint(np.arange(count) * FRAME_RATE_HZ / self.frame_rate).astype(int)
        return [int(tick) for tick in source[np.minimum(nearest, ticks - 1)]]


def _constant_quality(crf: int) -> dict[str, str]:
    return {"preset": "veryfast", "crf": str(crf), "x264-params": "cpu-independent=1"}


_LIVE_H264: Final = {"preset": "veryfast", "tune": "zerolatency", "profile": "baseline"}
_LIVE_VP8: Final = {"deadline": "realtime", "cpu-used": "-6", "lag-in-frames": "0", "error-resilient": "1"}

PROFILES: Final[Mapping[str, Profile]] = {
    profile.name: profile
    for profile in (
        Profile(name="clean", video_options=_constant_quality(17), audio_bit_rate=64_000),
        Profile(name="hq", video_options=_constant_quality(23)),
        Profile(name="lq", video_options=_constant_quality(40), audio_bit_rate=24_000),
        Profile(
            name="call_1000k",
            container=".mkv",
            video_options=_LIVE_H264,
            video_bit_rate=1_000_000,
            audio_codec="libopus",
            audio_options={"application": "voip"},
            audio_rate_hz=48_000,
            audio_bit_rate=32_000,
        ),
        Profile(
            name="call_300k",
            container=".webm",
            video_codec="libvpx",
            video_options=_LIVE_VP8,
            video_bit_rate=300_000,
            audio_codec="libopus",
            audio_options={"application": "voip"},
            audio_rate_hz=48_000,
            audio_bit_rate=24_000,
        ),
        Profile(
            name="call_100k",
            container=".mkv",
            video_options=_LIVE_H264,
            video_bit_rate=100_000,
            audio_codec="libopus",
            audio_options={"application": "voip"},
            audio_rate_hz=48_000,
            audio_bit_rate=16_000,
        ),
        Profile(name="freeze", video_options=_constant_quality(23), freezes=True),
        Profile(name="half_size", video_options=_constant_quality(23), scale=0.5),
        Profile(name="fps15", video_options=_constant_quality(23), frame_rate=15),
    )
}


def profile_named(name: str) -> Profile:
    """Return a profile.

    Raises:
        ConfigurationError: If there is none of that name.
    """
    if name not in PROFILES:
        raise ConfigurationError(
            f"There is no compression profile {name!r}.", fix=f"Choose one of {', '.join(PROFILES)}."
        )
    return PROFILES[name]


def _with_freezes(ticks: int, seed: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the shown tick of each tick: pictures stick for 0.16-0.8 s, every 2.5 s on average."""
    rng = np.random.default_rng(seed)
    shown = np.arange(ticks, dtype=np.int64)
    tick = max(1, int(rng.uniform(0.1, 0.5) * min(ticks, 2 * FRAME_RATE_HZ)))
    while tick < ticks:
        length = max(1, round(rng.uniform(*_FREEZE_S) * FRAME_RATE_HZ))
        shown[tick : tick + length] = shown[tick - 1]
        tick += length + max(1, round(rng.exponential(_FREEZE_EVERY_S) * FRAME_RATE_HZ))
    return shown
