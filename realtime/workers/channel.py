"""Messages between two processes of one monitor: told, or asked and answered, in order, over a stream.

Both ends are this program and hold one end of a socket pair that nobody else can reach, so messages are
pickled.
"""

from __future__ import annotations

import asyncio
import itertools
import pickle
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

import structlog

from realtime.errors import CapacityError, SeamwatchError

#: Questions of one end that may wait for their answers; one more is refused.
MAX_PENDING = 1024
#: While more than this waits to be taken, the sender leaves out what a later message replaces.
CONGESTED_BYTES = 1 << 20
#: While more than this waits, evidence is left out as well.
FULL_BYTES = 64 << 20

_LENGTH = struct.Struct("!I")

log = structlog.get_logger(__name__)


class WorkerLostError(SeamwatchError):
    """The other process has ended, or does not answer."""

    def __init__(self) -> None:
        super().__init__(
            "The worker that watches this call has ended.", fix="Publish again in a few seconds."
        )


class WorkerFaultError(SeamwatchError):
    """The other process failed on a question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    kind: Literal["told", "asked", "answered", "refused"]
    number: int = 0
    body: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refusal:
    """An error on its way: its class, and what it holds."""

    kind: type[SeamwatchError]
    holds: dict[str, Any]

    def error(self) -> SeamwatchError:
        made = self.kind.__new__(self.kind, self.holds["message"])
        made.__dict__.update(self.holds)
        return made


class Channel:
    """One end of the connection.

    Args:
        reader: Of the stream.
        writer: Of the stream; closed by ``run``.
        hear: Takes what the other end tells, at once and without raising.
        answer: Answers what it asks; a ``SeamwatchError`` that it raises comes out of ``ask`` there.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        hear: Callable[[Any], None],
        answer: Callable[[Any], Awaitable[Any]],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._hear = hear
        self._answer = answer
        self._numbers = itertools.count(1)
        self._pending: dict[int, asyncio.Future[Any]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._ended = False

    @property
    def waiting_bytes(self) -> int:
        """What the other end has yet to take."""
        return self._writer.transport.get_write_buffer_size()

    def tell(self, message: object) -> None:
        """Send a message that needs no answer; it is lost if the other end is."""
        self._send(_Frame(kind="told", body=message))

    async def ask(self, question: object) -> Any:
        """Send a question and return the answer.

        Raises:
            WorkerLostError: The other end has ended, or ends before it answers.
            CapacityError: Too many questions wait.
            SeamwatchError: What the other end raised.
        """
        if self._ended:
            raise WorkerLostError
        if len(self._pending) >= MAX_PENDING:
            raise CapacityError("Too many requests wait for an answer.", fix="Try again later.")
        number = next(self._numbers)
        future = asyncio.get_running_loop().create_future()
        self._pending[number] = future
        try:
            self._send(_Frame(kind="asked", number=number, body=question))
            return await future
        finally:
            del self._pending[number]

    async def run(self) -> None:
        """Read until the other end has closed the connection or this is cancelled."""
        try:
            while True:
                (length,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
                self._take(pickle.loads(await self._reader.readexactly(length)))
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self._ended = True
            for future in self._pending.values():
                if not future.done():
                    future.set_exception(WorkerLostError())
            self._writer.close()
            answering = tuple(self._answering)
            for task in answering:
                task.cancel()
            await asyncio.gather(*answering, return_exceptions=True)

    def _take(self, frame: _Frame) -> None:
        match frame.kind:
            case "told":
                self._hear(frame.body)
            case "asked":
                task = asyncio.create_task(self._reply(frame), name="worker-answer")
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)
            case "answered" | "refused":
                future = self._pending.get(frame.number)
                if future is None or future.done():
                    return
                if frame.kind == "answered":
                    future.set_result(frame.body)
                else:
                    future.set_exception(frame.body.error())

    async def _reply(self, asked: _Frame) -> None:
        try:
            frame = _Frame(kind="answered", number=asked.number, body=await self._answer(asked.body))
        except SeamwatchError as error:
            frame = _refused(asked.number, error)
        except Exception:
            log.exception("worker_request_failed")
            fault = WorkerFaultError(
                "A process of the monitor failed on this request.", fix="Ask the operator to read its log."
            )
            frame = _refused(asked.number, fault)
        self._send(frame)

    def _send(self, frame: _Frame) -> None:
        if self._ended or self._writer.is_closing():
            return
        data = pickle.dumps(frame, protocol=pickle.HIGHEST_PROTOCOL)
        self._writer.writelines((_LENGTH.pack(len(data)), data))


def _refused(number: int, error: SeamwatchError) -> _Frame:
    return _Frame(kind="refused", number=number, body=_Refusal(kind=type(error), holds=dict(vars(error))))
