"""Encoded windows of files, made once by the live pipeline and kept in a folder, a few kB a window."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from realtime.config import MonitorConfig
from realtime.encoders.suite import EncoderSuite
from realtime.judge import EncodedWindow
from realtime.scan import scan_file
from realtime.timebase import tick_time_ns
from realtime.types import Bool, Embedding, Float32, LagEmbeddings, TimeSpan, Window, read_only

#: Part of every cache key; raised when a record holds something else.
RECORD_VERSION = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedWindows:
    """What the judge needs of each window of one file; N windows.

    Attributes:
        index: int64, shape (N,).
        identity: float32, shape (N, D); NaN without a face.
        agreement: float32, shape (N, L): cosine of lips and voice by lag; NaN where the audio is missing.
        has_lips: bool, shape (N,).
        has_voice: bool, shape (N,).
        lips_present: bool, shape (N, F), per tick.
        heard: bool, shape (N, F + 2 B), audio present per tick.
        speech: float32, shape (N, F + 2 B), probability of speech per tick.
        face_px: float64, shape (N,); NaN without a face.
        sharpness: float64, shape (N,); NaN without a face.
        other_faces: int64, shape (N,).
        reasons: Why parts of a window are missing, joined by commas.
        unfit: Why lips and voice cannot be compared, joined by commas.
    """

    index: np.ndarray[tuple[int], np.dtype[np.int64]]
    identity: Float32
    agreement: Float32
    has_lips: Bool
    has_voice: Bool
    lips_present: Bool
    heard: Bool
    speech: Float32
    face_px: np.ndarray[tuple[int], np.dtype[np.float64]]
    sharpness: np.ndarray[tuple[int], np.dtype[np.float64]]
    other_faces: np.ndarray[tuple[int], np.dtype[np.int64]]
    reasons: tuple[str, ...]
    unfit: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.index)


class WindowLibrary:
    """Recorded windows by file; a file is analysed at most once per engine set and configuration.

    Args:
        encoders: The encoders.
        config: Settings of the pipeline.
        folder: Where records are kept.
    """

    def __init__(self, encoders: EncoderSuite, config: MonitorConfig, folder: Path) -> None:
        self._encoders = encoders
        self._config = config
        self._folder = folder
        self._condition = repr((RECORD_VERSION, config.faces, config.windows, sorted(encoders.ids.items())))

    def windows(self, path: Path) -> RecordedWindows:
        """Return the windows of a file.

        Raises:
            MediaError: The file cannot be read.
        """
        digest = hashlib.sha256(self._condition.encode() + path.read_bytes()).hexdigest()
        kept = self._folder / f"{digest}.npz"
        if not kept.exists():
            recorded = self._record(path)
            self._folder.mkdir(parents=True, exist_ok=True)
            partial = kept.with_suffix(".partial")
            with partial.open("wb") as file:
                np.savez(file, **{name: getattr(recorded, name) for name in RecordedWindows.__slots__})
            partial.replace(kept)
        with np.load(kept, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in RecordedWindows.__slots__}
        for name in ("reasons", "unfit"):
            arrays[name] = tuple(str(text) for text in arrays[name])
        return RecordedWindows(**arrays)

    def _record(self, path: Path) -> RecordedWindows:
        seen: list[EncodedWindow] = []
        scan_file(path, self._encoders, self._config, on_window=lambda encoded: seen.append(_slim(encoded)))
        return _stack(seen, self._encoders.identity.dimension, self._config)


def encoded_windows(recorded: RecordedWindows, config: MonitorConfig, from_index: int) -> list[EncodedWindow]:
    """Return the windows as the pipeline handed them to the judge, their first one at another place in time.

    Lips and voice are unit vectors of two dimensions that have the recorded cosine at every lag: all that
    scores follow from, at a thousandth of the memory. Their similarity across windows means nothing.
    """
    windows, length = config.windows, config.windows.length_ticks
    lips_vector = read_only(np.array([1.0, 0.0], np.float32))
    no_lips = read_only(np.broadcast_to(np.float32(0), (length, 40, 2)))
    no_audio = read_only(np.zeros(0, np.float32))
    no_faces = read_only(np.zeros((0, recorded.identity.shape[1]), np.float32))
    found = []
    for row in range(len(recorded)):
        index = int(recorded.index[row] - recorded.index[0]) + from_index
        start = index * windows.hop_ticks
        span = TimeSpan(start_ns=tick_time_ns(start), end_ns=tick_time_ns(start + length))
        window = Window(
            index=index,
            span=span,
            lips=no_lips,
            lips_present=recorded.lips_present[row],
            identity_embeddings=no_faces,
            track_ids=(),
            audio=no_audio,
            audio_present=recorded.heard[row],
            speech=recorded.speech[row],
            face_px=_optional(recorded.face_px[row]),
            sharpness=_optional(recorded.sharpness[row]),
            other_faces=int(recorded.other_faces[row]),
            reasons=_split(recorded.reasons[row]),
        )
        identity = recorded.identity[row]
        found.append(
            EncodedWindow(
                window=window,
                identity=None
                if np.isnan(identity[0])
                else Embedding(window_index=index, span=span, vector=identity, engine_id="recorded"),
                lips=Embedding(window_index=index, span=span, vector=lips_vector, engine_id="recorded")
                if recorded.has_lips[row]
                else None,
                voice=_voice(recorded.agreement[row], index, span) if recorded.has_voice[row] else None,
                unfit=_split(recorded.unfit[row]),
            )
        )
    return found


def _voice(agreement: Float32, index: int, span: TimeSpan) -> LagEmbeddings:
    valid = np.isfinite(agreement)
    cosine = np.where(valid, agreement, 0.0)
    vectors = np.stack([cosine, np.sqrt(np.maximum(0.0, 1.0 - cosine**2))], axis=1).astype(np.float32)
    vectors[~valid] = 0.0
    return LagEmbeddings(
        window_index=index,
        span=span,
        vectors=read_only(vectors),
        valid=read_only(valid),
        engine_id="recorded",
    )


def _slim(encoded: EncodedWindow) -> EncodedWindow:
    """Let go of the arrays that only the encoders needed."""
    empty = np.zeros(0, np.float32)
    return replace(encoded, window=replace(encoded.window, lips=empty, audio=empty, mouth=None))


def _stack(seen: Sequence[EncodedWindow], dimension: int, config: MonitorConfig) -> RecordedWindows:
    lags = 2 * config.windows.band_ticks + 1
    missing = np.full(dimension, np.nan, np.float32)
    return RecordedWindows(
        index=np.array([one.window.index for one in seen], np.int64),
        identity=np.array(
            [missing if one.identity is None else one.identity.vector for one in seen], np.float32
        ).reshape(-1, dimension),
        agreement=np.array([_agreement(one, lags) for one in seen], np.float32).reshape(-1, lags),
        has_lips=np.array([one.lips is not None for one in seen], np.bool_),
        has_voice=np.array([one.voice is not None for one in seen], np.bool_),
        lips_present=np.array([one.window.lips_present for one in seen], np.bool_),
        heard=np.array([one.window.audio_present for one in seen], np.bool_),
        speech=np.array([one.window.speech for one in seen], np.float32),
        face_px=np.array([one.window.face_px for one in seen], np.float64),
        sharpness=np.array([one.window.sharpness for one in seen], np.float64),
        other_faces=np.array([one.window.other_faces for one in seen], np.int64),
        reasons=tuple(",".join(one.window.reasons) for one in seen),
        unfit=tuple(",".join(one.unfit) for one in seen),
    )


def _agreement(encoded: EncodedWindow, lags: int) -> Float32:
    agreement = np.full(lags, np.nan, np.float32)
    if encoded.voice is not None:
        valid = encoded.voice.valid
        agreement[valid] = 0.0
        if encoded.lips is not None:
            agreement[valid] = np.clip(encoded.voice.vectors[valid] @ encoded.lips.vector, -1.0, 1.0)
    return agreement


def _optional(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()
