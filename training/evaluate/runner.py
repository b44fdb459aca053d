"""Scores many clips in several processes, in an order that does not depend on which finishes first."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from engines.errors import SeamwatchError
from training.evaluate.clips import ClipScore, EvaluationClip
from training.evaluate.measurement import Measurement
from training.evaluate.scorer import score_clip

Measure = Callable[[Path], Measurement]
MakeMeasure = Callable[[], Measure]

#: Clips handed to each worker ahead of time.
AHEAD_PER_WORKER = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fault:
    """A stated error on its way out of a worker; exceptions with keywords cannot be pickled."""

    message: str
    fix: str


class _Worker:
    """What one process keeps between clips."""

    measure: ClassVar[Measure | None] = None
    fault: ClassVar[_Fault | None] = None


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
        SeamwatchError: Anything but an unreadable clip stops the evaluation.
    """
    if workers == 1:
        return _score_here(clips, make_measure(), on_done)
    scores: dict[int, ClipScore] = {}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start_worker, (make_measure,)) as pool:
        try:
            pending: dict[Future[ClipScore | _Fault], int] = {}
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
                    index, result = pending.pop(future), future.result()
                    scores[index] = _unless_fault(result)
                    if on_done is not None:
                        on_done(scores[index])
        except BrokenProcessPool as error:
            raise SeamwatchError(
                "A worker was ended from outside, perhaps for want of memory.",
                fix="Run the same command with fewer --workers; what is measured is kept.",
            ) from error
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


def _unless_fault(result: ClipScore | _Fault) -> ClipScore:
    if isinstance(result, _Fault):
        raise SeamwatchError(result.message, fix=result.fix)
    return result


def _start_worker(make_measure: MakeMeasure) -> None:
    try:
        _Worker.measure = make_measure()
    except SeamwatchError as error:
        _Worker.fault = _Fault(message=error.message, fix=error.fix)


def _score_in_worker(clip: EvaluationClip) -> ClipScore | _Fault:
    if _Worker.measure is None:
        return _Worker.fault or _Fault(message="A worker did not start.", fix="Use --workers 1.")
    try:
        return score_clip(clip, _Worker.measure)
    except SeamwatchError as error:
        return _Fault(message=error.message, fix=error.fix)
