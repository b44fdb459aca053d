"""A voice spoken by a machine: espeak-ng says a sentence that has nothing to do with the lips."""

from __future__ import annotations

import io
import shutil
import subprocess
import wave
from typing import Final

import numpy as np
from scipy.signal import resample_poly

from realtime.errors import MediaError
from realtime.timebase import SAMPLE_RATE_HZ
from realtime.types import Float32

PROGRAM: Final = "espeak-ng"

_TIMEOUT_S: Final = 60
_VOICES: Final = ("en-gb", "en-us", "en-gb+f2", "en-us+f3", "en-gb+m3", "en-us+m5")
_OPENINGS: Final = ("we will", "you should", "they never", "I can", "she might", "nobody would", "please")
_DEEDS: Final = ("send", "move", "bring back", "look for", "open", "change", "remember", "pay for")
_THINGS: Final = ("the paper", "two boxes", "the blue key", "my appointment", "every window", "their number")
_ENDINGS: Final = ("before noon", "in the garden", "by Friday", "with both hands", "after the meeting", "now")


def unavailable() -> str | None:
    """Return why no machine voice can be had here; None where one can."""
    if shutil.which(PROGRAM) is None:
        return f"{PROGRAM} is not installed"
    return None


def machine_voice(samples: int, rng: np.random.Generator) -> Float32:
    """Let espeak-ng speak random sentences.

    Args:
        samples: Wanted length at 16 kHz.
        rng: Source of words, voice, pitch and pace.

    Returns:
        float32, shape (at least samples,).

    Raises:
        MediaError: If the program is missing or fails.
    """
    reason = unavailable()
    if reason is not None:
        raise MediaError(f"No machine voice: {reason}.", fix=f"Install {PROGRAM}, or leave this kind out.")
    voice, pitch, pace = str(rng.choice(_VOICES)), int(rng.integers(25, 75)), int(rng.integers(140, 190))
    spoken = np.zeros(0, np.float32)
    while len(spoken) < samples:
        spoken = np.concatenate([spoken, _say(_sentence(rng), voice, pitch, pace)])
    return spoken


def _sentence(rng: np.random.Generator) -> str:
    parts = (_OPENINGS, _DEEDS, _THINGS, _ENDINGS)
    return " ".join(str(rng.choice(part)) for part in parts)


def _say(text: str, voice: str, pitch: int, words_per_minute: int) -> Float32:
    command = [PROGRAM, "--stdout", "-v", voice, "-p", str(pitch), "-s", str(words_per_minute), text]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=_TIMEOUT_S)
        with wave.open(io.BytesIO(done.stdout)) as sound:
            rate_hz = sound.getframerate()
            data = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
    except (OSError, subprocess.SubprocessError, wave.Error, EOFError) as error:
        raise MediaError(f"{PROGRAM} failed: {error}.", fix="Check that it runs on its own.") from error
    common = int(np.gcd(rate_hz, SAMPLE_RATE_HZ))
    plain = data.astype(np.float64) / 32768
    return np.asarray(resample_poly(plain, SAMPLE_RATE_HZ // common, rate_hz // common), np.float32)
