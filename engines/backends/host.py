"""What about this host's processor decides which numbers and which speed an engine gives."""

from __future__ import annotations

import functools
import platform
import re
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_TELLING = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx_vnni",
    "avx512_bf16",
    "amx_int8",
    "amx_bf16",
    "asimddp",
    "i8mm",
)
VNNI = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
"""Instructions that sum products of 8-bit numbers without saturating halfway."""


@functools.cache
def cpu_features() -> tuple[str, ...]:
    """Return the vector instructions that kernels choose by, as Linux names them; none where unknown."""
    try:
        text = _CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    line = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    present = frozenset(line.group(1).split()) if line else frozenset[str]()
    return tuple(name for name in _TELLING if name in present)


def cpu_fingerprint() -> str:
    """Return architecture and vector instructions, such as ``x86_64 avx2 avx512f``."""
    return " ".join((platform.machine() or "unknown", *cpu_features()))
