"""The paper's alpha: a Whisper encoder on the sound of a window."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from engines.frontend.mel import FRAMES_PER_TICK, SAMPLE_RATE_HZ
from training.errors import TrainingError
from training.models.temporal import unit_norm

Float32 = npt.NDArray[np.float32]

_POSITIONS_PER_TICK = FRAMES_PER_TICK // 2


@dataclass(frozen=True, slots=True)
class Whisper:
    """A pretrained Whisper.

    Attributes:
        encoder: ``WhisperEncoder`` of transformers.
        extractor: The ``WhisperFeatureExtractor`` that belongs to it.
    """

    encoder: nn.Module
    extractor: Any

    def log_mel(self, voices: Float32, margin_ticks: int) -> Float32:
        """Return Whisper's own log-mel of voices.

        Args:
            voices: float32, shape (n, 640 (F + 2 margin)), in [-1, 1], at 16 kHz.
            margin_ticks: Ticks of sound around the voice on both sides, at least 1: what Whisper invents
                beyond the ends of the sound stays in them.

        Returns:
            float32, shape (n, bins, 4 F).
        """
        features = self.extractor(list(voices), sampling_rate=SAMPLE_RATE_HZ, padding="longest")
        margin = FRAMES_PER_TICK * margin_ticks
        return np.asarray(features["input_features"], np.float32)[:, :, margin:-margin]


def load_whisper(name: str) -> Whisper:
    """Load a Whisper checkpoint through transformers.

    Args:
        name: Folder, or name on the hub.

    Raises:
        TrainingError: If transformers or the checkpoint is missing.
    """
    if importlib.util.find_spec("transformers") is None:
        raise TrainingError(
            "The models of the paper need transformers.", fix="Run pip install 'seamwatch[paper]'."
        )
    transformers = importlib.import_module("transformers")
    try:
        model = transformers.WhisperModel.from_pretrained(name)
        extractor = transformers.WhisperFeatureExtractor.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"{name} is no Whisper checkpoint that can be loaded.",
            fix="Set paper.whisper to a folder with one, or to a name on the hub.",
        ) from error
    return Whisper(model.get_encoder().float(), extractor)


class VoiceWindowEncoder(nn.Module):
    """One embedding a window (paper, Sec. 5 "Models"): the mean of the encoder's outputs, mapped to D.

    Whisper takes 30 s, padded with silence. Here its table of positions, fixed sinusoids, ends with the
    window, so that a window is all that it takes.

    Args:
        whisper: Its encoder is taken over, shortened and trained.
        ticks: Length F of a window.
        dimension: Length D of the result.

    Raises:
        TrainingError: If Whisper is made for shorter sound.
    """

    def __init__(self, whisper: Whisper, *, ticks: int, dimension: int) -> None:
        super().__init__()
        encoder: Any = whisper.encoder
        positions = _POSITIONS_PER_TICK * ticks
        if positions > encoder.config.max_source_positions:
            raise TrainingError(
                f"This Whisper takes no window of {ticks} ticks.", fix="Choose shorter windows."
            )
        encoder.config.max_source_positions = encoder.max_source_positions = positions
        table = nn.Embedding(positions, encoder.config.d_model).requires_grad_(False)
        table.load_state_dict({"weight": encoder.embed_positions.weight[:positions]})
        encoder.embed_positions = table
        self.whisper = encoder
        self.leave = nn.Linear(encoder.config.d_model, dimension)

    def forward(self, voice: Tensor) -> Tensor:
        """Encode windows.

        Args:
            voice: Float, shape (N, T, bins, 4 F), as from :meth:`Whisper.log_mel`.

        Returns:
            Float, shape (N, T, D), unit norm.
        """
        encoded: Tensor = self.whisper(voice.flatten(0, 1)).last_hidden_state
        return unit_norm(self.leave(encoded.mean(dim=1)).float()).reshape(*voice.shape[:2], -1)
