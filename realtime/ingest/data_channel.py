"""A WebRTC connection that carries one data channel with text, and no media."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.exceptions import InvalidStateError
from aiortc.sdp import SessionDescription

from realtime.errors import SignallingError
from realtime.ingest.aiortc_private.host_addresses import offer_loopback_as_last_resort
from realtime.ingest.aiortc_private.peer import close_peer
from realtime.ingest.offer import MAX_CANDIDATES, MAX_OFFER_BYTES

MAX_WAITING_BYTES = 256 * 1024

_log = structlog.get_logger(__name__)


class DataChannelPeer:
    """Answers an offer of data channels, and opens one channel of its own.

    Args:
        label: The channel's label.
        on_text: Hears every text that arrives on any channel; must return at once and not raise.
    """

    def __init__(self, *, label: str, on_text: Callable[[str], None]) -> None:
        self._label = label
        self._on_text = on_text
        self._peer: RTCPeerConnection | None = None
        self._channel: RTCDataChannel | None = None
        self._opened = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Whether text can be sent now."""
        return self._channel is not None and self._channel.readyState == "open"

    async def accept(self, offer_sdp: str) -> str:
        """Accept an offer and return the answer; connecting goes on in the background.

        Raises:
            SignallingError: The offer has no data channel, or something else (400, 406, 413).
        """
        check_data_offer(offer_sdp)
        offer_loopback_as_last_resort()
        peer = self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        peer.on("datachannel", lambda channel: channel.on("message", self._hear))
        try:
            await peer.setRemoteDescription(RTCSessionDescription(sdp=offer_sdp, type="offer"))
            channel = self._channel = peer.createDataChannel(self._label)
            channel.on("open", self._opened.set)
            channel.on("message", self._hear)
            await peer.setLocalDescription(await peer.createAnswer())
        except BaseException as error:
            await self.close()
            if isinstance(error, Exception):
                raise _unusable("The offer cannot be accepted.", 406) from error
            raise
        return str(peer.localDescription.sdp)

    async def opened(self) -> None:
        """Wait until text can be sent, or the connection was closed. Bound the waiting: neither may come."""
        await self._opened.wait()

    def send(self, text: str) -> bool:
        """Send a text; return whether it was taken: the channel is open and not too far behind."""
        if self._channel is None or not self.is_open or self._channel.bufferedAmount > MAX_WAITING_BYTES:
            return False
        try:
            self._channel.send(text)
        except InvalidStateError:
            return False
        return True

    async def close(self) -> None:
        """End the connection. Idempotent."""
        self._opened.set()
        peer, self._peer = self._peer, None
        if peer is not None:
            await close_peer(peer)

    def _hear(self, message: str | bytes) -> None:
        if isinstance(message, str):
            self._on_text(message)
        else:
            _log.debug("data_channel_bytes_ignored")


def check_data_offer(sdp: str) -> None:
    """Check an offer of data channels before aiortc sees it.

    Raises:
        SignallingError: 413 too large, 400 not a session description, 406 something else than data in it.
    """
    if len(sdp.encode(errors="replace")) > MAX_OFFER_BYTES:
        raise _unusable("The offer is too large.", 413)
    try:
        description = SessionDescription.parse(sdp)
    except Exception as error:
        raise _unusable("The offer is not a session description.", 400) from error
    if [media.kind for media in description.media] != ["application"]:
        raise _unusable("The offer has something else than one section of data channels.", 406)
    if len(description.media[0].ice_candidates) > MAX_CANDIDATES:
        raise _unusable("The offer has too many ICE candidates.", 400)


def _unusable(message: str, status: int) -> SignallingError:
    return SignallingError(
        message, fix="Send the offer of a data channel, as a WebRTC stack made it.", status=status
    )
