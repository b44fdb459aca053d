"""A data channel that a peer opens, to say something into it."""

from __future__ import annotations

import asyncio

from aiortc import RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.exceptions import InvalidStateError

from realtime.errors import SignallingError
from realtime.ingest.aiortc_private.peer import close_peer, create_peer
from realtime.ingest.candidates import add_candidate
from realtime.ingest.data_channel import MAX_WAITING_BYTES, check_data_offer
from realtime.ingest.sink import EndReason

CONNECT_TIMEOUT_S = 20.0


class OfferedChannel:
    """Answers a peer that offers nothing but data, and keeps its first channel; what comes in is not read.

    Args:
        ended: Gets the reason when the channel or the connection has ended, or never came about.
    """

    def __init__(self, ended: asyncio.Future[EndReason]) -> None:
        self._ended = ended
        self._peer: RTCPeerConnection | None = None
        self._channel: RTCDataChannel | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None

    async def accept(self, offer_sdp: str) -> str:
        """Accept an offer and return the answer; connecting goes on in the background.

        Raises:
            SignallingError: The offer cannot be accepted (400, 406, 413).
        """
        check_data_offer(offer_sdp)
        peer = self._peer = create_peer()
        peer.on("datachannel", self._on_channel)
        peer.on("connectionstatechange", self._on_connection_state)
        try:
            await peer.setRemoteDescription(RTCSessionDescription(sdp=offer_sdp, type="offer"))
            await peer.setLocalDescription(await peer.createAnswer())
        except Exception as error:
            raise SignallingError(
                "The offer cannot be accepted.", fix="Send the offer that a WebRTC stack made.", status=406
            ) from error
        self._deadline = asyncio.get_running_loop().call_later(
            CONNECT_TIMEOUT_S, self._end, EndReason.CONNECT_TIMEOUT
        )
        return str(peer.localDescription.sdp)

    async def add_candidate(self, line: str, mid: str | None, index: int | None) -> None:
        """Add a candidate of the peer; see ``realtime.ingest.candidates``.

        Raises:
            SignallingError: There is no session, or the candidate cannot be used (400).
        """
        if self._peer is None:
            raise SignallingError("There is no session.", fix="Send an offer first.", status=400)
        await add_candidate(self._peer, line, mid, index)

    def send(self, message: str | bytes) -> bool:
        """Send a message; False where the channel is not open, or the peer is too slow to take it."""
        channel = self._channel
        if channel is None or channel.bufferedAmount > MAX_WAITING_BYTES:
            return False
        try:
            channel.send(message)
        except InvalidStateError:
            return False
        return True

    async def close(self) -> None:
        """End the connection and wait until all of it has ended, even when cancelled. Idempotent."""
        self._end(EndReason.CLOSED)
        if self._peer is None:
            return
        if self._closing is None:
            self._closing = asyncio.create_task(close_peer(self._peer), name="data-channel-close")
        try:
            await asyncio.shield(self._closing)
        except asyncio.CancelledError:
            await self._closing
            raise

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if self._channel is not None:
            channel.close()
            return
        self._channel = channel
        channel.on("close", lambda: self._end(EndReason.PEER_LEFT))

    def _on_connection_state(self) -> None:
        state = "" if self._peer is None else self._peer.connectionState
        if state == "connected" and self._deadline is not None:
            self._deadline.cancel()
        elif state == "failed":
            self._end(EndReason.CONNECTION_LOST)
        elif state == "closed":
            self._end(EndReason.PEER_LEFT)

    def _end(self, reason: EndReason) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        if not self._ended.done():
            self._ended.set_result(reason)
