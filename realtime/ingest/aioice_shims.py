"""What ingest changes about aioice, so that ICE works with more peers and machines."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Any

import aioice.ice
from aioice.candidate import candidate_priority
from aioice.ice import CandidatePair
from aioice.stun import TransactionError

_RTP_COMPONENT = 1
_LOOPBACK = "127.0.0.1"
_LAST_STUN_BYTE = 3
MAX_WAITING_DATAGRAMS = 2048
CONSENT_INTERVAL_S = 5.0
CONSENT_FAILURES = 6

Datagram = tuple[bytes, int]


class DatagramQueue:
    """Datagrams for one reader; the newest is dropped when too many wait. None marks the end.

    It takes the place of an ``asyncio.Queue``, which is made for many readers, costs twice the time and would
    grow without limit.

    Attributes:
        dropped: Datagrams dropped because this host was too slow.
    """

    def __init__(self) -> None:
        self._waiting: deque[Datagram | None] = deque()
        self._reader: asyncio.Future[None] | None = None
        self.dropped = 0

    def put_nowait(self, item: Datagram | None) -> None:
        """Add a datagram and its component, or the end."""
        if item is not None and len(self._waiting) >= MAX_WAITING_DATAGRAMS:
            self.dropped += 1
            return
        self._waiting.append(item)
        reader = self._reader
        if reader is not None and not reader.done():
            reader.set_result(None)

    def __len__(self) -> int:
        return len(self._waiting)

    async def get(self) -> Datagram | None:
        """Wait for the next one."""
        while not self._waiting:
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        return self._waiting.popleft()


class IceConnection(aioice.ice.Connection):
    """Gets along with ffmpeg 8, and ignores empty datagrams.

    ffmpeg's connectivity checks have no priority, at which aioice raises KeyError, and it leaves consent
    checks (RFC 7675) without an answer, for which aioice ends the connection after half a minute. At an empty
    datagram, which anybody can send, aiortc ends it.

    Attributes:
        take_media: Offered every datagram that nothing waits before; what it takes is not queued.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._queue: Any = DatagramQueue()
        self._has_received = False
        self.take_media: Callable[[bytes], bool] | None = None

    def check_incoming(self, message: Any, addr: tuple[str, int], protocol: Any) -> None:
        """Take a check (RFC 8445, section 7.3) of a peer."""
        message.attributes.setdefault("PRIORITY", candidate_priority(_RTP_COMPONENT, "prflx"))
        super().check_incoming(message, addr, protocol)

    def data_received(self, data: bytes, component: int) -> None:
        """Take a datagram that is not STUN."""
        if data:
            self._has_received = True
            take = self.take_media
            if take is None or len(self._queue) or not take(data):
                self._queue.put_nowait((data, component))

    async def query_consent(self) -> None:
        """Close the connection when the peer neither answers consent checks nor sends anything for long."""
        failures = 0
        while failures < CONSENT_FAILURES:
            await asyncio.sleep(CONSENT_INTERVAL_S * random.uniform(0.8, 1.2))
            answers = [await self._has_consent(pair) for pair in self._nominated.values()]
            failures = 0 if all(answers) or self._has_received else failures + 1
            self._has_received = False
        self._query_consent_task = None
        await self.close()

    async def _has_consent(self, pair: CandidatePair) -> bool:
        request = self.build_request(pair, nominate=False)
        key = (self.remote_password or "").encode()
        try:
            await pair.protocol.request(request, pair.remote_addr, integrity_key=key, retransmissions=0)
        except TransactionError:
            return False
        return True


class IceProtocol(aioice.ice.StunProtocol):
    """Takes what is not STUN by its first byte (RFC 7983, section 7) for that, instead of parsing it."""

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        """Take a datagram."""
        if isinstance(data, bytes) and data and data[0] > _LAST_STUN_BYTE:
            self.receiver.data_received(data, self.local_candidate.component)
        else:
            super().datagram_received(data, addr)


def unchanged_connection() -> object:
    """Return a connection as aioice makes it, whose parts can be looked at."""
    return aioice.ice.Connection(ice_controlling=False)


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
