"""The addresses of this host that ICE offers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aioice.ice

_LOOPBACK = "127.0.0.1"


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
