"""The programs that can be measured, and how an owner says where they are."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from realtime.errors import ConfigurationError

ADAPTERS: Final = Path(__file__).parent / "adapters"
#: These need nothing that Seamwatch does not bring and always run.
OWN: Final = ("seamwatch", "everything_anew", "sface_pictures")
OTHERS: Final = ("syncnet", "light_asd", "deepface", "insightface")


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerChoice:
    """One program and where it is.

    Attributes:
        key: Name of its adapter's file.
        adapter: That file.
        python: The interpreter that has what it needs.
        options: Paths of checkouts and weights, by name.
    """

    key: str
    adapter: Path
    python: Path = Path(sys.executable)
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def own(self) -> bool:
        """Whether it runs on Seamwatch's own modules."""
        return self.key in OWN


def chosen_peers(pythons: Sequence[str], options: Sequence[str]) -> list[PeerChoice]:
    """Return all programs, each with what the owner said of it.

    Args:
        pythons: ``KEY=PATH`` of interpreters.
        options: ``KEY.NAME=VALUE``.

    Raises:
        ConfigurationError: If one is not of that form or names no program.
    """
    paths: dict[str, Path] = {}
    said: dict[str, dict[str, str]] = {}
    for entry in pythons:
        key, _, value = entry.partition("=")
        paths[_known(key, entry, value)] = Path(value).expanduser()
    for entry in options:
        left, _, value = entry.partition("=")
        key, _, name = left.partition(".")
        said.setdefault(_known(key, entry, name and value), {})[name] = value
    return [
        PeerChoice(
            key=key,
            adapter=ADAPTERS / f"{key}.py",
            python=paths.get(key, Path(sys.executable)),
            options=said.get(key, {}),
        )
        for key in (*OWN, *OTHERS)
    ]


def _known(key: str, entry: str, value: str) -> str:
    if key not in OTHERS or not value:
        raise ConfigurationError(
            f"{entry!r} does not say where one of the programs is.",
            fix=f"Write for example syncnet=PATH or syncnet.checkout=PATH; known are {', '.join(OTHERS)}.",
        )
    return key
