"""Datagrams that wait for aiortc."""

from __future__ import annotations

import asyncio
from collections import deque

MAX_WAITING_DATAGRAMS = 2048

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
