"""A clip as it would arrive through a call: written through a compression profile, then read again."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from realtime.errors import MediaError
from training.data.clip import Clip
from training.tamper.compression import profile_named
from training.tamper.recording import read_recording
from training.tamper.writing import Output, write_recording


def profile_for(clip: Clip, profiles: Sequence[str]) -> str | None:
    """Choose one of the profiles for a clip, always the same one; None where there are none."""
    if not profiles:
        return None
    digest = hashlib.sha256(clip.key.encode(errors="surrogateescape")).digest()
    return profiles[int.from_bytes(digest[:8]) % len(profiles)]


@contextmanager
def reencoded(clip: Clip, profile_name: str) -> Iterator[Clip]:
    """Encode a clip into a temporary file, and yield the clip with that file in the place of its own.

    Raises:
        MediaError: If the clip cannot be read or encoded, or its sound lies in another file.
    """
    if clip.audio_path is not None:
        raise MediaError(
            f"{clip.path} has its sound in another file.", fix="Join the two before they are re-encoded."
        )
    profile = profile_named(profile_name)
    recording = read_recording(clip.path)
    with tempfile.TemporaryDirectory(prefix="seamwatch-") as folder:
        path = Path(folder) / f"{clip.path.stem}{profile.container}"
        output = Output(path=path, profile=profile, seed=0)
        write_recording([output], recording.frames, recording.audio, ticks=recording.ticks)
        yield replace(clip, path=path)
