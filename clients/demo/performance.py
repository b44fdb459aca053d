"""How a synthetic head moves while it speaks: sway, nods, blinks and light, frame by frame."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from clients.demo.synthetic_head import HeadFrame
from clients.demo.utterance import Utterance
from realtime.timebase import FRAME_RATE_HZ

_BLINK = (0.35, 0.9, 1.0, 0.75, 0.3)


def _drift(rng: np.random.Generator, count: int, step_s: float, amount: float) -> npt.NDArray[np.float64]:
    """Return smooth noise of about the given deviation, shape (count,)."""
    knots = rng.standard_normal(int(count / FRAME_RATE_HZ / step_s) + 4)
    at = np.arange(count) / FRAME_RATE_HZ / step_s + 1
    first = at.astype(int)
    part = (at - first) ** 2 * (3 - 2 * (at - first))
    drift = amount * (knots[first] * (1 - part) + knots[first + 1] * part)
    return np.asarray(np.clip(drift, -2 * amount, 2 * amount), np.float64)


def _blinks(rng: np.random.Generator, count: int) -> npt.NDArray[np.float64]:
    lids = np.zeros(count)
    at = int(rng.uniform(0.8, 3.0) * FRAME_RATE_HZ)
    while at + len(_BLINK) < count:
        lids[at : at + len(_BLINK)] = _BLINK
        at += int(rng.uniform(1.8, 5.0) * FRAME_RATE_HZ)
    return lids


def perform(lips: Utterance, seed: int) -> list[HeadFrame]:
    """Return what the head does in every 25 fps picture of an utterance.

    Args:
        lips: What the mouth says.
        seed: Seed of everything that is not the mouth.
    """
    rng = np.random.default_rng([seed, 0x3030])
    opening, roundness = lips.lips_at_frames()
    count = opening.size
    yaw = _drift(rng, count, 1.1, 0.07) + _drift(rng, count, 0.4, 0.015)
    pitch = _drift(rng, count, 0.9, 0.035) + 0.03 * (opening - 0.3)
    roll = _drift(rng, count, 1.4, 0.03)
    sway_x, sway_y = _drift(rng, count, 1.6, 0.35), _drift(rng, count, 1.3, 0.15)
    lamp = np.clip(0.35 + _drift(rng, count, 4.0, 0.2), 0, 1)
    exposure = 1 + _drift(rng, count, 3.0, 0.035)
    lids = _blinks(rng, count)
    return [
        HeadFrame(
            opening=float(opening[i]),
            roundness=float(roundness[i]),
            lids=float(lids[i]),
            yaw=float(yaw[i]),
            pitch=float(pitch[i]),
            roll=float(roll[i]),
            shift=(float(sway_x[i]), float(sway_y[i])),
            lamp=float(lamp[i]),
            exposure=float(exposure[i]),
        )
        for i in range(count)
    ]
