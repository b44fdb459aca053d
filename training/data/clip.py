"""One clip of a data set, whatever layout it came from."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Label = Literal["real", "fake"]

REAL: Label = "real"
FAKE: Label = "fake"
GOOD = "good"
SYNC_SUSPECT = "sync_suspect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """What is known about a clip before it is decoded.

    Attributes:
        path: The file with the pictures.
        audio_path: The file with the sound where it is another one.
        name: Path below the data set's folder, with ``/``; the same on every machine.
        corpus: The collection that it belongs to; speakers are split within it.
        speaker: Identifier of the person, unique over all corpora.
        source: Identifier of the recording that it was cut or made from.
        label: ``real`` or ``fake``.
        kind: What was done to it; ``real`` where nothing was.
        generator: What did it; empty for real clips.
        quality: ``good``, or flags separated by ``;`` such as ``sync_suspect``.
        source_repository: Where it was collected; empty where that is not recorded.
        licence_repository: Licence of that place.
        licence_corpus: Licence of the corpus.
        duration_s: Length; None where no table states it.
        fps: Frame rate of the original; None where no table states it.
        width: Width of the original in px; None where no table states it.
        height: Height of the original in px; None where no table states it.
    """

    path: Path
    audio_path: Path | None = None
    name: str
    corpus: str
    speaker: str
    source: str
    label: Label = REAL
    kind: str = REAL
    generator: str = ""
    quality: str = GOOD
    source_repository: str = ""
    licence_repository: str = ""
    licence_corpus: str = ""
    duration_s: float | None = None
    fps: float | None = None
    width: int | None = None
    height: int | None = None

    @property
    def key(self) -> str:
        """Name in a shard: unique, and free of dots and slashes."""
        stem = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(self.name).stem)[:48]
        digest = hashlib.sha256(f"{self.corpus}\n{self.name}".encode(errors="surrogateescape"))
        return f"{stem}-{digest.hexdigest()[:12]}"

    @property
    def is_real(self) -> bool:
        """Whether nothing was done to it."""
        return self.label == REAL

    @property
    def sync_is_trusted(self) -> bool:
        """Whether its lips and its voice may be taken as belonging together."""
        return SYNC_SUSPECT not in self.quality.split(";")

    def to_json(self) -> dict[str, Any]:
        """Return the fields but the paths, which belong to one machine."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in ("path", "audio_path")
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Clip:
        """Return the clip of :meth:`to_json`; its path is the name."""
        return cls(path=Path(values["name"]), **values)
