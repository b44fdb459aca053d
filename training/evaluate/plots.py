"""ROC curves and score histograms as PNG."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from training.errors import TrainingError
from training.evaluate.clips import ClipScore
from training.evaluate.metrics import auc, roc_points
from training.evaluate.tables import channels_of, scored_arrays

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 30
COLUMNS = 3


def write_plots(scores: Sequence[ClipScore], folder: Path) -> list[Path]:
    """Write a ROC and a histogram picture per condition and channel that has fakes and genuine clips.

    Raises:
        TrainingError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise TrainingError(
            "Pictures need matplotlib.", fix="Run pip install 'seamwatch[training]'."
        ) from error

    written: list[Path] = []
    for condition in dict.fromkeys(score.clip.condition for score in scores):
        members = [score for score in scores if score.clip.condition == condition]
        for channel in channels_of(scores):
            kinds = list(_kinds_with_both_classes(members, channel))
            if not kinds:
                continue
            name = "_".join(part for part in (_slug(condition), channel) if part)
            title = " - ".join(part for part in (channel, condition) if part)
            for prefix, draw, size in (
                ("roc", _draw_roc, (6.0, 5.0)),
                ("histogram", _draw_histograms, _grid_size(len(kinds))),
            ):
                figure = Figure(figsize=size, layout="constrained")
                figure.suptitle(title)
                draw(figure, members, channel, kinds)
                path = folder / f"{prefix}_{name}.png"
                figure.savefig(path, dpi=110, metadata={"Software": None})
                written.append(path)
    return written


def _kinds_with_both_classes(members: Sequence[ClipScore], channel: str) -> Iterator[str]:
    for kind in dict.fromkeys(score.clip.kind for score in members if score.clip.is_fake):
        is_fake, _, _ = scored_arrays(_against_genuine(members, kind), channel)
        if is_fake.any() and not is_fake.all():
            yield kind


def _against_genuine(members: Sequence[ClipScore], kind: str) -> list[ClipScore]:
    return [score for score in members if not score.clip.is_fake or score.clip.kind == kind]


def _draw_roc(figure: Figure, members: Sequence[ClipScore], channel: str, kinds: Sequence[str]) -> None:
    axes = figure.subplots()
    for kind in kinds:
        is_fake, evidence, _ = scored_arrays(_against_genuine(members, kind), channel)
        axes.plot(
            *roc_points(is_fake, evidence), label=f"{kind} ({100 * (auc(is_fake, evidence) or 0):.1f} %)"
        )
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1)
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate")
    axes.set_aspect("equal")
    axes.legend(fontsize="small", loc="lower right")


def _draw_histograms(
    figure: Figure, members: Sequence[ClipScore], channel: str, kinds: Sequence[str]
) -> None:
    rows = math.ceil(len(kinds) / COLUMNS)
    grid = figure.subplots(rows, min(COLUMNS, len(kinds)), squeeze=False).ravel()
    _, every_value, _ = scored_arrays(members, channel)
    low, high = float(every_value.min()), float(every_value.max())
    edges = np.linspace(low, high if high > low else low + 1.0, BINS + 1)
    for axes, kind in zip(grid, kinds, strict=False):
        is_fake, evidence, _ = scored_arrays(_against_genuine(members, kind), channel)
        for wanted, label in ((False, "genuine"), (True, kind)):
            values = evidence[is_fake == wanted]
            axes.hist(values, edges, weights=np.full(len(values), 100 / len(values)), alpha=0.6, label=label)
        axes.set_xlabel("evidence for a fake")
        axes.set_ylabel("clips, %")
        axes.legend(fontsize="small", loc="upper right")
    for axes in grid[len(kinds) :]:
        axes.set_visible(False)


def _grid_size(kinds: int) -> tuple[float, float]:
    return 4.0 * min(COLUMNS, kinds) + 0.5, 3.0 * math.ceil(kinds / COLUMNS) + 0.5


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
