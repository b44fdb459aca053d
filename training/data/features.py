"""From a clip to its features, by the code that the live path runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from engines.frontend.alignment import ALIGNED_SIZE_PX
from engines.frontend.lips import LIP_POINTS
from engines.frontend.mouth import MOUTH_SIZE_PX
from engines.frontend.quality import sharpness
from engines.loader import EngineSet
from realtime.config import FaceConfig
from realtime.encoders.identity import PooledIdentityEncoder
from realtime.encoders.speech import SpeechDetector
from realtime.errors import MediaError
from realtime.faces.analyzer import FaceAnalyzer
from realtime.faces.detector import FaceDetector
from realtime.faces.mesh import FaceMesh
from realtime.timebase import FRAME_RATE_HZ, SAMPLES_PER_TICK
from realtime.types import FaceFrame, Float32
from training.data.clip import Clip
from training.data.decode import AudioSegment, read_pictures, read_sound, video_facts
from training.data.prepared_clip import Int16, PreparedClip

_INT16_MAX = 32767


def features_of(clip: Clip, engines: EngineSet, *, faces: bool = False) -> PreparedClip:
    """Decode a clip and measure its face and its voice.

    Args:
        clip: The clip; what its record leaves open is taken from the file.
        engines: Detector, landmarks, identity and speech activity.
        faces: Also keep the aligned face of every detection, 5 a second.

    Returns:
        Features of the ticks that both pictures and sound cover.

    Raises:
        MediaError: If it cannot be decoded, or shows no usable face.
        EngineError: If an engine fails.
    """
    segments = read_sound(clip.audio_path or clip.path)
    facts = video_facts(clip.path)
    config = FaceConfig(mouth_crops=True)
    if faces:
        config = dataclasses.replace(config, identity_interval_ticks=config.detection_interval_ticks)
    analyzer = FaceAnalyzer(config, FaceDetector(engines.detector), FaceMesh(engines.landmarks))
    ticks = max(segment.end_sample for segment in segments) // SAMPLES_PER_TICK
    seen: list[FaceFrame] = []
    for frame in read_pictures(clip.path):
        if frame.tick >= ticks:
            break
        seen += analyzer.push(frame)
    seen += analyzer.flush()
    if not any(face.lips is not None for face in seen):
        raise MediaError(f"{clip.path} shows no usable face{_why(seen)}.", fix="Leave it out.")
    ticks = len(seen)
    return _gathered(
        dataclasses.replace(
            clip,
            duration_s=ticks / FRAME_RATE_HZ if clip.duration_s is None else clip.duration_s,
            fps=facts.fps if clip.fps is None else clip.fps,
            width=facts.width if clip.width is None else clip.width,
            height=facts.height if clip.height is None else clip.height,
        ),
        seen,
        _pcm(segments, ticks),
        speech_of(segments, ticks, SpeechDetector(engines.vad)),
        engines,
        keep_faces=faces,
    )


def speech_of(segments: Sequence[AudioSegment], ticks: int, detector: SpeechDetector) -> Float32:
    """Return the probability of speech per tick: that of the chunk in which the tick begins.

    Args:
        segments: The sound, in order.
        ticks: T.
        detector: A fresh detector.

    Returns:
        float32, shape (T,).
    """
    speech = np.zeros(ticks, np.float32)
    for segment in segments:
        runs = [*detector.push(segment.start_sample, segment.samples), *detector.flush()]
        for start, end, probability in runs:
            speech[-(-start // SAMPLES_PER_TICK) : -(-end // SAMPLES_PER_TICK)] = probability
    return speech


def _gathered(
    clip: Clip,
    faces: Sequence[FaceFrame],
    audio: Int16,
    speech: Float32,
    engines: EngineSet,
    *,
    keep_faces: bool,
) -> PreparedClip:
    lips = np.zeros((len(faces), LIP_POINTS, 2), np.float32)
    mouth = np.zeros((len(faces), MOUTH_SIZE_PX, MOUTH_SIZE_PX), np.uint8)
    present = np.zeros(len(faces), bool)
    for row, face in enumerate(faces):
        if face.lips is not None and face.mouth is not None:
            lips[row], mouth[row], present[row] = face.lips, face.mouth, True
    aligned = {face.tick: face.identity_crop for face in faces if face.identity_crop is not None}
    crops = {tick: crop for tick, crop in aligned.items() if tick % FaceConfig().identity_interval_ticks == 0}
    kept = aligned if keep_faces else {}
    (dimension,) = engines.identity.spec.outputs["embedding"].shape[1:]
    identity = np.zeros((0, dimension or 0), np.float32)
    if crops:
        encoder = PooledIdentityEncoder(engines.identity, identity.shape[1])
        identity = np.concatenate([encoder.embed(crop[None]) for crop in crops.values()])
    return PreparedClip(
        clip=clip,
        lips=lips,
        mouth=mouth,
        present=present,
        track=np.array([-1 if face.track_id is None else face.track_id for face in faces], np.int32),
        audio=audio,
        speech=speech,
        identity=identity,
        identity_ticks=np.array(list(crops), np.int32),
        face_size_px=float(np.median([face.face_size_px for face in faces if face.lips is not None])),
        sharpness=float(np.median([sharpness(crop) for crop in crops.values()])) if crops else 0.0,
        faces=np.array(list(kept.values()), np.uint8).reshape(-1, ALIGNED_SIZE_PX, ALIGNED_SIZE_PX, 3),
        face_ticks=np.array(list(kept), np.int32),
    )


def _pcm(segments: Sequence[AudioSegment], ticks: int) -> Int16:
    audio = np.zeros(ticks * SAMPLES_PER_TICK, np.int16)
    for segment in segments:
        target = audio[segment.start_sample : segment.end_sample]
        target[:] = np.rint(segment.samples[: len(target)] * _INT16_MAX).astype(np.int16)
    return audio


def _why(faces: Sequence[FaceFrame]) -> str:
    reasons = [str(face.reason) for face in faces if face.reason is not None]
    return f" ({max(sorted(set(reasons)), key=reasons.count)})" if reasons else ""
