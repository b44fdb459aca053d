"""The encoders of one monitor, built from its engines and shared by all participants."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engines.checkpoint import DEFAULT_CHECKPOINT, CheckpointEngines, load_checkpoint
from engines.frontend.mouth import MOUTH_SIZE_PX
from engines.loader import EngineSet, load_engines
from engines.store.store import ModelStore
from realtime.config import MonitorConfig
from realtime.encoders.base import AudioEncoder, IdentityEncoder, VisualEncoder
from realtime.encoders.baseline import BaselineAudioEncoder, BaselineVisualEncoder
from realtime.encoders.identity import PooledIdentityEncoder
from realtime.encoders.speech import SpeechDetector
from realtime.encoders.trained import TrainedAudioEncoder, TrainedVisualEncoder


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSuite:
    """Stateless encoders, and what makes the stateful parts of one participant.

    Attributes:
        engines: The engines behind detector, landmarks, identity and speech activity.
        identity: mu.
        visual: gamma.
        audio: alpha.
        checkpoint: The engines behind trained gamma and alpha; None for the baseline.
    """

    engines: EngineSet
    identity: IdentityEncoder
    visual: VisualEncoder
    audio: AudioEncoder
    checkpoint: CheckpointEngines | None = None

    def speech_detector(self) -> SpeechDetector:
        """Return a fresh speech detector for one participant."""
        return SpeechDetector(self.engines.vad)

    @property
    def mouth_size_px(self) -> int | None:
        """Side of the mouth pictures that gamma wants; None where it wants none."""
        return None if self.checkpoint is None else MOUTH_SIZE_PX

    def close(self) -> None:
        """Close every engine."""
        self.engines.close()
        if self.checkpoint is not None:
            self.checkpoint.close()

    @property
    def ids(self) -> dict[str, str]:
        """Engine id by role."""
        return {
            "detector": self.engines.detector.spec.id,
            "landmarks": self.engines.landmarks.spec.id,
            "identity": self.identity.id,
            "visual": self.visual.id,
            "audio": self.audio.id,
            "speech": self.engines.vad.spec.id,
        }


def load_encoders(
    config: MonitorConfig,
    *,
    models_dir: Path | None = None,
    checkpoint_dir: Path | None = DEFAULT_CHECKPOINT,
    threads: int = 1,
) -> EncoderSuite:
    """Load the pretrained models of the store and a checkpoint of trained encoders.

    Args:
        config: Settings of the pure core.
        models_dir: Root of the model store; None for the user's.
        checkpoint_dir: The checkpoint; None for the untrained baseline, to compare with.
        threads: Threads that one run of an engine uses.

    Raises:
        ModelStoreError: A model is missing or damaged.
        EngineError: A model or the checkpoint cannot be loaded.
    """
    checkpoint = None if checkpoint_dir is None else load_checkpoint(checkpoint_dir, threads=threads)
    return build_encoders(load_engines(ModelStore(models_dir), threads=threads), config, checkpoint)


def build_encoders(
    engines: EngineSet, config: MonitorConfig, checkpoint: CheckpointEngines | None
) -> EncoderSuite:
    """Wire the encoders.

    Args:
        engines: Detector, landmarks, identity and speech activity.
        config: Lag band and coverage that a window needs.
        checkpoint: Trained gamma and alpha; None for the untrained baseline.
    """
    output = engines.identity.spec.outputs["embedding"]
    dimension = output.shape[-1]
    if dimension is None:
        raise ValueError("the identity engine does not state the length of its embeddings")
    identity = PooledIdentityEncoder(engines.identity, dimension)
    scoring, band_ticks = config.scoring, config.windows.band_ticks
    if checkpoint is None:
        return EncoderSuite(
            engines=engines,
            identity=identity,
            visual=BaselineVisualEncoder(scoring.min_face_ratio),
            audio=BaselineAudioEncoder(band_ticks, scoring.min_audio_ratio),
        )
    return EncoderSuite(
        engines=engines,
        identity=identity,
        visual=TrainedVisualEncoder(checkpoint.visual, scoring.min_face_ratio),
        audio=TrainedAudioEncoder(
            engines.speech,
            checkpoint.audio,
            checkpoint.context_ticks,
            band_ticks,
            scoring.min_audio_ratio,
        ),
        checkpoint=checkpoint,
    )
