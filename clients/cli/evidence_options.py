"""``--keep-evidence``, ``--keep-media`` and ``--keep-for``: what a command keeps on disk, and how long."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from realtime.evidence.keeping import DEFAULT_KEEP_DAYS, Keeping


def evidence_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which gets them together as ``keeping``."""

    @wraps(command)
    def gathered(*, keep_evidence: Path | None, keep_media: bool, keep_for: float, **options: Any) -> Any:
        keeping = Keeping(evidence=keep_evidence, days=keep_for, media=keep_media)
        return command(keeping=keeping, **options)

    add_folder = click.option(
        "--keep-evidence",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        help="Keep what every alert rests on in this folder, for `seamwatch evidence verify`. It holds "
        "embeddings of faces and voices, which are biometric data.  [default: nothing is kept]",
    )
    add_age = click.option(
        "--keep-for",
        type=click.FloatRange(min=0, max=36_500, min_open=True),
        metavar="DAYS",
        default=DEFAULT_KEEP_DAYS,
        show_default=True,
        help="Age at which stored alerts and evidence are deleted.",
    )
    add_media = click.option(
        "--keep-media",
        is_flag=True,
        help="Keep with the evidence also small pictures of the face at the moments that disagree, and how "
        "loud it was; never the sound itself.  [default: none]",
    )
    return add_folder(add_media(add_age(gathered)))
