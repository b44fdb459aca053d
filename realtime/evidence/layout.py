"""How an evidence folder is laid out: ``chain.jsonl``, and ``CALL/NUMBER-STATE`` for each bundle."""

from __future__ import annotations

import hashlib
import re

from realtime.evidence.record import CHAIN_NAME

#: A bundle that is being written.
PART_PREFIX = ".part-"

_FOLDER_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_BUNDLE_NAME = re.compile(r"(\d{6,})-[a-z]+")


def call_folder(call: str) -> str:
    """Return the folder of a call: its name, or a name made from its hash where it is none for a folder."""
    if _FOLDER_NAME.fullmatch(call) and call.lower() != CHAIN_NAME:
        return call
    return f"call-{hashlib.sha256(call.encode(errors='replace')).hexdigest()[:16]}"


def bundle_name(n: int, state: str) -> str:
    """Return the name of a bundle's folder."""
    return f"{n:06d}-{state}"


def bundle_number(name: str) -> int | None:
    """Return the number in the name of a bundle's folder; None where it has none."""
    match = _BUNDLE_NAME.fullmatch(name)
    return None if match is None else int(match[1])
