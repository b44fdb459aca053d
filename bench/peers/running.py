"""Drives an adapter in a process of its own, with one thread for its arithmetic."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bench.peers.registry import PeerChoice

PROCESS = Path(__file__).with_name("process.py")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class PeerUnavailableError(Exception):
    """A program cannot run here; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipScore:
    """What a program made of one clip.

    Attributes:
        score: Higher for fakes; None where it did not say.
        cpu_s: Processor time.
        wall_s: Time on the clock.
        error: What it failed with; None where it did not.
    """

    score: float | None
    cpu_s: float
    wall_s: float
    error: str | None


def clip_scores(choice: PeerChoice, clips: Sequence[Path]) -> Iterator[ClipScore]:
    """Yield what a program makes of each clip, in order.

    Raises:
        PeerUnavailableError: If it cannot start, or ends before the last clip.
    """
    command = [str(choice.python), str(PROCESS), str(choice.adapter), json.dumps(dict(choice.options))]
    environment = {**os.environ, **ONE_THREAD}
    if choice.own:
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
    except OSError as error:
        raise PeerUnavailableError(f"its Python does not start: {error.strerror}") from error
    with process:
        try:
            reason = _answer(process.stdout)["unavailable"]
            if reason is not None:
                raise PeerUnavailableError(reason)
            for clip in clips:
                yield _scored(process, clip)
        finally:
            process.terminate()


def _scored(process: subprocess.Popen[str], clip: Path) -> ClipScore:
    assert process.stdin is not None, "opened as a pipe"
    try:
        process.stdin.write(f"{clip.resolve()}\n")
        process.stdin.flush()
    except BrokenPipeError as error:
        raise PeerUnavailableError("it ended before the last clip") from error
    return ClipScore(**_answer(process.stdout))


def _answer(stream: IO[str] | None) -> dict[str, Any]:
    line = "" if stream is None else stream.readline()
    if not line:
        raise PeerUnavailableError("it ended without an answer; run its adapter by hand to see why")
    answer = json.loads(line)
    if not isinstance(answer, dict):
        raise PeerUnavailableError("it does not answer as adapters do")
    return answer
