"""The configuration of a training run, read from TOML; unknown keys and impossible values are refused."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from training.errors import TrainingError

CONFIGS = Path(__file__).parent / "configs"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Optimisation(_Section):
    """AdamW with a one-cycle learning rate.

    Attributes:
        steps: Optimiser steps of the whole cycle.
        learning_rate: Its peak.
        weight_decay: Decoupled decay, of weight matrices and kernels only.
        warmup: Fraction of the steps until the peak.
        clip_norm: Largest norm of the gradient.
        validate_every: Steps between validations; a checkpoint to resume from is written then, too.
        patience: Validations without a better value after which training ends.
        average: Decay of the running average of the weights, which is what is validated and kept; 0: none.
        precision: ``auto`` is bf16 on a GPU that has it and fp32 elsewhere.
        workers: Threads that prepare batches ahead.
    """

    steps: int = Field(gt=0)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: float = Field(default=0.15, gt=0, lt=1)
    clip_norm: float = Field(default=5.0, gt=0)
    validate_every: int = Field(default=100, gt=0)
    patience: int = Field(default=10, gt=0)
    average: float = Field(default=0.0, ge=0, lt=1)
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    workers: int = Field(default=1, ge=1)


class WindowShape(_Section):
    """Windows as the monitor cuts them, in ticks; validation follows them.

    Attributes:
        length_ticks: Length F.
        hop_ticks: Step between windows.
        band_ticks: Lags on both sides of zero.
        search_ticks: Lags on both sides of zero in which the best one is taken.
    """

    length_ticks: int = Field(default=25, gt=0)
    hop_ticks: int = Field(default=10, gt=0)
    band_ticks: int = Field(default=7, ge=0)
    search_ticks: int = Field(default=3, ge=0)

    @model_validator(mode="after")
    def _search_inside_band(self) -> WindowShape:
        if self.search_ticks > self.band_ticks:
            raise ValueError("search_ticks must not exceed band_ticks")
        return self


class CrossSampling(_Section):
    """Segments of a batch for lips and voice.

    Attributes:
        segments: Segments of a batch.
        min_ticks: Shortest segment of a batch of sentences.
        max_ticks: Longest one.
        short_ticks: Length in a batch of one-word clips.
        short_share: Share of batches made of one-word clips.
        hard_share: Share of segments that come with another moment of their clip or speaker.
        min_speech: Fraction of a segment's ticks that need speech.
        copy_share: Share of segments taken from a re-encoded copy where there is one.
        augment: Whether segments are degraded at random.
        exchanged_share: Share of those in which the skin around the lips is of another moment.
    """

    segments: int = Field(default=24, ge=2)
    min_ticks: int = Field(default=25, gt=0)
    max_ticks: int = Field(default=50, gt=0)
    short_ticks: int = Field(default=25, gt=0)
    short_share: float = Field(default=0.35, ge=0, le=1)
    hard_share: float = Field(default=0.5, ge=0, le=1)
    min_speech: float = Field(default=0.5, ge=0, le=1)
    copy_share: float = Field(default=0.5, ge=0, le=1)
    augment: bool = True
    exchanged_share: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _ordered(self) -> CrossSampling:
        if self.min_ticks > self.max_ticks:
            raise ValueError("min_ticks must not exceed max_ticks")
        return self


class CrossLoss(_Section):
    """The cross-modal loss.

    Attributes:
        kind: ``frames``: windows one frame apart, other segments as wrong answers too. ``paper``: Eq. 3.
        temperature: tau'.
        window_frames: Frames that are compared together.
        guard_ticks: ``frames``: smallest distance of a wrong answer within the segment.
        branch_weight: Weight of the same loss on lips alone and on mouth pixels alone (compact family).
    """

    kind: Literal["frames", "paper"] = "frames"
    temperature: float = Field(default=0.07, gt=0)
    window_frames: int = Field(default=5, gt=0)
    guard_ticks: int = Field(default=4, gt=0)
    branch_weight: float = Field(default=0.3, ge=0)


class CrossConfig(_Section):
    """Training of gamma and alpha."""

    optimisation: Optimisation
    sampling: CrossSampling = CrossSampling()
    loss: CrossLoss = CrossLoss()


class IntraConfig(_Section):
    """Training of mu by Eq. 2.

    Attributes:
        optimisation: Optimiser and schedule.
        identities: N, distinct people of a batch.
        windows: T, windows of each.
        temperature: tau.
        noise: Standard deviation of the noise on the frames' embeddings, as a fraction of their length.
    """

    optimisation: Optimisation
    identities: int = Field(default=16, ge=2)
    windows: int = Field(default=4, gt=0)
    temperature: float = Field(default=0.1, gt=0)
    noise: float = Field(default=0.1, ge=0)


class PaperConfig(_Section):
    """Models and batches of the paper family (paper, Sec. 4 and 5).

    Attributes:
        face_backbone: Checkpoint of an ArcFace or AdaFace IResNet that mu and gamma start from; absent: none.
        face_channels: Order of the colours that it was trained with.
        face_blocks: Residual blocks of its four stages: 3 13 30 3 (depth 100), 3 4 14 3 (50), 2 2 2 2 (18).
        face_width: Channels of its first stage.
        face_dimension: Length of its embedding, and width of the transformers over frames.
        layers: Layers of each of those.
        heads: Their attention heads.
        whisper: Folder or hub name of the Whisper checkpoint that alpha starts from.
        dimension: Length D of window embeddings.
        identities: N, distinct people of a batch, one video each.
        windows: T, windows of each video.
        min_speech: Fraction of a window's ticks that need speech, for gamma and alpha.
    """

    face_backbone: Path | None = None
    face_channels: Literal["rgb", "bgr"] = "rgb"
    face_blocks: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt] = (3, 13, 30, 3)
    face_width: int = Field(default=64, gt=0)
    face_dimension: int = Field(default=512, gt=0)
    layers: int = Field(default=4, gt=0)
    heads: int = Field(default=8, gt=0)
    whisper: str
    dimension: int = Field(default=512, gt=0)
    identities: int = Field(default=16, ge=2)
    windows: int = Field(default=4, ge=2)
    min_speech: float = Field(default=0.5, ge=0, le=1)

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> PaperConfig:
        if self.face_dimension % self.heads:
            raise ValueError("face_dimension must be a multiple of heads")
        return self


class TrainConfig(_Section):
    """A whole run.

    Attributes:
        family: ``compact`` or ``paper``.
        seed: Of initial weights, batches and augmentation.
        split_seed: Of the split by speaker.
        windows: Shape of the monitor's windows.
        cross: Training of lips and voice; absent: not trained.
        intra: Training of identity; absent: not trained.
        paper: Models and batches of the paper family.
    """

    family: Literal["compact", "paper"]
    seed: int = Field(default=1, ge=0)
    split_seed: int = Field(default=20261123, ge=0)
    windows: WindowShape = WindowShape()
    cross: CrossConfig | None = None
    intra: IntraConfig | None = None
    paper: PaperConfig | None = None

    @model_validator(mode="after")
    def _complete(self) -> TrainConfig:
        if self.cross is None and self.intra is None:
            raise ValueError("one of cross and intra is needed")
        if (self.paper is not None) != (self.family == "paper"):
            raise ValueError("the section paper belongs to the family paper, and only to it")
        if self.paper is not None:
            self._require_paper_settings()
        return self

    def _require_paper_settings(self) -> None:
        ineffective: set[str] = set()
        if self.cross is not None:
            ineffective |= self.cross.model_fields_set & {"sampling"}
            ineffective |= self.cross.loss.model_fields_set - {"kind", "temperature"}
            if self.cross.loss.kind != "paper":
                raise ValueError("the family paper needs cross.loss.kind = 'paper'")
        if self.intra is not None:
            ineffective |= self.intra.model_fields_set & {"identities", "windows", "noise"}
        if ineffective:
            raise ValueError(f"without effect in the family paper: {', '.join(sorted(ineffective))}")


def load_config(name_or_file: str) -> TrainConfig:
    """Read a configuration that ships, by name, or a TOML file.

    Raises:
        TrainingError: If there is none, or it is not valid.
    """
    path = Path(name_or_file)
    if path.suffix != ".toml":
        path = CONFIGS / f"{name_or_file}.toml"
    shipped = ", ".join(sorted(file.stem for file in CONFIGS.glob("*.toml")))
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(
            f"There is no configuration {name_or_file}.", fix=f"Name a TOML file or one of: {shipped}."
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise TrainingError(f"{path} is not TOML: {error}.", fix="Correct that line.") from error
    try:
        return TrainConfig.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise TrainingError(
            f"{path}: {where}: {first['msg']}.", fix=f"Correct it; {CONFIGS / 'compact.toml'} is an example."
        ) from error
