"""Simulated windows, calibrations of them, and the sequential test over many streams at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime.decision.baseline import AGE_BLOCKS, MEMORY_BLOCKS, Age
from realtime.decision.blocks import BlockRule
from realtime.decision.evidence import LEAST_STEP
from realtime.decision.fitting import fit
from realtime.decision.observation import Observation, Quality
from realtime.decision.quality import Level
from realtime.types import Modality

HOP_NS = 400_000_000
WINDOW_NS = 1_000_000_000
RULE = BlockRule(observations=2, hop_ns=HOP_NS)
GOOD = Quality(face_px=160.0, sharpness=250.0, speech_ratio=0.9, picture_ratio=1.0)


@dataclass(frozen=True)
class Law:
    """How the windows of genuine people are distributed.

    Attributes:
        between_sd: Standard deviation of a speaker's mean.
        within_sd: Standard deviation of one speaker's windows.
        correlation: Of one window with the next (first-order autoregression).
        heavy: Whether innovations follow a t distribution with 5 degrees of freedom.
    """

    between_sd: float
    within_sd: float = 0.1
    correlation: float = 0.0
    heavy: bool = False
    mean: float = 0.36

    def windows(self, rng: np.random.Generator, speakers: int, count: int) -> np.ndarray:
        """Draw windows of as many speakers, shape (speakers, count)."""
        shape = (speakers, count)
        noise = rng.standard_t(5, shape) / np.sqrt(5 / 3) if self.heavy else rng.standard_normal(shape)
        state = noise[:, 0]
        found = [state]
        for step in range(1, count):
            state = self.correlation * state + np.sqrt(1 - self.correlation**2) * noise[:, step]
            found.append(state)
        own = self.mean + self.between_sd * rng.standard_normal((speakers, 1))
        return np.clip(own + self.within_sd * np.stack(found, axis=1), -1.0, 1.0)


def observed(values, *, first=0, channel=Modality.CROSS, quality=GOOD):
    """One observation a hop; NaN is a window without one."""
    return [
        Observation(
            window_index=index,
            time_ns=index * HOP_NS + WINDOW_NS,
            channel=channel,
            value=float(value),
            quality=quality,
        )
        for index, value in enumerate(values, start=first)
        if not np.isnan(value)
    ]


def calibrated(streams, *, quality=GOOD, channels=(Modality.CROSS,)):
    """Fit on one clip a speaker; a second channel gets the same values."""
    return fit(
        [
            [[each for channel in channels for each in observed(values, channel=channel, quality=quality)]]
            for values in streams
        ],
        rule=RULE,
        description="simulated",
        engine_ids={"lips": "a", "voice": "b"},
        configuration_sha256="0" * 64,
    )


def calibration_of(law: Law, seed: int = 0, speakers: int = 24, windows: int = 100):
    """Fit on as many simulated speakers."""
    return calibrated(law.windows(np.random.default_rng(seed), speakers, windows))


def evidence(calibration, streams, rarity):
    """Run many streams of good windows through the cross channel at once.

    Args:
        calibration: With that channel.
        streams: Values of windows, shape (streams, windows).
        rarity: As ``ChannelTest`` takes it.

    Returns:
        Logarithms of the evidence for a change and since the start, each of shape (streams, blocks).
    """
    channel = calibration.channels[Modality.CROSS]
    size = calibration.rule.observations
    usable = streams.shape[1] // size * size
    blocks = streams[:, :usable].reshape(len(streams), -1, size).mean(axis=2)
    deviations = blocks - channel.levels[Level.GOOD].mean
    mean = np.zeros(len(streams))
    change, start = np.full(len(streams), -50.0), np.zeros(len(streams))
    changes, starts = [], []
    for index in range(blocks.shape[1]):
        weighed = min(index, MEMORY_BLOCKS)
        shrinkage = weighed / (weighed + channel.prior.prior_blocks) if weighed else 0.0
        offset = np.maximum(channel.prior.floor(rarity), mean * shrinkage) if weighed else 0.0
        age = max(age for age in Age if index >= AGE_BLOCKS[age])
        reference = channel.reference(Level.GOOD, age)
        bets = np.exp(-reference.tilt * (deviations[:, index] - offset))
        pooled = np.concatenate(reference.speakers)
        averages = [np.mean(np.exp(-reference.tilt * np.array(own))) for own in reference.speakers]
        total = max(np.exp(-reference.tilt * pooled).sum(), len(pooled) * np.mean(averages))
        log_e = channel.discount * np.log((len(pooled) + 1) * bets / (total + bets))
        step = np.where(log_e >= LEAST_STEP, log_e, np.minimum(log_e, -LEAST_STEP))
        change = np.logaddexp(0.0, change) + step
        start = np.maximum(-50.0, start + log_e)
        mean = mean + (deviations[:, index] - mean) / min(index + 1, MEMORY_BLOCKS)
        changes.append(change)
        starts.append(start)
    return np.stack(changes, axis=1), np.stack(starts, axis=1)
