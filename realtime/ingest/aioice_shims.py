"""What ingest changes about aioice, so that ICE works with more peers and machines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aioice.ice
from aioice.candidate import candidate_priority

_RTP_COMPONENT = 1
_LOOPBACK = "127.0.0.1"


class IceConnection(aioice.ice.Connection):
    """Takes connectivity checks without a priority, as ffmpeg 8 sends them, and ignores empty datagrams.

    Without a priority aioice raises KeyError; at an empty datagram, which anybody can send, aiortc ends the
    connection.
    """

    def check_incoming(self, message: Any, addr: tuple[str, int], protocol: Any) -> None:
        """Take a check (RFC 8445, section 7.3) of a peer."""
        message.attributes.setdefault("PRIORITY", candidate_priority(_RTP_COMPONENT, "prflx"))
        super().check_incoming(message, addr, protocol)

    def data_received(self, data: bytes, component: int) -> None:
        """Take a datagram that is not STUN."""
        if data:
            super().data_received(data, component)


def offer_loopback_as_last_resort() -> None:
    """Let ICE use 127.0.0.1 where a machine has no other address; aioice leaves it out. Idempotent."""
    ice: Any = aioice.ice
    if not isinstance(ice.get_host_addresses, _HostAddresses):
        ice.get_host_addresses = _HostAddresses(ice.get_host_addresses)


class _HostAddresses:
    def __init__(self, found: Callable[..., list[str]]) -> None:
        self._found = found

    def __call__(self, use_ipv4: bool, use_ipv6: bool) -> list[str]:
        addresses = self._found(use_ipv4=use_ipv4, use_ipv6=use_ipv6)
        return addresses or ([_LOOPBACK] if use_ipv4 else [])
