"""The encoders of one monitor, built from its engines and shared by all participants."""

from __future__ import annotations

from dataclasses import dataclass

from engines.loader import EngineSet
from realtime.config import MonitorConfig
from realtime.encoders.base import AudioEncoder, IdentityEncoder, VisualEncoder
from realtime.encoders.baseline import BaselineAudioEncoder, BaselineVisualEncoder
from realtime.encoders.identity import PooledIdentityEncoder
from realtime.encoders.speech import SpeechDetector


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSuite:
    """Stateless encoders, and what makes the stateful parts of one participant.

    Attributes:
        engines: The engines behind detector, landmarks, identity and speech activity.
        identity: mu.
        visual: gamma.
        audio: alpha.
    """

    engines: EngineSet
    identity: IdentityEncoder
    visual: VisualEncoder
    audio: AudioEncoder

    def speech_detector(self) -> SpeechDetector:
        """Return a fresh speech detector for one participant."""
        return SpeechDetector(self.engines.vad)

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


def build_encoders(engines: EngineSet, config: MonitorConfig) -> EncoderSuite:
    """Wire the default encoders: a pretrained identity embedder, untrained lips and voice."""
    output = engines.identity.spec.outputs["embedding"]
    dimension = output.shape[-1]
    if dimension is None:
        raise ValueError("the identity engine does not state the length of its embeddings")
    return EncoderSuite(
        engines=engines,
        identity=PooledIdentityEncoder(engines.identity, dimension),
        visual=BaselineVisualEncoder(config.scoring.min_face_ratio),
        audio=BaselineAudioEncoder(config.windows.band_ticks, config.scoring.min_audio_ratio),
    )
