"""What aioice lacks for ffmpeg 8.0, so that aiortc's own receiver can be measured with it.

ffmpeg sends connectivity checks without PRIORITY (required by RFC 8445, 7.1.1) and answers no consent checks
(RFC 7675), for which aioice ends the connection after half a minute.
"""

from __future__ import annotations

import asyncio
from typing import Any

import aioice.ice

#: The priority of a peer-reflexive candidate of the first component (RFC 8445, 5.1.2.1).
_PRIORITY = (110 << 24) + (65_535 << 8) + 255


def get_along_with_ffmpeg() -> None:
    """Let aioice in this process take such checks and need no consent. To be called once."""
    connection: Any = aioice.ice.Connection
    check_incoming = connection.check_incoming

    def check(self: Any, message: Any, *rest: Any) -> Any:
        message.attributes.setdefault("PRIORITY", _PRIORITY)
        return check_incoming(self, message, *rest)

    async def assume_consent(self: Any) -> None:
        await asyncio.Event().wait()

    connection.check_incoming = check
    connection.query_consent = assume_consent
