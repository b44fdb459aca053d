"""SyncNet (https://github.com/joonson/syncnet_python): how well lips and voice are in step.

Options: ``checkout``, with ``run_pipeline.py``, ``run_syncnet.py`` and
``detectors/s3fd/weights/sfd_face.pth``; ``weights``, by default ``data/syncnet_v2.model`` in it.
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
from typing import Any

#: The pipeline leaves out faces that are seen for fewer pictures; its own default is 100, four seconds.
_SHORTEST_TRACK = "25"


class Adapter:
    """Its confidence, negated: the distance at the usual offset less that at the best one.

    Args:
        options: As the module says.
    """

    name = "SyncNet"

    def __init__(self, options: Mapping[str, str]) -> None:
        checkout = options.get("checkout")
        self._checkout = None if checkout is None else Path(checkout).expanduser().resolve()
        self._weights = options.get("weights", "data/syncnet_v2.model")

    def why_unavailable(self) -> str | None:
        """Look for the checkout, its weights and what it calls."""
        if self._checkout is None or not (self._checkout / "run_pipeline.py").is_file():
            return "no checkout of joonson/syncnet_python was named"
        for file in (self._weights, "detectors/s3fd/weights/sfd_face.pth"):
            if not (self._checkout / file).is_file():
                return f"{file} is missing in the checkout: its download_model.sh says where it comes from"
        missing = [name for name in ("torch", "scenedetect", "cv2") if importlib.util.find_spec(name) is None]
        if missing:
            return f"that Python lacks {', '.join(missing)}: install the checkout's requirements.txt"
        return None if shutil.which("ffmpeg") else "it calls ffmpeg, which is not on the PATH"

    def prepare(self) -> None:
        """Do nothing: its programs load the models for every clip."""

    def score(self, clip: Path) -> float | None:
        """Run both programs on a clip; None where no face is seen for long enough."""
        with tempfile.TemporaryDirectory(prefix="peer-syncnet-") as folder:
            self._run("run_pipeline.py", clip, folder, "--min_track", _SHORTEST_TRACK)
            self._run("run_syncnet.py", clip, folder, "--initial_model", self._weights)
            with (Path(folder) / "pywork" / "clip" / "activesd.pckl").open("rb") as stream:
                distances = pickle.load(stream)
        return -max(map(_confidence, distances)) if distances else None

    def _run(self, program: str, clip: Path, folder: str, *options: str) -> None:
        command = [sys.executable, program, "--videofile", str(clip.resolve()), "--reference", "clip"]
        subprocess.run([*command, "--data_dir", folder, *options], cwd=self._checkout, check=True)


def _confidence(distances: Any) -> float:
    """Return the confidence as SyncNet defines it, of distances by picture and offset."""
    np = import_module("numpy")
    by_offset = np.asarray(distances, np.float64).mean(axis=0)
    return float(np.median(by_offset) - by_offset.min())
