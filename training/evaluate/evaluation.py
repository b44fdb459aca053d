"""From a data set to an evaluation: score, judge against the reference, sum up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.evaluate.clips import ClipScore, EvaluationClip
from training.evaluate.datasets import Dataset
from training.evaluate.references import with_two_sided
from training.evaluate.report import Evaluation, read_reference
from training.evaluate.run_facts import RunFacts
from training.evaluate.runner import MakeMeasure, score_clips
from training.evaluate.tables import metric_rows, verdict_rows

OnClip = Callable[[ClipScore, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSettings:
    """What is evaluated and how it is summed up.

    Attributes:
        name: The data set's name.
        quality: Re-encoding before the scan.
        trim: Whether leading silence is cut away.
        min_windows: Windows from which a clip is scored; None as shipped.
        reference: An earlier evaluation whose genuine clips are the two-sided reference.
        at_most: Clips a kind and condition; None for all.
        seed: Seed of everything random.
        resamples: Bootstrap resamples.
        workers: Processes.
    """

    name: str
    quality: str
    trim: bool
    min_windows: int | None
    reference: Path | None
    at_most: int | None
    seed: int
    resamples: int
    workers: int


def evaluate_dataset(
    dataset: Dataset,
    make_measure: MakeMeasure,
    settings: EvaluationSettings,
    facts: RunFacts,
    on_clip: OnClip | None = None,
) -> Evaluation:
    """Score a data set and sum it up.

    Args:
        dataset: The clips.
        make_measure: Makes what measures a file, once in every process.
        settings: What to do.
        facts: Stated in the report.
        on_clip: Called with each score as it comes, and with the number of clips to score.

    Raises:
        SeamwatchError: The engines cannot be loaded, or the reference does not fit.
    """
    clips = limited(dataset.clips, settings.at_most, settings.seed)
    own_reference = limited(
        () if settings.reference is not None else dataset.reference, settings.at_most, settings.seed
    )
    total = len(clips) + len(own_reference)
    every_score = score_clips(
        [*clips, *own_reference],
        make_measure,
        workers=settings.workers,
        on_done=None if on_clip is None else lambda score: on_clip(score, total),
    )
    scores, reference = every_score[: len(clips)], every_score[len(clips) :]
    engines = next((dict(score.engines) for score in every_score if score.engines), {})
    notes = list(dataset.notes)
    stated_reference = "none"
    if settings.reference is not None:
        reference, made_with = read_reference(settings.reference, engines)
        stated_reference = f"{len(reference)} genuine clips of {settings.reference}"
        if (made_with.get("quality"), made_with.get("trimmed")) != (settings.quality, settings.trim):
            notes.append("The reference of the two-sided evidence was made at another quality or trimming.")
    elif reference:
        stated_reference = f"{len(reference)} genuine clips of the validation split"
    if reference:
        scores = with_two_sided(scores, reference)
    return Evaluation(
        facts=facts,
        settings={
            "dataset": settings.name,
            "split": dataset.split,
            "quality": settings.quality,
            "trimmed": settings.trim,
            "clips": len(clips),
            "at most a kind and condition": "all" if settings.at_most is None else settings.at_most,
            "windows needed": "as shipped" if settings.min_windows is None else settings.min_windows,
            "two-sided reference": stated_reference,
            "seed": settings.seed,
            "bootstrap resamples": settings.resamples,
        },
        engines=engines,
        rows=metric_rows(
            scores,
            seed=settings.seed,
            resamples=settings.resamples,
            means=dataset.means,
            draws=dataset.draws,
        ),
        verdicts=verdict_rows(scores),
        scores=scores,
        notes=notes,
    )


def limited(clips: Sequence[EvaluationClip], at_most: int | None, seed: int) -> list[EvaluationClip]:
    """Return at most so many clips of each kind and condition, drawn at random, in their order."""
    if at_most is None:
        return list(clips)
    groups: dict[tuple[str, str], list[int]] = {}
    for index, clip in enumerate(clips):
        groups.setdefault((clip.kind, clip.condition), []).append(index)
    generator = np.random.default_rng(seed)
    kept: list[int] = []
    for indices in groups.values():
        kept.extend(generator.permutation(indices)[:at_most].tolist())
    return [clips[index] for index in sorted(kept)]
