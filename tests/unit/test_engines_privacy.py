"""Loading the engines' libraries leaves nothing on disk and reports to nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = "import engines.onnxruntime_engine, engines.folding, onnxruntime"


def files_after(program: str, folder: Path) -> list[str]:
    """Run a program that can write into one folder only; return the files there."""
    places = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_DATA_HOME"), str(folder))
    environment = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    subprocess.run(
        [sys.executable, "-c", program],
        env={
            **environment,
            **places,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        },
        cwd=folder,
        check=True,
    )
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_onnx_runtimes_telemetry_is_off(tmp_path: Path) -> None:
    assert files_after(PROGRAM, tmp_path) == []
