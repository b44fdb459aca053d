"""Pieces of HTML that every part of the report uses. Text from outside goes through ``text``."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable

from clients.printable import printable


def text(outside: str) -> str:
    """Return text as HTML that shows it and does nothing else."""
    return html.escape(printable(outside))


def data_uri(kind: str, content: bytes) -> str:
    """Return a picture as an address that needs no network.

    Args:
        kind: Such as "png".
        content: The encoded picture.
    """
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def section(title: str, body: str) -> str:
    """Return a section with a heading; nothing where it has no body."""
    return f"<section><h3>{title}</h3>{body}</section>" if body else ""


def table(head: Iterable[str], rows: Iterable[str], *, css: str = "") -> str:
    """Return a table that scrolls by itself where it is too wide; nothing without rows.

    Args:
        head: The cells of the head.
        rows: The cells of each row.
        css: "stacked" for one whose cells go under each other where it is narrow.
    """
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    if not body:
        return ""
    return (
        f'<div class="scroll"><table class="{css}"><thead><tr>{"".join(head)}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def bullets(items: Iterable[str]) -> str:
    """Return a list of pieces of HTML; nothing for none."""
    body = "".join(f"<li>{item}</li>" for item in items)
    return f"<ul>{body}</ul>" if body else ""
