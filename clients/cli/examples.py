"""Examples for a command's help text."""

from __future__ import annotations

KEEP_LINES = "\b"


def examples(*lines: str) -> str:
    """Return examples as the epilog of a command, one a line, kept from being wrapped by click."""
    return "\n".join([KEEP_LINES, "Examples:", *(f"  {line}" for line in lines)])
