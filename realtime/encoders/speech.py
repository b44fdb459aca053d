"""Speech activity: a streaming voice activity detector over 16 kHz audio."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from engines.base import Engine
from engines.contracts import MAX_VAD_CHUNKS
from realtime.types import Float32

CHUNK = 512
CONTEXT = 64
#: A hole of up to 200 ms counts as silence: a fresh state would take as long to hear speech again.
MAX_SILENT_SAMPLES = 3200

_BURST = MAX_VAD_CHUNKS * CHUNK


class SpeechDetector:
    """Runs the detector on 32 ms chunks of one participant and carries its state.

    With a schedule the chunks wait until a window needs them and then run together: the fixed cost of a run,
    higher than that of a chunk, is paid once.

    Args:
        engine: Silero VAD as in ``engines.contracts``: rows of 64 + 512 samples, and the state.
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
        yield from self._run_all(pending[:whole])

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
        yield from self._run_all(pending)

    def _due(self) -> int:
        """Return the first moment of the schedule that the chunks so far do not reach."""
        return ((self._next_sample - self._phase) // self._every + 1) * self._every + self._phase

    def _run_all(self, samples: Float32) -> Iterator[tuple[int, int, float]]:
        for offset in range(0, len(samples), _BURST):
            yield from self._run(samples[offset : offset + _BURST])

    def _run(self, samples: Float32) -> list[tuple[int, int, float]]:
        """Run the chunks of some samples; the last one is padded with zeros."""
        chunks = np.pad(samples, (0, -len(samples) % CHUNK)).reshape(-1, CHUNK)
        rows = np.empty((len(chunks), CONTEXT + CHUNK), np.float32)
        rows[:, CONTEXT:] = chunks
        rows[0, :CONTEXT] = self._context
        rows[1:, :CONTEXT] = chunks[:-1, -CONTEXT:]
        result = self._engine.run({"input": rows, "state": self._state, "sr": self._rate})
        self._state = result["stateN"]
        self._context = chunks[-1, -CONTEXT:]
        start, end = self._next_sample, self._next_sample + len(samples)
        self._next_sample = end
        probabilities = result["output"].reshape(-1).tolist()
        firsts = range(start, end, CHUNK)
        return [
            (first, min(first + CHUNK, end), probability)
            for first, probability in zip(firsts, probabilities, strict=True)
        ]
