"""A subscriber of the alerts socket that survives reconnects: no alert is lost, none comes twice."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
from collections.abc import AsyncGenerator, Callable, Iterator
from http import HTTPStatus
from urllib.parse import urlencode, urlsplit, urlunsplit

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, NegotiationError
from websockets.typing import Subprotocol

from realtime.errors import ConfigurationError, SeamwatchError
from realtime.server.wire import CLOSE_UNAUTHORISED, MESSAGE, SUBPROTOCOL, AlertMessage, Hello, Message

_KNOWN_TYPES = frozenset(
    {"hello", "participant", "call", "score", "reception", "matrices", "alert", "feedback", "error"}
)
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

_log = structlog.get_logger(__name__)


class SubscriptionError(SeamwatchError):
    """The monitor cannot be reached, or refuses the subscription."""


def backoff_delays(
    *,
    first_s: float = 0.5,
    longest_s: float = 30.0,
    uniform: Callable[[float, float], float] = random.uniform,
) -> Iterator[float]:
    """Yield delays before reconnects: they double up to a cap, each shortened by up to a half at random.

    Args:
        first_s: The first delay before the random part.
        longest_s: The cap.
        uniform: Draws from an interval.
    """
    for attempt in itertools.count():
        yield min(longest_s, first_s * 2.0 ** min(attempt, 32)) * uniform(0.5, 1.0)


class Subscriber:
    """Messages of a monitor as an asynchronous iterator, for ever.

    The first connection must succeed. After that a lost one is opened again, and resumes behind the last
    alert that was received. Every connection begins with a ``Hello``, which is passed on as well.

    Args:
        url: The monitor, such as ``http://127.0.0.1:8080`` or ``ws://host:port/alerts``.
        token: The monitor's token, where it wants one.
        call: Only this call.
        after: Alerts with a higher number come first; 0 for all, None for new ones only.
        matrices: Whether matrices are wanted.
        delays: Makes the delays between attempts to reconnect.

    Raises:
        ConfigurationError: The URL cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        call: str | None = None,
        after: int | None = None,
        matrices: bool = False,
        delays: Callable[[], Iterator[float]] = backoff_delays,
    ) -> None:
        self.last_seq = after
        self._url = alerts_url(url)
        self._token = token
        self._call = call
        self._matrices = matrices
        self._delays = delays
        self._connected_once = False

    def __aiter__(self) -> AsyncGenerator[Message, None]:
        return self.messages()

    async def messages(self) -> AsyncGenerator[Message, None]:
        """Yield every message. Close the generator to end the subscription.

        Raises:
            SubscriptionError: The first connection fails, or the monitor refuses one.
        """
        delays = self._delays()
        while True:
            try:
                async with await self._connect() as connection:
                    if connection.subprotocol != SUBPROTOCOL:
                        raise _wrong_version()
                    async for text in connection:
                        message = _parsed(text)
                        if message is None or not self._is_new(message):
                            continue
                        if isinstance(message, Hello):
                            delays = self._delays()
                        yield message
                _raise_if_refused(connection.close_code)
            except ConnectionClosed as closed:
                _raise_if_refused(closed.rcvd.code if closed.rcvd else None)
            except (OSError, TimeoutError, InvalidHandshake) as error:
                self._raise_if_final(error)
            delay_s = next(delays)
            _log.warning("subscription_lost", retry_in_s=round(delay_s, 2), last_seq=self.last_seq)
            await asyncio.sleep(delay_s)

    async def _connect(self) -> ClientConnection:
        query = {"call": self._call, "after": self.last_seq, "matrices": 1 if self._matrices else None}
        encoded = urlencode({name: value for name, value in query.items() if value is not None})
        host = urlsplit(self._url).hostname
        return await connect(
            f"{self._url}?{encoded}" if encoded else self._url,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            additional_headers={"Authorization": f"Bearer {self._token}"} if self._token else None,
            proxy=None if host in _LOOPBACK else True,
        )

    def _is_new(self, message: Message) -> bool:
        if isinstance(message, Hello):
            self._connected_once = True
            self.last_seq = message.after
        elif isinstance(message, AlertMessage):
            if self.last_seq is not None and message.seq <= self.last_seq:
                return False
            self.last_seq = message.seq
        return True

    def _raise_if_final(self, error: Exception) -> None:
        if isinstance(error, InvalidStatus):
            status = error.response.status_code
            if status < 500 or not self._connected_once:
                raise _refusal(status, bytes(error.response.body or b"")) from error
        elif isinstance(error, NegotiationError):
            raise _wrong_version() from error
        if not self._connected_once:
            raise SubscriptionError(
                f"No monitor answers at {self._url}.",
                fix="Check the address, and start the monitor with: seamwatch serve",
            ) from error


def alerts_url(url: str) -> str:
    """Return the address of the alerts socket of a monitor.

    Raises:
        ConfigurationError: This is no HTTP or WebSocket URL.
    """
    schemes = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme in schemes and parts.hostname and (parts.port is None or parts.port > 0):
            path = parts.path if parts.path.strip("/") else "/alerts"
            return urlunsplit((schemes[parts.scheme], parts.netloc, path, "", ""))
    raise ConfigurationError(
        f"{url!r} is no address of a monitor.", fix="Give one such as ws://127.0.0.1:8080/alerts."
    )


def _parsed(text: str | bytes) -> Message | None:
    """Read a message; None for one of a type that version 1 added later."""
    try:
        data = json.loads(text)
        if not isinstance(data, dict) or data.get("v") != 1:
            raise _wrong_version()
        return MESSAGE.validate_python(data) if data.get("type") in _KNOWN_TYPES else None
    except ValueError as error:
        raise _wrong_version() from error


def _raise_if_refused(code: int | None) -> None:
    if code == CLOSE_UNAUTHORISED:
        raise _refusal(HTTPStatus.UNAUTHORIZED, b"")


def _refusal(status: int, body: bytes) -> SubscriptionError:
    if status == HTTPStatus.UNAUTHORIZED:
        return SubscriptionError(
            "The monitor wants a token, or another one.", fix="Give the monitor's token."
        )
    with contextlib.suppress(ValueError, KeyError, TypeError):
        problem = json.loads(body)
        return SubscriptionError(str(problem["detail"]), fix=str(problem["fix"]))
    return SubscriptionError(
        f"The server refuses the subscription with status {status}.",
        fix="Check that the address is that of a Seamwatch monitor.",
    )


def _wrong_version() -> SubscriptionError:
    return SubscriptionError(
        f"The server does not speak {SUBPROTOCOL}.", fix="Use a client of the monitor's own version."
    )
