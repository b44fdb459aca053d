"""Seamwatch's method with everything computed anew for every window: no interval, no ring, no sharing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from realtime.config import MonitorConfig
from realtime.encoders.suite import load_encoders
from realtime.ingest.file import read_media
from realtime.ingest.sink import PendingPicture
from realtime.judge import EncodedWindow
from realtime.pipeline import ParticipantPipeline
from realtime.timebase import tick_at, tick_time_ns
from realtime.types import AudioFrame, VideoFrame


class Anew:
    """Detector and identity encoder on every picture of every window; matrices over the whole clip."""

    def __init__(self) -> None:
        config = MonitorConfig()
        every_picture = replace(config.faces, detection_interval_ticks=1, identity_interval_ticks=1)
        self._config = replace(config, faces=every_picture)
        self._encoders = load_encoders(self._config)

    def score(self, clip: Path) -> float | None:
        """Return the paper's score (Eq. 4) after the last window; None where one half of it is missing."""
        pictures: list[VideoFrame] = []
        sound: list[AudioFrame] = []
        with read_media(clip) as media:
            for item in media:
                if isinstance(item, PendingPicture):
                    pictures.append(item.resolve())
                elif isinstance(item, AudioFrame):
                    sound.append(item)
        hop, length = self._config.windows.hop_ticks, self._config.windows.length_ticks
        end_tick = pictures[-1].tick + 1 if pictures else 0
        seen: list[EncodedWindow] = []
        score: float | None = None
        for start in range(0, end_tick - length + 1, hop):
            window = self._window(start, pictures, sound)
            if window is not None:
                seen.append(window)
            score = self._score(seen)
        return score

    def _window(
        self, start: int, pictures: Sequence[VideoFrame], sound: Sequence[AudioFrame]
    ) -> EncodedWindow | None:
        """Analyse the media of one window by a pipeline that knows nothing else."""
        windows, caught = self._config.windows, list[EncodedWindow]()
        pipeline = ParticipantPipeline(self._encoders, self._config, on_window=caught.append)
        stop = start + windows.length_ticks
        first_ns = tick_time_ns(max(0, start - windows.band_ticks))
        pipeline.push_audio(
            block for block in sound if first_ns <= block.start_ns < tick_time_ns(stop + windows.band_ticks)
        )
        by_tick = {picture.tick: picture for picture in pictures if start <= picture.tick < stop}
        pipeline.push_video(
            by_tick.get(tick, VideoFrame(tick=tick, image=None)) for tick in range(start, stop)
        )
        pipeline.flush()
        return next((each for each in caught if tick_at(each.window.span.start_ns) == start), None)

    def _score(self, seen: Sequence[EncodedWindow]) -> float | None:
        faces = [each.identity.vector for each in seen if each.identity is not None]
        zero = self._config.windows.band_ticks
        spoken = [
            (each.lips.vector, each.voice.vectors[zero])
            for each in seen
            if each.lips is not None and each.voice is not None and each.voice.valid[zero]
        ]
        scoring = self._config.scoring
        if len(faces) < scoring.min_intra_windows or len(spoken) < scoring.min_cross_windows:
            return None
        identities = np.stack(faces)
        lips, voice = (np.stack(rows) for rows in zip(*spoken, strict=True))
        intra = np.percentile(np.clip(identities @ identities.T, -1.0, 1.0), scoring.percentile)
        cross = np.diagonal(np.clip(lips @ voice.T, -1.0, 1.0)).mean()
        return float(intra + cross)
