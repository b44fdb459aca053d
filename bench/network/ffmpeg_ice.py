"""ffmpeg 8.0 sends connectivity checks without PRIORITY (required by RFC 8445, 7.1.1), which aioice needs."""

from __future__ import annotations

from typing import Any

import aioice.ice

#: The priority of a peer-reflexive candidate of the first component (RFC 8445, 5.1.2.1).
_PRIORITY = (110 << 24) + (65_535 << 8) + 255


def accept_checks_without_priority() -> None:
    """Let aioice in this process take such checks. To be called once."""
    connection: Any = aioice.ice.Connection
    check_incoming = connection.check_incoming

    def check(self: Any, message: Any, *rest: Any) -> Any:
        message.attributes.setdefault("PRIORITY", _PRIORITY)
        return check_incoming(self, message, *rest)

    connection.check_incoming = check
