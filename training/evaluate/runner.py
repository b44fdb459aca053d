"""Scores many clips in several processes, in an order that does not depend on which finishes first."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path

from training.evaluate.clips import ClipScore, EvaluationClip
from training.evaluate.measurement import Measurement
from training.evaluate.scorer import score_clip

Measure = Callable[[Path], Measurement]
MakeMeasure = Callable[[], Measure]

#: Clips handed to each worker ahead of time.
AHEAD_PER_WORKER = 2

_measure: Measure | None = None


def score_clips(
    clips: Sequence[EvaluationClip],
    make_measure: MakeMeasure,
    *,
    workers: int = 1,
    on_done: Callable[[ClipScore], None] | None = None,
) -> list[ClipScore]:
    """Return one score a clip, in the order of the clips.

    Args:
        clips: What to score.
        make_measure: Called once in every process; picklable where there is more than one worker.
        workers: Processes; with one, the work is done in this process.
        on_done: Called with each score as it comes, in any order.

    Raises:
        SeamwatchError: Anything but an unreadable clip; the first such error stops the evaluation. What was
            measured until then is kept by ``make_measure``'s cache.
    """
    if workers == 1:
        return _score_here(clips, make_measure(), on_done)
    scores: dict[int, ClipScore] = {}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start_worker, (make_measure,)) as pool:
        try:
            pending: dict[Future[ClipScore], int] = {}
            waiting = iter(enumerate(clips))
            exhausted = False
            while pending or not exhausted:
                while not exhausted and len(pending) < AHEAD_PER_WORKER * workers:
                    following = next(waiting, None)
                    if following is None:
                        exhausted = True
                    else:
                        pending[pool.submit(_score_in_worker, following[1])] = following[0]
                for future in wait(pending, return_when=FIRST_COMPLETED).done:
                    score = scores[pending.pop(future)] = future.result()
                    if on_done is not None:
                        on_done(score)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [scores[index] for index in range(len(clips))]


def _score_here(
    clips: Sequence[EvaluationClip], measure: Measure, on_done: Callable[[ClipScore], None] | None
) -> list[ClipScore]:
    scores: list[ClipScore] = []
    for clip in clips:
        scores.append(score_clip(clip, measure))
        if on_done is not None:
            on_done(scores[-1])
    return scores


def _start_worker(make_measure: MakeMeasure) -> None:
    global _measure  # noqa: PLW0603
    _measure = make_measure()


def _score_in_worker(clip: EvaluationClip) -> ClipScore:
    if _measure is None:
        raise RuntimeError("the worker was not started")
    return score_clip(clip, _measure)
