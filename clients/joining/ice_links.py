"""STUN and TURN servers that an HTTP server names in ``Link`` headers (RFC 9725, section 4.6)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from realtime.errors import ConfigurationError
from realtime.ingest.ice import IceServer

MAX_ICE_SERVERS = 8
MAX_HEADER_CHARS = 8192

_VALUE = r'(?:"(?:[^"\\]|\\.)*"|[^\s",;]*)'
_PARAMETER = re.compile(rf"\s*;\s*([a-z-]+)\s*=\s*({_VALUE})", re.IGNORECASE)
_TARGET = re.compile(r"<([^<>]*)>")


def ice_servers(headers: Iterable[str]) -> list[IceServer]:
    """Return the servers that links of the relation "ice-server" name, in order.

    Links that cannot be read and servers that cannot be used are left out.

    Args:
        headers: Values of ``Link`` headers (RFC 8288).
    """
    found: list[IceServer] = []
    for header in headers:
        if len(header) > MAX_HEADER_CHARS:
            continue
        for target in _TARGET.finditer(header):
            server = _server(target[1].strip(), _parameters(header, target.end()))
            if server is not None and len(found) < MAX_ICE_SERVERS:
                found.append(server)
    return found


def _parameters(header: str, start: int) -> dict[str, str]:
    parameters: dict[str, str] = {}
    while (match := _PARAMETER.match(header, start)) is not None:
        value = match[2]
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        parameters.setdefault(match[1].lower(), value)
        start = match.end()
    return parameters


def _server(url: str, parameters: dict[str, str]) -> IceServer | None:
    if parameters.get("rel") != "ice-server" or parameters.get("credential-type", "password") != "password":
        return None
    try:
        return IceServer(
            url=url, username=parameters.get("username"), credential=parameters.get("credential")
        )
    except ConfigurationError:
        return None
