"""What a track tells its sender over RTCP."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from aiortc.rtp import RTCP_PSFB_APP, RtcpPsfbPacket, pack_remb_fci

from realtime.ingest.bandwidth import Estimate
from realtime.ingest.rtp.packet import KeyFrameRequest, Nack

MAX_WAITING = 32

Message = Estimate | Nack | KeyFrameRequest


class Feedback:
    """Requests and estimates that wait to be sent; the oldest gives way, and is asked for again.

    Args:
        receiver: Of aiortc; sends.
        source: Returns the SSRC that requests are about.

    Attributes:
        dropped: Messages that gave way.
    """

    def __init__(self, receiver: Any, source: Callable[[], int | None]) -> None:
        self._receiver = receiver
        self._source = source
        self._waiting: deque[Message] = deque()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, message: Message) -> None:
        """Send a message with the next ``send``."""
        if len(self._waiting) == MAX_WAITING:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(message)

    async def send(self) -> None:
        """Send what waits."""
        while self._waiting:
            message = self._waiting.popleft()
            if isinstance(message, Nack):
                await self._receiver._send_rtcp_nack(self._source(), list(message.sequence_numbers))
            elif isinstance(message, KeyFrameRequest):
                await self._receiver._send_rtcp_pli(self._source())
            else:
                await self._tell_estimate(message)

    async def _tell_estimate(self, estimate: Estimate) -> None:
        own_ssrc = self._receiver._RTCRtpReceiver__rtcp_ssrc
        if own_ssrc is not None:
            fci = pack_remb_fci(*estimate)
            await self._receiver._send_rtcp(
                RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=own_ssrc, media_ssrc=0, fci=fci)
            )
