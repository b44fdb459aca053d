"""Speech activity: a streaming voice activity detector over 16 kHz audio."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from engines.base import Engine
from realtime.types import Float32

CHUNK = 512
CONTEXT = 64
#: A hole of up to 200 ms counts as silence: a fresh state would take as long to hear speech again.
MAX_SILENT_SAMPLES = 3200


class SpeechDetector:
    """Runs the detector on 32 ms chunks of one participant and carries its state.

    With a schedule the chunks wait until a window needs them and then run one after the other: only the
    first of them finds the processor's caches cold.

    Args:
        engine: Silero VAD: ``input`` float32 (1, 64 + 512), ``state`` float32 (2, 1, 128), ``sr`` int64.
        schedule: Samples between the moments at which all chunks so far must have run, and the first of
            these moments; None to run every chunk at once.
    """

    def __init__(self, engine: Engine, schedule: tuple[int, int] | None = None) -> None:
        self._engine = engine
        self._every, self._phase = schedule or (1, 0)
        self._rate = np.array(16_000, np.int64)
        self._reset(0)

    def _reset(self, next_sample: int) -> None:
        self._state = np.zeros((2, 1, 128), np.float32)
        self._context = np.zeros(CONTEXT, np.float32)
        self._pending = np.zeros(0, np.float32)
        self._next_sample = next_sample

    def push(self, start: int, samples: Float32) -> Iterator[tuple[int, int, float]]:
        """Take samples from an absolute sample index on.

        A jump in the index ends the run before it (padded with zeros) and starts a fresh state.

        Yields:
            (first sample, end sample, probability of speech) per finished chunk.
        """
        expected = self._next_sample + len(self._pending)
        if start != expected:
            yield from self.flush()
            self._reset(start)
        pending = np.concatenate([self._pending, samples])
        whole = len(pending) // CHUNK * CHUNK
        if self._next_sample + whole < self._due():
            whole = 0
        self._pending = pending[whole:]
        for offset in range(0, whole, CHUNK):
            yield self._run(pending[offset : offset + CHUNK], CHUNK)

    def push_gap(self, start: int, end: int) -> Iterator[tuple[int, int, float]]:
        """Take note that nothing is known of the samples ``[start, end)``.

        A hole of at most ``MAX_SILENT_SAMPLES`` is filled with silence; a longer one ends the run.

        Yields:
            As ``push``.
        """
        follows = start == self._next_sample + len(self._pending)
        if follows and end - start <= MAX_SILENT_SAMPLES:
            yield from self.push(start, np.zeros(end - start, np.float32))
        else:
            yield from self.flush()

    @property
    def waiting_from(self) -> int | None:
        """The first sample whose chunk has not run yet; None while nothing waits."""
        return self._next_sample if len(self._pending) else None

    def flush(self) -> Iterator[tuple[int, int, float]]:
        """Yield the probabilities of the chunks that wait, and of an unfinished one."""
        pending, self._pending = self._pending, self._pending[:0]
        for offset in range(0, len(pending), CHUNK):
            chunk = pending[offset : offset + CHUNK]
            yield self._run(np.pad(chunk, (0, CHUNK - len(chunk))), len(chunk))

    def _due(self) -> int:
        """Return the first moment of the schedule that the chunks so far do not reach."""
        return ((self._next_sample - self._phase) // self._every + 1) * self._every + self._phase

    def _run(self, chunk: Float32, length: int) -> tuple[int, int, float]:
        block = np.concatenate([self._context, chunk])[None]
        result = self._engine.run({"input": block, "state": self._state, "sr": self._rate})
        self._state = result["stateN"]
        self._context = chunk[-CONTEXT:]
        start = self._next_sample
        self._next_sample = start + length
        return start, self._next_sample, float(result["output"].reshape(-1)[0])
