"""Calibrations on disk: JSON files, and which one fits the engines in use."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from engines.checkpoint import DEFAULT_CHECKPOINT
from realtime.config import MonitorConfig
from realtime.decision.calibration import Calibration
from realtime.decision.observer import SAME_PERSON
from realtime.decision.portable import from_dict, to_dict
from realtime.errors import CalibrationError
from realtime.identity.memory import IdentityMemoryConfig

CALIBRATION_NAME = "calibration.json"
DEFAULT_CALIBRATION = DEFAULT_CHECKPOINT / CALIBRATION_NAME

#: The engines that the values of the two channels come from.
_ROLES = ("detector", "landmarks", "identity", "visual", "audio", "vad", "speech")


def models_of(engine_ids: Mapping[str, str]) -> dict[str, str]:
    """Return the model behind each engine; engines of one model agree within the parity of their build."""
    return {role: engine_ids[role].split("/", 1)[0] for role in _ROLES if role in engine_ids}


def configuration_sha256(config: MonitorConfig) -> str:
    """Return the digest of the settings that a window's values depend on."""
    relevant = {
        "faces": {
            key: value
            for key, value in asdict(config.faces).items()
            if key not in ("identity_interval_ticks", "mouth_crops")
        },
        "windows": asdict(config.windows),
        "identity": {**asdict(IdentityMemoryConfig()), "same_person": SAME_PERSON},
        "speech_threshold": config.scoring.speech_threshold,
        "min_ratios": [
            config.scoring.min_face_ratio,
            config.scoring.min_audio_ratio,
            config.scoring.min_speech_ratio,
        ],
    }
    return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()


def sha256_of(calibration: Calibration) -> str:
    """Return the digest of a calibration's content."""
    return hashlib.sha256(json.dumps(to_dict(calibration), sort_keys=True).encode()).hexdigest()


def read_calibration(path: Path) -> Calibration:
    """Read a calibration.

    Raises:
        CalibrationError: It cannot be read, or is no calibration.
    """
    try:
        plain = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CalibrationError(
            f"The calibration {path} cannot be read: {error}.", fix="Make it with `seamwatch calibrate`."
        ) from error
    return from_dict(plain)


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Write a calibration in one step.

    Raises:
        CalibrationError: It cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(to_dict(calibration), indent=1) + "\n", "utf-8")
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise CalibrationError(
            f"The calibration cannot be written to {path}: {error}.", fix="Name a file in a writable folder."
        ) from error


def calibration_for(
    engine_ids: Mapping[str, str], config: MonitorConfig, path: Path | None = None
) -> Calibration | None:
    """Return the calibration to decide by.

    Args:
        engine_ids: The engines in use, by role.
        config: Settings of the pipeline.
        path: The operator's calibration; None for the one that ships, where it fits.

    Returns:
        None where none is named and the one that ships is for other models or settings.

    Raises:
        CalibrationError: The named one cannot be read, or does not fit.
    """
    if path is None and not DEFAULT_CALIBRATION.exists():
        return None
    calibration = read_calibration(path or DEFAULT_CALIBRATION)
    differing = sorted(
        role
        for role, model in models_of(calibration.engine_ids).items()
        if models_of(engine_ids).get(role) != model
    )
    if calibration.configuration_sha256 != configuration_sha256(config):
        differing.append("configuration")
    if not differing:
        return calibration
    if path is None:
        return None
    raise CalibrationError(
        f"The calibration {path} was made with another {' and '.join(differing)}.",
        fix="Run `seamwatch calibrate` with the engines that you use.",
    )
