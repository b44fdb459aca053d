"""Lines to a file descriptor, written so that a reader who stops reading holds up nobody else."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress


async def write_line(descriptor: int, line: str) -> bool:
    """Write a line from a thread of its own; the program may end while it is blocked.

    Lines are rare, so each has its thread. The caller waits for one before it writes the next.

    Args:
        descriptor: Where to.
        line: Without its end.

    Returns:
        Whether the line was written; not if nobody can read it any more.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bool] = loop.create_future()

    def settle(written: bool) -> None:
        if not done.done():
            done.set_result(written)

    def write() -> None:
        data = f"{line}\n".encode()
        try:
            while data:
                data = data[os.write(descriptor, data) :]
        except OSError:
            pass
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, not data)

    threading.Thread(target=write, name="line-writer", daemon=True).start()
    return await done
