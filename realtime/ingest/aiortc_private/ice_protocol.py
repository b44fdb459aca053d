"""The socket of an ICE candidate."""

from __future__ import annotations

from typing import Any

import aioice.ice

_LAST_STUN_BYTE = 3


class IceProtocol(aioice.ice.StunProtocol):
    """Takes what is not STUN by its first byte (RFC 7983, section 7) for that, instead of parsing it."""

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        """Take a datagram."""
        if isinstance(data, bytes) and data and data[0] > _LAST_STUN_BYTE:
            self.receiver.data_received(data, self.local_candidate.component)
        else:
            super().datagram_received(data, addr)
