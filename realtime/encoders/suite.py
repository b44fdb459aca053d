"""The encoders of one monitor, built from its engines and shared by all participants."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from engines.build.record import Windows
from engines.checkpoint import DEFAULT_CHECKPOINT, CheckpointEngines, load_checkpoint
from engines.frontend.mouth import MOUTH_SIZE_PX
from engines.loader import EngineSet, load_engines, load_set
from engines.store.store import ModelStore
from realtime.config import MonitorConfig, WindowConfig
from realtime.encoders.base import AudioEncoder, IdentityEncoder, VisualEncoder
from realtime.encoders.baseline import BaselineAudioEncoder, BaselineVisualEncoder
from realtime.encoders.identity import PooledIdentityEncoder
from realtime.encoders.scheduler import EngineScheduler
from realtime.encoders.speech import SpeechDetector
from realtime.encoders.trained import TrainedAudioEncoder, TrainedVisualEncoder
from realtime.timebase import SAMPLES_PER_TICK


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSuite:
    """Stateless encoders, and what makes the stateful parts of one participant.

    Attributes:
        engines: The engines behind detector, landmarks, identity and speech activity.
        identity: mu.
        visual: gamma.
        audio: alpha.
        checkpoint: The engines behind trained gamma and alpha; None for the baseline.
        scheduler: Drives all of these engines for several participants; None where they are called directly.
        windows: Window length, hop and lag band, which say when speech activity is needed.
    """

    engines: EngineSet
    identity: IdentityEncoder
    visual: VisualEncoder
    audio: AudioEncoder
    checkpoint: CheckpointEngines | None = None
    scheduler: EngineScheduler | None = None
    windows: WindowConfig = field(default_factory=WindowConfig)

    def speech_detector(self) -> SpeechDetector:
        """Return a fresh speech detector for one participant, which runs when a window needs it."""
        hop = self.windows.hop_ticks * SAMPLES_PER_TICK
        heard = (self.windows.length_ticks + self.windows.band_ticks) * SAMPLES_PER_TICK
        return SpeechDetector(self.engines.vad, (hop, heard % hop))

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
        """Engine id by role; ``speech`` is there where gamma and alpha are trained, which makes use of it."""
        ids = {
            "detector": self.engines.detector.spec.id,
            "landmarks": self.engines.landmarks.spec.id,
            "identity": self.identity.id,
            "visual": self.visual.id,
            "audio": self.audio.id,
            "vad": self.engines.vad.spec.id,
        }
        return ids if self.checkpoint is None else {**ids, "speech": self.engines.speech.spec.id}


def load_encoders(
    config: MonitorConfig,
    *,
    models_dir: Path | None = None,
    checkpoint_dir: Path | None = DEFAULT_CHECKPOINT,
    engines_dir: Path | None = None,
    threads: int = 1,
    scheduler: EngineScheduler | None = None,
) -> EncoderSuite:
    """Load the pretrained models of the store and a checkpoint of trained encoders, or a built set of both.

    Args:
        config: Settings of the pure core.
        models_dir: Root of the model store; None for the user's.
        checkpoint_dir: The checkpoint; None for the untrained baseline, to compare with.
        engines_dir: A set of engines, as written by ``seamwatch engines build``, in place of both.
        threads: Threads that one run of an engine uses.
        scheduler: Drives the engines for several participants; None to call them directly.

    Raises:
        ModelStoreError: A model is missing or damaged.
        EngineError: A model, the checkpoint or the set cannot be loaded, or the set is for another host.
    """
    if engines_dir is not None:
        built = load_set(
            engines_dir,
            windows=Windows(**asdict(config.windows)),
            rows=config.faces.detection_interval_ticks,
            threads=threads,
        )
        return build_encoders(built.engines, config, built.checkpoint, scheduler)
    checkpoint = None if checkpoint_dir is None else load_checkpoint(checkpoint_dir, threads=threads)
    return build_encoders(
        load_engines(ModelStore(models_dir), threads=threads), config, checkpoint, scheduler
    )


def build_encoders(
    engines: EngineSet,
    config: MonitorConfig,
    checkpoint: CheckpointEngines | None,
    scheduler: EngineScheduler | None = None,
) -> EncoderSuite:
    """Wire the encoders.

    Args:
        engines: Detector, landmarks, identity and speech activity.
        config: Lag band and coverage that a window needs.
        checkpoint: Trained gamma and alpha; None for the untrained baseline.
        scheduler: Drives the engines from now on; None to call them directly.
    """
    if scheduler is not None:
        engines = replace(engines, **_driven(engines, scheduler))
        checkpoint = None if checkpoint is None else replace(checkpoint, **_driven(checkpoint, scheduler))
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
            scheduler=scheduler,
            windows=config.windows,
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
        scheduler=scheduler,
        windows=config.windows,
    )


def _driven(engines: EngineSet | CheckpointEngines, scheduler: EngineScheduler) -> dict[str, Any]:
    """Return the fields that hold engines, each behind the scheduler."""
    values = {field.name: getattr(engines, field.name) for field in fields(engines)}
    return {name: scheduler.drive(value) for name, value in values.items() if hasattr(value, "run")}
