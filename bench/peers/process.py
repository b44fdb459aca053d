"""Runs one adapter under whatever Python the owner named: standard library only.

    PYTHON process.py ADAPTER.py '{"checkout": "..."}'

Reads paths of clips from stdin, one a line. Writes JSON objects, one a line, to stdout: first
``{"unavailable": null}`` or the reason, then ``{"score", "cpu_s", "wall_s", "error"}`` for each clip. What
the adapter and its programs print goes to stderr. Processor time includes that of child processes.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def load_adapter(path: Path, options: dict[str, str]) -> Any:
    """Return the ``Adapter`` of a file."""
    spec = importlib.util.spec_from_file_location(f"peer_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.Adapter(options)


def cpu_seconds() -> float:
    """Return the processor time of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def scored(adapter: Any, clip: Path) -> dict[str, object]:
    """Score one clip; what the adapter raises is told and does not end the run."""
    started_s, cpu_before_s = time.perf_counter(), cpu_seconds()
    score, error = None, None
    try:
        score = adapter.score(clip)
    except Exception as raised:
        error = f"{type(raised).__name__}: {raised}"
    return {
        "score": None if score is None else float(score),
        "cpu_s": cpu_seconds() - cpu_before_s,
        "wall_s": time.perf_counter() - started_s,
        "error": error,
    }


def main() -> None:
    """Serve clips until stdin ends."""
    # The modules beside this file are no part of the peer's world.
    sys.path[:] = [
        path for path in sys.path if Path(path or ".").resolve() != Path(__file__).resolve().parent
    ]
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    try:
        adapter = load_adapter(Path(sys.argv[1]), json.loads(sys.argv[2]))
        reason = adapter.why_unavailable()
        if reason is None:
            adapter.prepare()
    except Exception as raised:
        reason = f"it does not start: {type(raised).__name__}: {raised}"
    answers.write(json.dumps({"unavailable": reason}) + "\n")
    if reason is not None:
        return
    for line in sys.stdin:
        answers.write(json.dumps(scored(adapter, Path(line.rstrip("\n")))) + "\n")


if __name__ == "__main__":
    main()
