"""Which media completes something; until it is there, analysing the rest gains nothing. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from realtime.config import MonitorConfig
from realtime.timebase import SAMPLES_PER_TICK


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestones:
    """The pictures on which the detector runs, and the samples that end what a window hears.

    Faces come out on the former, windows on the latter; a worker thread that looks at the media between gets
    the same results no earlier, for many times as many changes of threads.

    Attributes:
        picture_ticks: Every n-th tick is a milestone.
        audio_samples: Every n-th sample is a milestone.
        first_audio_sample: The first of them is this many samples later.
    """

    picture_ticks: int
    audio_samples: int
    first_audio_sample: int

    @classmethod
    def of(cls, config: MonitorConfig) -> Self:
        """Return the milestones of an analysis with these settings."""
        windows = config.windows
        return cls(
            picture_ticks=config.faces.detection_interval_ticks,
            audio_samples=windows.hop_ticks * SAMPLES_PER_TICK,
            first_audio_sample=(windows.length_ticks + windows.band_ticks) * SAMPLES_PER_TICK,
        )

    def met_by_picture(self, tick: int) -> bool:
        """Return whether the picture of a tick is one."""
        return tick % self.picture_ticks == 0

    def met_by_audio(self, start: int, end: int) -> bool:
        """Return whether one lies in ``(start, end]``: the samples ``[start, end)`` complete it."""
        return self._passed(end) > self._passed(start)

    def _passed(self, sample: int) -> int:
        return max(-1, (sample - self.first_audio_sample) // self.audio_samples)
