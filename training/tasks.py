"""The two trainings of a run: lips with voice (cross), and identity (intra)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import nn

from training.config import CrossConfig, IntraConfig, Optimisation, PaperConfig, TrainConfig
from training.models.paper_audio import load_whisper
from training.objectives import CompactCross, CompactIntra
from training.paper_objectives import PaperCross, PaperIntra
from training.paper_sampling import WindowSampler
from training.paper_validation import cross_figures, intra_figures
from training.pool import Pool
from training.sampling import Batch, CrossSampler, IntraSampler
from training.speech import SpeechFeatures, load_speech_features
from training.validation import CrossValidation, IntraValidation

#: Validation figure by which checkpoints are compared; higher is better.
METRIC = "auc"
_VALIDATION_WINDOWS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What the loop needs to know.

    Attributes:
        name: ``cross`` or ``intra``.
        objective: Module that maps a batch to losses; ``loss`` is minimised.
        batch: Batch of a step; a pure function, called from other threads.
        validate: Figures on the validation split, among them :data:`METRIC`.
        optimisation: Optimiser and schedule.
        data_sha256: Digest of the training clips.
        train_speakers: Number of people in them.
    """

    name: str
    objective: nn.Module
    batch: Callable[[int], Batch]
    validate: Callable[[torch.device], Mapping[str, float]]
    optimisation: Optimisation
    data_sha256: str
    train_speakers: int


def cross_task(
    config: TrainConfig,
    cross: CrossConfig,
    train: Pool,
    validation: Pool,
    *,
    rank: int = 0,
    speech: SpeechFeatures | None = None,
) -> Task:
    """Return the training of gamma and alpha.

    Args:
        config: The whole run.
        cross: This training.
        train: Clips to learn from.
        validation: Clips to judge by.
        rank: Of this process among those that train together.
        speech: Speech encoder behind compact alpha; None for the pinned one of the model store.

    Raises:
        TrainingError: If the clips do not fill a batch, or a pretrained model cannot be used.
        ModelStoreError: If the pinned speech encoder is missing or damaged.
    """
    torch.manual_seed(config.seed)
    parts = (
        _compact_cross(config, cross, speech, train=train, validation=validation, rank=rank)
        if config.paper is None
        else _paper_cross(config, config.paper, cross, train=train, validation=validation, rank=rank)
    )
    return Task(
        name="cross",
        objective=parts.objective,
        batch=parts.batch,
        validate=parts.validate,
        optimisation=cross.optimisation,
        data_sha256=train.digest,
        train_speakers=train.speakers,
    )


def intra_task(
    config: TrainConfig, intra: IntraConfig, train: Pool, validation: Pool, *, rank: int = 0
) -> Task:
    """Return the training of mu.

    Raises:
        TrainingError: If there are fewer than two people, or a pretrained model cannot be used.
    """
    torch.manual_seed(config.seed)
    parts = (
        _compact_intra(config, intra, train=train, validation=validation, rank=rank)
        if config.paper is None
        else _paper_intra(config, config.paper, intra, train=train, validation=validation, rank=rank)
    )
    return Task(
        name="intra",
        objective=parts.objective,
        batch=parts.batch,
        validate=parts.validate,
        optimisation=intra.optimisation,
        data_sha256=train.digest,
        train_speakers=train.speakers,
    )


class _Parts(NamedTuple):
    """What the families make differently."""

    objective: nn.Module
    batch: Callable[[int], Batch]
    validate: Callable[[torch.device], Mapping[str, float]]


def _compact_cross(
    config: TrainConfig,
    cross: CrossConfig,
    speech: SpeechFeatures | None,
    *,
    train: Pool,
    validation: Pool,
    rank: int,
) -> _Parts:
    objective = CompactCross(cross.loss)
    speech = speech or load_speech_features()
    sampler = CrossSampler(train, cross.sampling, speech, config.seed, rank)
    validator = CrossValidation(validation, config.windows, speech, config.seed)
    return _Parts(objective, sampler.batch, partial(validator, objective.visual, objective.audio))


def _compact_intra(
    config: TrainConfig, intra: IntraConfig, *, train: Pool, validation: Pool, rank: int
) -> _Parts:
    objective = CompactIntra(intra.temperature)
    sampler = IntraSampler(
        train,
        identities=intra.identities,
        windows=intra.windows,
        length_ticks=config.windows.length_ticks,
        noise=intra.noise,
        seed=config.seed,
        rank=rank,
    )
    validator = IntraValidation(validation, config.windows, windows=_VALIDATION_WINDOWS, seed=config.seed)
    return _Parts(objective, sampler.batch, partial(validator, objective.identity))


def _paper_cross(
    config: TrainConfig, paper: PaperConfig, cross: CrossConfig, *, train: Pool, validation: Pool, rank: int
) -> _Parts:
    whisper = load_whisper(paper.whisper)
    sampler = partial(WindowSampler, shape=config.windows, config=paper, whisper=whisper, seed=config.seed)
    batches, judged = sampler(train, rank=rank), sampler(validation)
    objective = PaperCross(
        paper, whisper, ticks=config.windows.length_ticks, temperature=cross.loss.temperature
    )
    return _Parts(objective, batches.batch, partial(cross_figures, objective, judged.batch))


def _paper_intra(
    config: TrainConfig, paper: PaperConfig, intra: IntraConfig, *, train: Pool, validation: Pool, rank: int
) -> _Parts:
    sampler = partial(WindowSampler, shape=config.windows, config=paper, whisper=None, seed=config.seed)
    batches, judged = sampler(train, rank=rank), sampler(validation)
    objective = PaperIntra(paper, ticks=config.windows.length_ticks, temperature=intra.temperature)
    return _Parts(objective, batches.batch, partial(intra_figures, objective, judged.batch))
