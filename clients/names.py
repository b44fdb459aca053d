"""Names that fit into the addresses of a monitor."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable

NAME_LENGTH = 48


def safe_name(text: str) -> str:
    """Return a name of letters, digits, dots, dashes and underscores that starts with a letter or digit."""
    cleaned = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:NAME_LENGTH].rstrip("-._")
    return cleaned or "participant"


def unique_name(text: str, taken: Container[str]) -> str:
    """Return a safe name that is not taken: one that is taken already gets a number."""
    name = base = safe_name(text)
    number = 1
    while name in taken:
        number += 1
        name = f"{base}-{number}"
    return name


def safe_unique_names(texts: Iterable[str]) -> list[str]:
    """Return one safe name a text, all different."""
    names: list[str] = []
    for text in texts:
        names.append(unique_name(text, names))
    return names
