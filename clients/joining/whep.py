"""Watching one WebRTC stream that a server plays out over HTTP (WHEP, draft-ietf-wish-whep-03)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from urllib.parse import unquote

import httpx
import structlog

from clients.joining.adapter import CallLostError, JoinError, Room
from clients.joining.ending import EndNotice
from clients.joining.ice_links import ice_servers
from clients.joining.target import JoinTarget
from clients.joining.whep_http import REQUEST_TIMEOUT_S, WhepSession, unusable_description
from realtime.errors import CapacityError, SignallingError
from realtime.ingest.ice import IceServer
from realtime.ingest.sink import EndReason, MediaSink
from realtime.ingest.source import MediaSource
from realtime.ingest.webrtc import WebRtcReceiver
from realtime.server.auth import is_loopback

MAX_NAME_CHARS = 64

_ENDS = {
    EndReason.PEER_LEFT: "The server ended the stream.",
    EndReason.CONNECTION_LOST: "The connection to the stream was lost.",
    EndReason.CONNECT_TIMEOUT: "The server answered, but no media could be received from it.",
    EndReason.INTERNAL_ERROR: "Receiving the stream failed.",
}

_log = structlog.get_logger(__name__)


class WhepAdapter:
    """Plays one WHEP stream, as its only participant.

    Args:
        target: A URL with the scheme ``whep+https`` or ``whep+http``; its token is sent as a bearer token.
        transport: Replaces the network, for tests.
    """

    def __init__(self, target: JoinTarget, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._target = target
        self._transport = transport

    async def attend(self, room: Room, joined: Callable[[], None]) -> None:
        """Play the stream until it ends; see ``CallAdapter.attend``.

        Returns where the monitor itself ends the participant.

        Raises:
            JoinError: The server refuses, or the URL or the token cannot be used.
            CallLostError: The stream has not begun or has ended, the server cannot be reached, or the monitor
                is full.
        """
        endpoint = _endpoint(self._target)
        name = participant_name(self._target)
        async with httpx.AsyncClient(
            headers={"User-Agent": _header_text(self._target.display_name), "Accept-Encoding": "identity"},
            timeout=REQUEST_TIMEOUT_S,
            transport=self._transport,
            trust_env=False,
        ) as client:
            session = WhepSession(client, endpoint, self._target.token)
            playback = _Playback(session, room.clock_ns)
            try:
                await room.appeared(name, name, playback.open)
                joined()
                reason = await playback.ended
            except CapacityError as error:
                raise CallLostError(error.message, fix=error.fix) from error
            finally:
                await session.leave()
        if reason is not EndReason.CLOSED:
            raise CallLostError(
                _ENDS[reason], fix="Check that it is still published, and that UDP gets through."
            )

    async def post(self, text: str) -> bool:
        """Return False: WHEP has no chat."""
        return False


def participant_name(target: JoinTarget) -> str:
    """Return the last segment of the URL's path that names something, else the name of the call."""
    segments = [unquote(segment) for segment in target.url.path.split("/")]
    names = [segment for segment in segments if segment.isprintable() and segment.lower() not in ("", "whep")]
    return names[-1][:MAX_NAME_CHARS] if names else target.call


class _Playback:
    """The media of a session.

    Attributes:
        ended: Why the media ended.
    """

    def __init__(self, session: WhepSession, clock_ns: Callable[[], int]) -> None:
        self._session = session
        self._clock_ns = clock_ns
        self._ice_servers: list[IceServer] = []
        self.ended: asyncio.Future[EndReason] = asyncio.get_running_loop().create_future()

    async def open(self, sink: MediaSink) -> MediaSource:
        """Negotiate, and return what receives."""
        self._ice_servers = ice_servers(await self._session.links())
        receiver = self._receiver(sink)
        try:
            reply = await self._session.offer(await receiver.request())
            if reply.is_counter_offer:
                await receiver.close()
                receiver = self._receiver(sink)
                await self._session.answer(await receiver.accept(reply.sdp))
            else:
                await receiver.answered(reply.sdp)
        except SignallingError as error:
            await receiver.close()
            raise unusable_description() from error
        except BaseException:
            await receiver.close()
            raise
        return receiver

    def _receiver(self, sink: MediaSink) -> WebRtcReceiver:
        notice = EndNotice(sink, self.ended)
        return WebRtcReceiver(notice, clock_ns=self._clock_ns, ice_servers=self._ice_servers)


def _endpoint(target: JoinTarget) -> httpx.URL:
    scheme = target.url.scheme.removeprefix("whep+")
    try:
        url = httpx.URL(target.url._replace(scheme=scheme, fragment="").geturl())
    except httpx.InvalidURL as error:
        raise JoinError("The WHEP URL cannot be used.", fix="Copy it from the server again.") from error
    if scheme != "https" and not is_loopback(url.host):
        if target.token is not None:
            raise JoinError(
                "The token would travel unencrypted.", fix="Use whep+https://, or leave the token out."
            )
        _log.warning("whep_without_tls", fix="Use whep+https:// where the server offers it.")
    return url


def _header_text(text: str) -> str:
    return re.sub(r"[^ -~]", "?", text)
