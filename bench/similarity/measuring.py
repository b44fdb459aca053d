"""Times one memory length in a process of its own, whose BLAS has one thread.

    python -m bench.similarity.measuring --size 1024 --seed 0

Prints one JSON object; times in microseconds.
"""

from __future__ import annotations

import json
import statistics
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import click

from bench.similarity.material import IDENTITY_DIMENSION, SPEECH_DIMENSION, Embeddings, MadeUpCall
from bench.similarity.recomputation import Recomputation
from realtime.calibration_file import DEFAULT_CALIBRATION, read_calibration
from realtime.config import MonitorConfig
from realtime.judge import Judge
from realtime.similarity.cross_similarity import CrossSimilarity
from realtime.similarity.self_similarity import SelfSimilarity
from realtime.types import Float32

#: Updates timed, each by itself, and windows judged.
UPDATES = 200
#: Recomputations take turns with them: so many, fewer where one is long.
RECOMPUTATIONS = 5
LONGEST_S = 4.0


class Similarities:
    """Both rings, as one participant has them.

    Args:
        size: N, windows remembered.
        config: Percentile and lag band.
    """

    def __init__(self, size: int, config: MonitorConfig) -> None:
        self.intra = SelfSimilarity(size, IDENTITY_DIMENSION, config.scoring.percentile)
        self.cross = CrossSimilarity(size, SPEECH_DIMENSION, config.windows.band_ticks)

    def update(self, shown: Embeddings) -> tuple[float | None, Float32]:
        """Take a window; return Score_intra and the mean at every lag."""
        identity, lips, voice = shown
        self.intra.update(identity)
        self.cross.update(lips, voice)
        return self.intra.score, self.cross.lag_profile()

    def update_all(self, shown: Embeddings) -> None:
        """Take a window and bring the matrix of lips and voice up to date, too."""
        self.update(shown)
        self.cross.fill_matrix()


def microseconds(work: Callable[[], object]) -> float:
    """Return how long a piece of work took."""
    started_ns = time.perf_counter_ns()
    work()
    return (time.perf_counter_ns() - started_ns) / 1000


def measure(size: int, seed: int) -> dict[str, float | int]:
    """Fill memories of one length and time what the next windows cost.

    Returns:
        Medians: ``update_us`` and ``update_matrices_us`` of the rings, ``recompute_us`` and
        ``recompute_matrices_us`` of the same outputs from scratch, ``judge_us`` of everything behind the
        encoders. ``bytes_full`` and ``bytes_later``: what the rings hold once they are full, and after as
        many updates again.
    """
    config = MonitorConfig()
    call = MadeUpCall(seed, config.windows)
    tracemalloc.start()
    rings = Similarities(size, config)
    for index in range(size):
        rings.update(call.embeddings(index))
    bytes_full = tracemalloc.get_traced_memory()[0]
    for index in range(size, 2 * size):
        rings.update(call.embeddings(index))
    bytes_later = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    anew = Recomputation(
        size,
        identity_dimension=IDENTITY_DIMENSION,
        speech_dimension=SPEECH_DIMENSION,
        lags=2 * config.windows.band_ticks + 1,
        percentile=config.scoring.percentile,
    )
    for index in range(size, 2 * size):
        anew.take(*call.embeddings(index))
    rings.cross.fill_matrix()
    times: dict[str, list[float]] = {
        name: [] for name in ("update", "update_matrices", "recompute", "recompute_matrices", "judge")
    }
    index = 2 * size
    for _ in range(RECOMPUTATIONS):
        for name, work in (("update", rings.update), ("update_matrices", rings.update_all)):
            for _ in range(UPDATES // RECOMPUTATIONS):
                times[name].append(microseconds(partial(work, call.embeddings(index))))
                index += 1
            rings.cross.fill_matrix()
        if sum(times["recompute_matrices"]) < LONGEST_S * 1e6:
            times["recompute"].append(microseconds(partial(anew.compute, cross_matrix=False)))
            times["recompute_matrices"].append(microseconds(partial(anew.compute, cross_matrix=True)))
    times["judge"] = _judged(size, call, config)
    medians: dict[str, float | int] = {
        f"{name}_us": round(statistics.median(found), 2) for name, found in times.items()
    }
    return {**medians, "bytes_full": bytes_full, "bytes_later": bytes_later}


def _judged(size: int, call: MadeUpCall, config: MonitorConfig) -> list[float]:
    remembering = replace(config, scoring=replace(config.scoring, memory_windows=size))
    judge = Judge(remembering, calibration=read_calibration(DEFAULT_CALIBRATION))
    for index in range(size):
        judge.take(call.encoded(index))
    windows = [call.encoded(index) for index in range(size, size + UPDATES)]
    return [microseconds(partial(judge.take, window)) for window in windows]


@click.command()
@click.option("--size", type=click.IntRange(2, 4096), required=True)
@click.option("--seed", type=int, default=0)
def main(*, size: int, seed: int) -> None:
    """Measure one memory length."""
    click.echo(json.dumps(measure(size, seed)))


if __name__ == "__main__":
    main()
