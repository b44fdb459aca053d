"""The errors of the running monitor; they hang under the root that ``engines.errors`` defines."""

from __future__ import annotations

from engines.errors import EngineError, SeamwatchError

__all__ = [
    "AlertStoreError",
    "CalibrationError",
    "CapacityError",
    "ConfigurationError",
    "EvidenceError",
    "MediaError",
    "OverloadError",
    "SeamwatchError",
    "SignallingError",
]


class ConfigurationError(SeamwatchError):
    """An option, a configuration value or a combination of them cannot be used."""


class MediaError(SeamwatchError):
    """A file, a track or a session description cannot be read."""


class SignallingError(SeamwatchError):
    """A WebRTC offer, answer or resource request is not acceptable.

    Args:
        message: What is wrong.
        fix: What the peer can do about it.
        status: The HTTP status that a signalling server answers with.
    """

    def __init__(self, message: str, *, fix: str, status: int) -> None:
        super().__init__(message, fix=fix)
        self.status = status


class CapacityError(SeamwatchError):
    """The monitor refuses new work because a stated limit is reached."""


class OverloadError(EngineError):
    """An engine's request was dropped: too old to be worth it, or one too many."""


class AlertStoreError(SeamwatchError):
    """The alert store cannot be opened, read or written."""


class EvidenceError(SeamwatchError):
    """An evidence folder or bundle cannot be read or written."""


class CalibrationError(SeamwatchError):
    """A calibration cannot be made, read or used."""
