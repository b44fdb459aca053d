"""What a step of the paper family minimises: Eq. 3 over gamma and alpha, Eq. 2 over mu."""

from __future__ import annotations

from torch import Tensor, nn

from training.config import PaperConfig
from training.losses import cross_modal_loss, intra_modal_loss
from training.models.iresnet import build_face_backbone
from training.models.paper_audio import VoiceWindowEncoder, Whisper
from training.models.paper_visual import FaceWindowEncoder
from training.objectives import Losses


def face_window_encoder(config: PaperConfig, ticks: int) -> FaceWindowEncoder:
    """Return a new mu or gamma for windows of F ticks.

    Raises:
        TrainingError: If the face checkpoint cannot be used.
    """
    return FaceWindowEncoder(
        build_face_backbone(config),
        width=config.face_dimension,
        ticks=ticks,
        layers=config.layers,
        heads=config.heads,
        dimension=config.dimension,
    )


class PaperCross(nn.Module):
    """The video and the audio network (paper, Fig. 2) under Eq. 3, pretrained layers included.

    Args:
        config: Sizes and pretrained weights.
        whisper: What alpha starts from.
        ticks: Length F of a window.
        temperature: tau'.

    Raises:
        TrainingError: If a checkpoint cannot be used.
    """

    def __init__(self, config: PaperConfig, whisper: Whisper, *, ticks: int, temperature: float) -> None:
        super().__init__()
        self.visual = face_window_encoder(config, ticks)
        self.audio = VoiceWindowEncoder(whisper, ticks=ticks, dimension=config.dimension)
        self._temperature = temperature

    def forward(self, faces: Tensor, ticks: Tensor, voice: Tensor) -> Losses:
        """Return the loss of a batch of ``training.paper_sampling``."""
        return {"loss": cross_modal_loss(self.visual(faces, ticks), self.audio(voice), self._temperature)}


class PaperIntra(nn.Module):
    """The identity network (paper, Fig. 2) under Eq. 2, pretrained layers included.

    Args:
        config: Sizes and pretrained weights.
        ticks: Length F of a window.
        temperature: tau.

    Raises:
        TrainingError: If the face checkpoint cannot be used.
    """

    def __init__(self, config: PaperConfig, *, ticks: int, temperature: float) -> None:
        super().__init__()
        self.identity = face_window_encoder(config, ticks)
        self._temperature = temperature

    def forward(self, faces: Tensor, ticks: Tensor) -> Losses:
        """Return the loss of a batch of ``training.paper_sampling``."""
        return {"loss": intra_modal_loss(self.identity(faces, ticks), self._temperature)}
