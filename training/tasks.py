"""The two trainings of a run: lips with voice (cross), and identity (intra)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from training.config import CrossConfig, IntraConfig, Optimisation, TrainConfig
from training.objectives import CompactCross, CompactIntra
from training.pool import Pool
from training.sampling import Batch, CrossSampler, IntraSampler
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
    config: TrainConfig, cross: CrossConfig, train: Pool, validation: Pool, *, rank: int = 0
) -> Task:
    """Return the training of compact gamma and alpha.

    Raises:
        TrainingError: If the clips do not fill a batch.
    """
    torch.manual_seed(config.seed)
    objective = CompactCross(cross.loss)
    sampler = CrossSampler(train, cross.sampling, config.seed, rank)
    validator = CrossValidation(validation, config.windows, config.seed)

    def validate(device: torch.device) -> Mapping[str, float]:
        return validator(objective.visual, objective.audio, device)

    return Task(
        name="cross",
        objective=objective,
        batch=sampler.batch,
        validate=validate,
        optimisation=cross.optimisation,
        data_sha256=train.digest,
        train_speakers=train.speakers,
    )


def intra_task(
    config: TrainConfig, intra: IntraConfig, train: Pool, validation: Pool, *, rank: int = 0
) -> Task:
    """Return the training of compact mu.

    Raises:
        TrainingError: If there are fewer than two people.
    """
    torch.manual_seed(config.seed)
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

    def validate(device: torch.device) -> Mapping[str, float]:
        return validator(objective.identity, device)

    return Task(
        name="intra",
        objective=objective,
        batch=sampler.batch,
        validate=validate,
        optimisation=intra.optimisation,
        data_sha256=train.digest,
        train_speakers=train.speakers,
    )
