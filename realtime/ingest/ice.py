"""Servers that help to find a way through the network."""

from __future__ import annotations

import re
from dataclasses import dataclass

from realtime.errors import ConfigurationError

_URL = re.compile(r"(stun|turns?):[^\s?:@/]+(:\d{1,5})?(\?transport=(udp|tcp))?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class IceServer:
    """A STUN (RFC 7064) or TURN (RFC 7065) server; one of each kind is used.

    Attributes:
        url: ``stun:host:port``, ``turn:host:port`` or ``turns:host:port``, with ``?transport=tcp`` for TURN
            over TCP.
        username: For TURN.
        credential: For TURN.

    Raises:
        ConfigurationError: The URL cannot be used.
    """

    url: str
    username: str | None = None
    credential: str | None = None

    def __post_init__(self) -> None:
        if _URL.fullmatch(self.url) is None:
            raise ConfigurationError(
                "The URL of an ICE server cannot be used.",
                fix="Write it as stun:host:port, turn:host:port or turns:host:port.",
            )
