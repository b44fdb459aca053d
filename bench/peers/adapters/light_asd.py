"""Light-ASD (https://github.com/Junhua-Liao/Light-ASD): whether the face that is seen is who speaks.

Option: ``checkout``, with ``Columbia_test.py``, ``weight/pretrain_AVA_CVPR.model`` and the weights of its
face detector. Its program runs on CUDA only.
"""

from __future__ import annotations

import importlib.util
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path


class Adapter:
    """Its mean score for speaking over all faces and pictures, negated.

    Args:
        options: As the module says.
    """

    name = "Light-ASD"

    def __init__(self, options: Mapping[str, str]) -> None:
        checkout = options.get("checkout")
        self._checkout = None if checkout is None else Path(checkout).expanduser().resolve()

    def why_unavailable(self) -> str | None:
        """Look for the checkout, its weights, what it calls and CUDA."""
        if self._checkout is None or not (self._checkout / "Columbia_test.py").is_file():
            return "no checkout of Junhua-Liao/Light-ASD was named"
        if not (self._checkout / "weight" / "pretrain_AVA_CVPR.model").is_file():
            return "weight/pretrain_AVA_CVPR.model is missing in the checkout"
        needed = ("torch", "scenedetect", "cv2", "python_speech_features")
        missing = [name for name in needed if importlib.util.find_spec(name) is None]
        if missing:
            return f"that Python lacks {', '.join(missing)}: install the checkout's requirement.txt"
        if not shutil.which("ffmpeg"):
            return "it calls ffmpeg, which is not on the PATH"
        torch = import_module("torch")
        return None if torch.cuda.is_available() else "its program runs on CUDA only, and there is none"

    def prepare(self) -> None:
        """Do nothing: its program loads the models for every clip."""

    def score(self, clip: Path) -> float | None:
        """Run its program on a clip; None where it finds no face."""
        np = import_module("numpy")
        with tempfile.TemporaryDirectory(prefix="peer-light-asd-") as folder:
            shutil.copy(clip, Path(folder) / f"clip{clip.suffix}")
            command = [sys.executable, "Columbia_test.py", "--videoName", "clip", "--videoFolder", folder]
            subprocess.run(command, cwd=self._checkout, check=True)
            with (Path(folder) / "clip" / "pywork" / "scores.pckl").open("rb") as stream:
                scores = pickle.load(stream)
        return -float(np.mean(np.concatenate([np.ravel(track) for track in scores]))) if scores else None
