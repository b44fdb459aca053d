"""Text from outside (file names, participants' names, server messages) made safe to show."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return text without what could steer a terminal, reorder what is read or fail to encode.

    Control and format characters, lone surrogates and line ends each become U+FFFD.
    """
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
