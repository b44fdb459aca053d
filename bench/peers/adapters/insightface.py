"""insightface (https://github.com/deepinsight/insightface): an embedding of the face in every picture.

Options: ``weights``, the folder that holds ``models/buffalo_l`` (insightface's ``root``), by default
``~/.insightface``; ``pack``, by default buffalo_l.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.peers.neighbours import largest_change, pictures


class Adapter:
    """The largest change of a face from one picture to the next: 1 - cosine.

    Args:
        options: As the module says.
    """

    name = "insightface"

    def __init__(self, options: Mapping[str, str]) -> None:
        self._root = Path(options.get("weights", "~/.insightface")).expanduser()
        self._pack = options.get("pack", "buffalo_l")

    def why_unavailable(self) -> str | None:
        """Look for the package and the weights, which it would download."""
        if importlib.util.find_spec("insightface") is None:
            return "the package insightface is not installed there: pip install insightface onnxruntime"
        if not any((self._root / "models" / self._pack).glob("*.onnx")):
            return f"the weights {self._pack} are not in models/{self._pack}: put them there"
        return None

    def prepare(self) -> None:
        """Load detector and recogniser."""
        self._app: Any = import_module("insightface.app").FaceAnalysis(
            name=self._pack,
            root=str(self._root),
            allowed_modules=["detection", "recognition"],
            providers=["CPUExecutionProvider"],
        )
        self._app.prepare(ctx_id=-1, det_size=(640, 640))

    def score(self, clip: Path) -> float | None:
        """Compare the largest faces of neighbouring pictures."""
        return largest_change(map(self._embedding, pictures(clip)))

    def _embedding(self, picture: Any) -> Any:
        faces = self._app.get(picture)
        return max(faces, key=_width).normed_embedding if faces else None


def _width(face: Any) -> float:
    return float(face.bbox[2] - face.bbox[0])
