"""DeepFace (https://github.com/serengil/deepface): an embedding of the face in every picture.

Options: ``weights``, the folder that holds ``.deepface`` (DeepFace's ``DEEPFACE_HOME``); ``model``, by
default ArcFace, whose file is ``.deepface/weights/arcface_weights.h5``.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.peers.neighbours import largest_change, pictures

_FILES = {"ArcFace": "arcface_weights.h5", "SFace": "face_recognition_sface_2021dec.onnx"}


class Adapter:
    """The largest change of a face from one picture to the next: 1 - cosine.

    Args:
        options: As the module says.
    """

    name = "DeepFace"

    def __init__(self, options: Mapping[str, str]) -> None:
        self._home = Path(options.get("weights", "~")).expanduser()
        self._model = options.get("model", "ArcFace")

    def why_unavailable(self) -> str | None:
        """Look for the package and the weights, which it would download."""
        if importlib.util.find_spec("deepface") is None:
            return "the package deepface is not installed there: pip install deepface tf-keras"
        file = _FILES.get(self._model)
        if file is None:
            return f"the model {self._model} is not known: choose one of {', '.join(_FILES)}"
        path = self._home / ".deepface" / "weights" / file
        return None if path.is_file() else f"the weights {file} are not in .deepface/weights: put them there"

    def prepare(self) -> None:
        """Load the model."""
        os.environ["DEEPFACE_HOME"] = str(self._home)
        np = import_module("numpy")
        self._represent: Any = import_module("deepface").DeepFace.represent
        self._embedding(np.zeros((224, 224, 3), np.uint8))

    def score(self, clip: Path) -> float | None:
        """Compare the faces of neighbouring pictures."""
        return largest_change(map(self._embedding, pictures(clip)))

    def _embedding(self, picture: Any) -> Any:
        np = import_module("numpy")
        try:
            found = self._represent(img_path=picture, model_name=self._model, detector_backend="opencv")
        except ValueError:
            return None
        vector = np.asarray(found[0]["embedding"], np.float64)
        return vector / np.linalg.norm(vector)
