"""Validation of the paper family: windows of people not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from training.paper_objectives import PaperCross, PaperIntra
from training.sampling import Batch
from training.validation import area_under_curve

BATCHES = 8

BatchOf = Callable[[int], Batch]


def cross_figures(objective: PaperCross, batch_of: BatchOf, device: torch.device) -> dict[str, float]:
    """Return ``auc_swapped``, ``auc_shifted``, and ``auc``, their mean.

    A video's score is the mean similarity of its lips and its voice over its windows (paper, Sec. 4),
    compared with the score by another person's voice, and by its own voice of the window before.
    """
    objective.eval()
    genuine: list[float] = []
    swapped: list[float] = []
    shifted: list[float] = []
    with torch.no_grad():
        for batch in _batches(batch_of, device):
            visual = objective.visual(batch["faces"], batch["ticks"])
            audio = objective.audio(batch["voice"])
            genuine += _scores(visual, audio)
            swapped += _scores(visual, audio.roll(1, 0))
            shifted += _scores(visual, audio.roll(1, 1))
    by_voice, by_time = area_under_curve(genuine, swapped), area_under_curve(genuine, shifted)
    return {"auc": (by_voice + by_time) / 2, "auc_swapped": by_voice, "auc_shifted": by_time}


def intra_figures(objective: PaperIntra, batch_of: BatchOf, device: torch.device) -> dict[str, float]:
    """Return ``auc`` of window pairs of one video against pairs of two people."""
    objective.eval()
    same: list[float] = []
    different: list[float] = []
    with torch.no_grad():
        for batch in _batches(batch_of, device):
            identity = objective.identity(batch["faces"], batch["ticks"])
            people, windows = identity.shape[:2]
            similarity = torch.einsum("itd,jqd->ijtq", identity, identity)
            earlier = torch.triu(torch.ones(windows, windows, dtype=torch.bool, device=device), 1)
            for i in range(people):
                same += similarity[i, i][earlier].tolist()
                different += similarity[i, i + 1 :].flatten().tolist()
    return {"auc": area_under_curve(same, different)}


def _scores(visual: Tensor, audio: Tensor) -> list[float]:
    return [float(score) for score in (visual * audio).sum(dim=2).mean(dim=1)]


def _batches(batch_of: BatchOf, device: torch.device) -> Iterator[Batch]:
    for step in range(BATCHES):
        yield {name: part.to(device) for name, part in batch_of(step).items()}
