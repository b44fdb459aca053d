"""Made-up calls as the encoders hand them to the judge, and a calibration from the same kind of people."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from realtime.calibration_file import configuration_sha256
from realtime.config import MonitorConfig
from realtime.decision.blocks import BlockRule
from realtime.decision.calibration import Calibration
from realtime.decision.fitting import fit
from realtime.judge import EncodedWindow, Judge, WindowResult
from realtime.timebase import NS_PER_S, TICK_NS
from tests.support.evidence import embedding, lag_embeddings, unit, window

CONFIG = MonitorConfig()
HOP_S = CONFIG.windows.hop_ticks * TICK_NS / NS_PER_S
DIMENSION = 32
LAGS = 2 * CONFIG.windows.band_ticks + 1

#: Agreement of genuine lips and voice at lag zero and far from it, and the deviation of one window.
FIT, FLOOR, DEVIATION = 0.34, 0.14, 0.08


@dataclass(frozen=True)
class Shown:
    """What one window shows.

    Attributes:
        face: Unit-norm identity; None where there is no face.
        agreement: Usual similarity of lips and voice at the right lag.
        lips: Whether the lips are usable.
        voice: Whether there is sound.
        speech: Fraction of the window with speech.
        face_px: As measured; None where it was not.
        sharpness: As measured; None where it was not.
        other_faces: Beside the followed one.
        reasons: Why parts are missing.
        unfit: Why lips and voice cannot be compared.
    """

    face: np.ndarray | None
    agreement: float = FIT
    lips: bool = True
    voice: bool = True
    speech: float = 0.9
    face_px: float | None = 160.0
    sharpness: float | None = 250.0
    other_faces: int = 0
    reasons: tuple[str, ...] = ()
    unfit: tuple[str, ...] = ()


def face_of(person: int) -> np.ndarray:
    """Return a person's identity; two people are not alike at all."""
    return np.eye(DIMENSION, dtype=np.float32)[person]


def between(one: np.ndarray, other: np.ndarray, cosine: float) -> np.ndarray:
    """Return what has a similarity to one of two faces that are not alike, and is closest to the other."""
    return unit(cosine * one + np.sqrt(1.0 - cosine**2) * other)


def encoded(index: int, shown: Shown, rng: np.random.Generator) -> EncodedWindow:
    """Return one window; every call draws the same numbers, whatever is shown."""
    blur, noise = 0.06 * rng.standard_normal(DIMENSION), rng.standard_normal(LAGS + 4)
    shared = np.convolve(noise, np.ones(5) / np.sqrt(5), mode="valid")
    distance = (np.arange(LAGS) - LAGS // 2) / 2.5
    fits = shown.agreement > 0.0
    level = FLOOR + (shown.agreement - FLOOR) * np.exp(-(distance**2)) if fits else shown.agreement
    cosine = np.clip(level + DEVIATION * shared, -0.99, 0.99)
    cut = window(
        index,
        CONFIG.windows,
        faces=1.0 if shown.lips else 0.0,
        audio=1.0 if shown.voice else 0.0,
        speech=shown.speech if shown.voice else 0.0,
        reasons=shown.reasons,
    )
    return EncodedWindow(
        window=replace(cut, face_px=shown.face_px, sharpness=shown.sharpness, other_faces=shown.other_faces),
        identity=None if shown.face is None else embedding(index, shown.face + blur),
        lips=embedding(index, [1.0, 0.0]) if shown.lips else None,
        voice=lag_embeddings(index, np.stack([cosine, np.sqrt(1 - cosine**2)], axis=1))
        if shown.voice
        else None,
        unfit=shown.unfit,
    )


def shown_for(seconds: float, shown: Shown | Callable[[float], Shown]) -> list[Shown]:
    """Return what the windows of so much time show; a function is asked with the seconds since its start."""
    count = round(seconds / HOP_S)
    return [shown(step * HOP_S) if callable(shown) else shown for step in range(count)]


def call(*parts: Iterable[Shown], seed: int = 0, first: int = 0) -> list[EncodedWindow]:
    """Return the windows of a call, one part after the other."""
    rng = np.random.default_rng(seed)
    every = [shown for part in parts for shown in part]
    return [encoded(index, shown, rng) for index, shown in enumerate(every, start=first)]


def judged(judge: Judge, windows: Iterable[EncodedWindow]) -> list[WindowResult]:
    """Let the judge take windows."""
    return [judge.take(each) for each in windows]


@cache
def calibration(*, looks_aside: bool = True) -> Calibration:
    """Fit on the observations of genuine people who speak for 40 s each.

    Args:
        looks_aside: Whether their faces are less like themselves now and then; else all values are alike, as
            on clean recordings.
    """
    people = []
    for person in range(16):
        own_fit = FIT + 0.03 * float(np.random.default_rng(person).standard_normal())
        straight = Shown(face_of(person), agreement=own_fit)
        aside = replace(straight, face=between(face_of(person), face_of(person + 1), 0.42))
        windows = [aside if looks_aside and step % 22 >= 20 else straight for step in range(100)]
        results = judged(Judge(CONFIG), call(windows, seed=1000 + person))
        people.append([[each for result in results for each in result.observations]])
    return fit(
        people,
        rule=BlockRule(),
        description="made up",
        engine_ids={"identity": "made-up"},
        configuration_sha256=configuration_sha256(CONFIG),
    )
