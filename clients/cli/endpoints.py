"""Addresses of a monitor."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from realtime.errors import ConfigurationError

_SCHEMES = {"http": ("http", "ws"), "ws": ("http", "ws"), "https": ("https", "wss"), "wss": ("https", "wss")}


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a monitor is.

    Attributes:
        http: Base address for HTTP, without a trailing slash.
        alerts: Address of the WebSocket that pushes alerts and scores.
    """

    http: str
    alerts: str

    def whip(self, call: str, participant: str) -> str:
        """Return the WHIP address of a participant; both names must be safe already."""
        return f"{self.http}/whip/{call}/{participant}"


def endpoints(address: str) -> Endpoints:
    """Derive a monitor's addresses from what a user gave.

    Args:
        address: ``http(s)://host[:port]`` or ``ws(s)://host[:port][/alerts]``.

    Raises:
        ConfigurationError: If it is not such an address.
    """
    fault = ConfigurationError(
        f"{address} is not the address of a monitor.",
        fix="Give an address such as http://127.0.0.1:8080 or ws://127.0.0.1:8080.",
    )
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise fault from error
    if parts.scheme not in _SCHEMES or not host or parts.query or parts.fragment:
        raise fault
    http, ws = _SCHEMES[parts.scheme]
    path = parts.path.rstrip("/").removesuffix("/alerts")
    return Endpoints(
        http=urlunsplit((http, parts.netloc, path, "", "")),
        alerts=urlunsplit((ws, parts.netloc, f"{path}/alerts", "", "")),
    )
