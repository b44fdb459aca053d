"""Being called by PeerJS peers: the monitor waits at a PeerServer under an id of its own."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import parse_qs, urlencode

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from clients.joining.adapter import CallLostError, JoinError, Room
from clients.joining.peerjs_calls import PeerCalls
from clients.joining.peerjs_protocol import (
    Candidate,
    IdTaken,
    KeyRefused,
    Offer,
    PeerLeft,
    Registered,
    ServerFault,
    heartbeat,
    leave,
    read_message,
)
from clients.joining.target import JoinTarget
from realtime.server.auth import is_loopback

DEFAULT_PORTS = {"peerjs": 9000, "peerjss": 443}
DEFAULT_KEY = "peerjs"
MAX_MESSAGE_BYTES = 256 * 1024
REGISTER_TIMEOUT_S = 5.0
LEAVE_TIMEOUT_S = 3.0
HEARTBEAT_INTERVAL_S = 5.0
RECONNECT_DELAYS_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)

_ID = re.compile(r"(?=.{1,64}\Z)[A-Za-z0-9]+(?:[ _-][A-Za-z0-9]+)*")
_PROCESS_TOKEN = secrets.token_urlsafe(16)

_log = structlog.get_logger(__name__)


class PeerJsAdapter:
    """Registers at a PeerServer and answers everybody who calls.

    Calls outlive the loss of the server for as long as the attempts to register again last.

    Args:
        target: A URL with the scheme ``peerjs`` or ``peerjss``; see ``server_url``.
        reconnect_delays_s: Pauses before the attempts to register again while calls go on.
    """

    def __init__(
        self, target: JoinTarget, *, reconnect_delays_s: Sequence[float] = RECONNECT_DELAYS_S
    ) -> None:
        self._target = target
        self._reconnect_delays_s = reconnect_delays_s
        self._socket: ClientConnection | None = None
        self._calls: PeerCalls | None = None

    async def attend(self, room: Room, joined: Callable[[], None]) -> None:
        """Wait for calls until the server is lost; see ``CallAdapter.attend``. Never returns.

        Raises:
            JoinError: The URL names no usable id, the id is taken, or the key is wrong.
            CallLostError: The server cannot be reached, or was lost and no call goes on, or for too long.
        """
        url = server_url(self._target)
        async with asyncio.TaskGroup() as tasks:
            calls = PeerCalls(room, tasks, say=self._say, display_name=self._target.display_name)
            self._calls = calls
            try:
                error = await self._stay_registered(url, calls, joined)
            finally:
                self._calls = None
                calls.drop()
        raise error

    async def post(self, text: str) -> bool:
        """Send a line to everybody who has opened a data connection to the monitor."""
        return self._calls is not None and self._calls.send_line(text)

    async def _stay_registered(
        self, url: str, calls: PeerCalls, joined: Callable[[], None]
    ) -> JoinError | CallLostError:
        announced = False
        delays: Iterator[float] = iter(self._reconnect_delays_s)
        while True:
            try:
                async with connect(
                    url,
                    max_size=MAX_MESSAGE_BYTES,
                    open_timeout=REGISTER_TIMEOUT_S,
                    close_timeout=LEAVE_TIMEOUT_S,
                    proxy=None,
                ) as socket:
                    await _register(socket)
                    delays = iter(self._reconnect_delays_s)
                    if not announced:
                        announced = True
                        joined()
                    await self._serve(socket, calls)
                lost = CallLostError("The PeerServer closed the connection.", fix="See the server's log.")
            except JoinError as error:
                return error
            except CallLostError as error:
                lost = error
            except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as error:
                if _is_no_server(error):
                    return JoinError(
                        "There is no PeerServer at this URL.", fix="Give the path that the server runs under."
                    )
                lost = CallLostError(
                    "The PeerServer does not answer.", fix="Check the URL, the certificate and the network."
                )
            delay_s = next(delays, None)
            if delay_s is None or not calls.peers():
                return lost
            _log.warning("peerjs_server_lost", retry_in_s=delay_s)
            await asyncio.sleep(delay_s)

    async def _serve(self, socket: ClientConnection, calls: PeerCalls) -> None:
        self._socket = socket
        beating = asyncio.create_task(_beat(socket), name="peerjs-heartbeat")
        try:
            async for text in socket:
                match read_message(text):
                    case Offer() as offer:
                        await calls.on_offer(offer)
                    case Candidate() as candidate:
                        calls.on_candidate(candidate)
                    case PeerLeft(peer):
                        calls.on_left(peer)
        except ConnectionClosed:
            pass
        except asyncio.CancelledError:
            await self._take_leave(calls)
            raise
        finally:
            self._socket = None
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    async def _take_leave(self, calls: PeerCalls) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                for peer in calls.peers():
                    await self._say(leave(peer))

    async def _say(self, message: str) -> bool:
        if self._socket is None:
            return False
        try:
            await self._socket.send(message)
        except ConnectionClosed:
            return False
        return True


def server_url(target: JoinTarget) -> str:
    """Return the address of the PeerServer's socket.

    Args:
        target: Its query names the monitor's id as ``id`` and, where the server has one, the API key as
            ``key``. Its token proves that a second registration comes from the same client; without one the
            process has its own.

    Raises:
        JoinError: There is no id, or one that PeerJS cannot call.
    """
    query = parse_qs(target.url.query)
    identifier = query.get("id", [""])[0]
    if _ID.fullmatch(identifier) is None:
        raise JoinError(
            "The URL names no id under which PeerJS can call the monitor.",
            fix="Append ?id=NAME; letters and digits, with single hyphens, underscores or spaces between.",
        )
    secure = target.url.scheme == "peerjss"
    host = str(target.url.hostname)
    if not secure and not is_loopback(host):
        _log.warning("peerjs_without_tls", fix="Use peerjss:// where the server offers it.")
    parameters = {
        "key": query.get("key", [DEFAULT_KEY])[0],
        "id": identifier,
        "token": target.token or _PROCESS_TOKEN,
    }
    address = f"[{host}]" if ":" in host else host
    port = target.url.port or DEFAULT_PORTS[target.url.scheme]
    path = target.url.path.rstrip("/")
    return f"{'wss' if secure else 'ws'}://{address}:{port}{path}/peerjs?{urlencode(parameters)}"


async def _register(socket: ClientConnection) -> None:
    try:
        async with asyncio.timeout(REGISTER_TIMEOUT_S):
            while True:
                match read_message(await socket.recv()):
                    case Registered():
                        return
                    case IdTaken():
                        raise JoinError(
                            "Somebody else has this id at the PeerServer.", fix="Choose another ?id=NAME."
                        )
                    case KeyRefused():
                        raise JoinError("The PeerServer wants another API key.", fix="Append &key=KEY.")
                    case ServerFault():
                        raise CallLostError(
                            "The PeerServer takes nobody now.", fix="Wait, or raise its limit of clients."
                        )
    except (ConnectionClosed, TimeoutError) as error:
        raise CallLostError(
            "The PeerServer did not register the monitor.", fix="Check that it is a PeerServer, and its log."
        ) from error


async def _beat(socket: ClientConnection) -> None:
    with suppress(ConnectionClosed):
        while True:
            await asyncio.sleep(HEARTBEAT_INTERVAL_S)
            await socket.send(heartbeat())


def _is_no_server(error: Exception) -> bool:
    if isinstance(error, InvalidStatus):
        return error.response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
    return isinstance(error, InvalidURI)
