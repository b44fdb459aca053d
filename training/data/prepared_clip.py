"""The features of one clip, and how they are written down."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engines.frontend.alignment import ALIGNED_SIZE_PX
from realtime.timebase import SAMPLES_PER_TICK
from realtime.types import Bool, Float32, UInt8
from training.data.clip import Clip

Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]

FEATURE_VERSION: Final = 1
"""Raised whenever the same file would give other features."""

_ARRAYS: Final = ("lips", "mouth", "present", "track", "audio", "speech", "identity", "identity_ticks")
_FACE_ARRAYS: Final = ("faces", "face_ticks")


def _no_faces() -> UInt8:
    return np.zeros((0, ALIGNED_SIZE_PX, ALIGNED_SIZE_PX, 3), np.uint8)


def _no_ticks() -> Int32:
    return np.zeros(0, np.int32)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedClip:
    """The features of T ticks, all that both tracks cover; audio never ends in padding.

    Attributes:
        clip: Where they come from.
        lips: float32, shape (T, 40, 2), as from ``engines.frontend.lips``; 0 where not present.
        mouth: uint8 grey, shape (T, 64, 64), as from ``engines.frontend.mouth``; 0 where not present.
        present: bool, shape (T,): whether the lips are usable.
        track: int32, shape (T,): face track; it changes at a cut. -1 without a face.
        audio: int16, shape (640 T,), 16 kHz mono; 0 in the holes of the recording.
        speech: float32, shape (T,): probability of speech, 0 in the holes.
        identity: float32, shape (K, 128), unit-norm rows.
        identity_ticks: int32, shape (K,), increasing.
        face_size_px: Median size of the usable faces in the file's pictures.
        sharpness: Median sharpness of the aligned faces; 0 where K is 0.
        faces: uint8 RGB, shape (M, 112, 112, 3), aligned to the five-point template; M is 0 unless they were
            asked for.
        face_ticks: int32, shape (M,), increasing.
    """

    clip: Clip
    lips: Float32
    mouth: UInt8
    present: Bool
    track: Int32
    audio: Int16
    speech: Float32
    identity: Float32
    identity_ticks: Int32
    face_size_px: float
    sharpness: float
    faces: UInt8 = field(default_factory=_no_faces)
    face_ticks: Int32 = field(default_factory=_no_ticks)

    def __post_init__(self) -> None:
        ticks = self.ticks
        shapes = {
            "lips": (ticks, 40, 2),
            "mouth": (ticks, 64, 64),
            "present": (ticks,),
            "track": (ticks,),
            "audio": (ticks * SAMPLES_PER_TICK,),
            "speech": (ticks,),
            "identity_ticks": (len(self.identity),),
            "faces": (len(self.face_ticks), ALIGNED_SIZE_PX, ALIGNED_SIZE_PX, 3),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ValueError(
                    f"{name} of {self.clip.name} has shape {getattr(self, name).shape}, not {shape}"
                )

    @property
    def key(self) -> str:
        """Name in a shard."""
        return self.clip.key

    @property
    def ticks(self) -> int:
        """T."""
        return len(self.present)

    def members(self, fingerprint: str) -> dict[str, bytes]:
        """Return the files of its entry in a shard, by name.

        Args:
            fingerprint: Tells apart any two states of the clip's file, record and feature version.
        """
        facts = {
            "fingerprint": fingerprint,
            "feature_version": FEATURE_VERSION,
            "ticks": self.ticks,
            "face_size_px": self.face_size_px,
            "sharpness": self.sharpness,
            "clip": self.clip.to_json(),
        }
        files = {f"{self.key}.json": json.dumps(facts, indent=1, sort_keys=True).encode()}
        for name in (*_ARRAYS, *(_FACE_ARRAYS if len(self.faces) else ())):
            stream = io.BytesIO()
            np.save(stream, getattr(self, name), allow_pickle=False)
            files[f"{self.key}.{name}.npy"] = stream.getvalue()
        return files

    @classmethod
    def from_members(cls, files: Mapping[str, bytes]) -> PreparedClip:
        """Return the clip of an entry.

        Args:
            files: Content by what follows the key: ``json``, ``lips.npy`` and so on.

        Raises:
            KeyError: If a file is missing.
            ValueError: If one does not hold what it should.
            TypeError: If its record has other fields.
        """
        facts = json.loads(files["json"])
        arrays: dict[str, Any] = {
            name: np.load(io.BytesIO(files[f"{name}.npy"]), allow_pickle=False)
            for name in (*_ARRAYS, *(_FACE_ARRAYS if "faces.npy" in files else ()))
        }
        return cls(
            clip=Clip.from_json(facts["clip"]),
            face_size_px=facts["face_size_px"],
            sharpness=facts["sharpness"],
            **arrays,
        )
