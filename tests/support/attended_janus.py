"""A Janus adapter that attends a call of a server double, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from clients.joining.janus import JanusAdapter
from clients.joining.target import join_target
from tests.support.janus_double import ROOM, JanusDouble
from tests.support.scripted_room import ScriptedReceiver, ScriptedRoom
from tests.support.virtual_time import run_virtually


def adapter_for(
    server: JanusDouble, url: str = f"janus://localhost/room/{ROOM}", **options: Any
) -> JanusAdapter:
    return JanusAdapter(
        join_target(url, **options), open_socket=server.open_socket, open_receiver=ScriptedReceiver
    )


class Attended:
    """An adapter that attends a call in the background."""

    def __init__(self, server: JanusDouble, room: ScriptedRoom, adapter: JanusAdapter) -> None:
        self.server, self.room, self.adapter = server, room, adapter
        self.joined = 0

    def _on_joined(self) -> None:
        self.joined += 1

    async def begin(self) -> None:
        self.task = asyncio.create_task(self.adapter.attend(self.room, self._on_joined))
        await asyncio.sleep(1)

    async def leave(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@asynccontextmanager
async def attended(server: JanusDouble, room: ScriptedRoom, **options: Any) -> AsyncIterator[Attended]:
    call = Attended(server, room, adapter_for(server, **options))
    await call.begin()
    try:
        yield call
    finally:
        await call.leave()
        await room.close()


def in_a_call(
    check: Callable[[Attended], Awaitable[None]],
    *,
    server: JanusDouble | None = None,
    room: ScriptedRoom | None = None,
    **options: Any,
) -> None:
    async def run() -> None:
        async with attended(server or JanusDouble(), room or ScriptedRoom(), **options) as call:
            assert call.joined == 1
            await check(call)

    run_virtually(run())
