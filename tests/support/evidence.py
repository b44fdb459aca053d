"""Builders of windows and embeddings for tests of the pure core."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from realtime.config import WindowConfig
from realtime.timebase import SAMPLES_PER_TICK, tick_time_ns
from realtime.types import Embedding, LagEmbeddings, TimeSpan, Window

Float64 = npt.NDArray[np.float64]


def unit(rows: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Scale the last axis to unit norm."""
    values = np.asarray(rows, np.float64)
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)


def span_of(index: int, windows: WindowConfig) -> TimeSpan:
    """Return the span of a window on the hop grid."""
    start = index * windows.hop_ticks
    return TimeSpan(start_ns=tick_time_ns(start), end_ns=tick_time_ns(start + windows.length_ticks))


def embedding(index: int, vector: npt.ArrayLike, windows: WindowConfig | None = None) -> Embedding:
    """Return the embedding of a window."""
    return Embedding(
        window_index=index,
        span=span_of(index, windows or WindowConfig()),
        vector=unit(vector),
        engine_id="test",
    )


def lag_embeddings(
    index: int, rows: npt.ArrayLike, valid: npt.ArrayLike | None = None, windows: WindowConfig | None = None
) -> LagEmbeddings:
    """Return the voice of a window at every lag; rows that are not valid become zero."""
    vectors = unit(rows)
    mask = np.ones(len(vectors), np.bool_) if valid is None else np.asarray(valid, np.bool_)
    return LagEmbeddings(
        window_index=index,
        span=span_of(index, windows or WindowConfig()),
        vectors=np.where(mask[:, np.newaxis], vectors, np.float32(0)),
        valid=mask,
        engine_id="test",
    )


def window(
    index: int,
    windows: WindowConfig,
    *,
    faces: float = 1.0,
    audio: float = 1.0,
    speech: float = 1.0,
    reasons: tuple[str, ...] = (),
) -> Window:
    """Return a window in which the given fractions of the ticks carry a face, audio and speech."""
    length, band = windows.length_ticks, windows.band_ticks
    wide = length + 2 * band

    def share(fraction: float, ticks: int) -> npt.NDArray[np.bool_]:
        return np.arange(ticks) < round(fraction * ticks)

    audio_present = np.ones(wide, np.bool_)
    audio_present[band : band + length] = share(audio, length)
    probability = np.zeros(wide, np.float32)
    probability[band : band + length] = share(speech, length)
    return Window(
        index=index,
        span=span_of(index, windows),
        lips=np.zeros((length, 40, 2), np.float32),
        lips_present=share(faces, length),
        identity_embeddings=np.zeros((0, 8), np.float32),
        track_ids=(),
        audio=np.zeros(wide * SAMPLES_PER_TICK, np.float32),
        audio_present=audio_present,
        speech=probability,
        reasons=reasons,
    )


def footprint(root: object) -> tuple[int, int]:
    """Return the bytes of all arrays and the number of all container items reachable from an object."""
    seen: set[int] = set()
    array_bytes = items = 0
    todo: list[object] = [root]
    while todo:
        thing = todo.pop()
        if id(thing) in seen or thing is None or isinstance(thing, (int, float, str, bytes, type)):
            continue
        seen.add(id(thing))
        if isinstance(thing, np.ndarray):
            array_bytes += thing.nbytes
            continue
        if isinstance(thing, dict):
            children = [*thing.keys(), *thing.values()]
        elif hasattr(thing, "__len__") and hasattr(thing, "__iter__"):
            children = list(thing)
        else:
            children = list(getattr(thing, "__dict__", {}).values())
            children += [getattr(thing, name, None) for name in getattr(type(thing), "__slots__", ())]
            items -= len(children)
        items += len(children)
        todo.extend(children)
    return array_bytes, items
