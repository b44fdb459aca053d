"""The list of all clips that were to be prepared in a folder, those without features included.

A split depends on the whole list: what is trained on and what is evaluated must be drawn from the same one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from engines.store.files import write_atomically
from training.data.clip import Clip
from training.data.errors import DatasetError

LISTING_NAME: Final = "clips.jsonl"


def read_listing(folder: Path) -> list[Clip]:
    """Return the clips of a folder's list, as their tables had them, in the order of their keys.

    Raises:
        DatasetError: If there is none, or it is damaged.
    """
    path = folder / LISTING_NAME
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [Clip.from_json(json.loads(line)) for line in lines]
    except FileNotFoundError as error:
        raise DatasetError(
            f"{folder} lacks the list of its clips.", fix="Make it with `seamwatch data prepare`."
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{path} is damaged.", fix="Remove it and run `seamwatch data prepare` again."
        ) from error


def add_to_listing(folder: Path, clips: Iterable[Clip]) -> None:
    """Add clips to a folder's list, or replace them in it.

    Raises:
        DatasetError: If the list is damaged.
    """
    listed = read_listing(folder) if (folder / LISTING_NAME).exists() else []
    by_key = {clip.key: clip for clip in (*listed, *clips)}
    lines = [json.dumps(clip.to_json(), sort_keys=True) + "\n" for _, clip in sorted(by_key.items())]
    write_atomically(folder / LISTING_NAME, "".join(lines).encode())
