"""The accelerated call of the soak, through the real pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.soak.replayed_engines import replayed_encoders
from bench.soak.virtual_call import MATERIAL_S, VirtualCall, read_material
from realtime.config import MonitorConfig
from realtime.errors import MediaError
from realtime.timebase import FRAME_RATE_HZ
from tests.support.media import write_clip


def test_a_call_of_minutes_passes_with_a_window_every_hop(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mkv", seconds=10, video_codec="mjpeg", audio_codec="pcm_s16le")
    material = read_material(clip)
    assert len(material.pictures) == len(material.sound) == MATERIAL_S * FRAME_RATE_HZ
    config = MonitorConfig()
    encoders = replayed_encoders(config)
    try:
        call = VirtualCall(encoders, config, None, material)
        call.live_through(90)
        after_mute = call.windows
        call.live_through(60)
        assert call.windows - after_mute == pytest.approx(
            60 * FRAME_RATE_HZ / config.windows.hop_ticks, abs=1
        )
    finally:
        encoders.close()


def test_a_clip_without_sound_is_refused(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mkv", seconds=2, video_codec="mjpeg", audio_codec=None)
    with pytest.raises(MediaError, match="no sound"):
        read_material(clip)
