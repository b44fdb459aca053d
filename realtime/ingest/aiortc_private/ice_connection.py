"""ICE that works with more peers than aioice's own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import aioice.ice
from aioice.candidate import candidate_priority
from aioice.ice import CandidatePair
from aioice.stun import TransactionError

from realtime.ingest.aiortc_private.datagram_queue import DatagramQueue

CONSENT_INTERVAL_S = 5.0
CONSENT_FAILURES = 6

_RTP_COMPONENT = 1


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


def unchanged_connection() -> object:
    """Return a connection as aioice makes it, whose parts can be looked at."""
    return aioice.ice.Connection(ice_controlling=False)
