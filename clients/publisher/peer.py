"""The WebRTC half of publishing: an offer out, an answer in, then a clip at real time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription

from clients.publisher.tracks import Pace, PacketSource, PacketTrack
from realtime.errors import SignallingError
from realtime.ingest.aiortc_private.host_addresses import offer_loopback_as_last_resort
from realtime.ingest.aiortc_private.peer import close_peer
from realtime.types import TrackKind

VideoCodec = Literal["vp8", "h264"]
CODECS: dict[TrackKind, tuple[str, ...]] = {"audio": ("opus",), "video": ("vp8", "rtx")}


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishReport:
    """What was sent.

    Attributes:
        audio_packets: Opus packets.
        video_packets: Pictures.
        bytes: Payload of both.
        behind_s: The largest delay of a packet behind real time: transcoding or the machine was too slow.
    """

    audio_packets: int
    video_packets: int
    bytes: int
    behind_s: float


class PublisherPeer:
    """Sends one clip to one peer.

    Args:
        clip: Closed by the owner, after the peer.
        video_codec: Codec of its pictures.
    """

    def __init__(self, clip: PacketSource, *, video_codec: VideoCodec = "vp8") -> None:
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._pace = Pace()
        self._tracks = [PacketTrack(clip, kind, self._pace) for kind in clip.kinds]
        self._playing = len(self._tracks)
        self._over = asyncio.Event()
        self._lost = False
        offer_loopback_as_last_resort()
        codecs = {"audio": CODECS["audio"], "video": (video_codec, "rtx")}
        for track in self._tracks:
            track.on("ended", self._on_track_ended)
            self._peer.addTransceiver(track, direction="sendonly").setCodecPreferences(
                [
                    codec
                    for codec in RTCRtpSender.getCapabilities(track.kind).codecs
                    if codec.name.lower() in codecs[track.kind]
                ]
            )
        self._peer.on("connectionstatechange", self._on_connection_state)

    async def offer(self) -> str:
        """Return the offer, candidates included."""
        await self._peer.setLocalDescription(await self._peer.createOffer())
        return str(self._peer.localDescription.sdp)

    async def accept_answer(self, sdp: str) -> None:
        """Take the answer; sending begins once the connection stands.

        Raises:
            SignallingError: It is not an answer to the offer.
        """
        try:
            await self._peer.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="answer"))
        except Exception as error:
            raise SignallingError(
                "The answer does not fit the offer.", fix="Check that the URL is a WHIP endpoint.", status=406
            ) from error

    async def wait(self) -> PublishReport:
        """Wait until the clip is over.

        Raises:
            SignallingError: The connection was lost, or the other side ended it.
        """
        await self._over.wait()
        if self._lost:
            raise SignallingError(
                "The connection ended before the file did.",
                fix="Check that the monitor is still running and that UDP reaches it.",
                status=503,
            )
        return self.report()

    def report(self) -> PublishReport:
        """Return what was sent so far."""
        packets = {track.kind: track.packets for track in self._tracks}
        return PublishReport(
            audio_packets=packets.get("audio", 0),
            video_packets=packets.get("video", 0),
            bytes=sum(track.bytes for track in self._tracks),
            behind_s=round(self._pace.behind_s, 3),
        )

    async def close(self) -> None:
        """End the connection. Idempotent."""
        self._peer.remove_all_listeners("connectionstatechange")
        await close_peer(self._peer)

    def _on_track_ended(self) -> None:
        self._playing -= 1
        if self._playing == 0:
            self._lost = not all(track.finished for track in self._tracks)
            self._over.set()

    def _on_connection_state(self) -> None:
        if self._peer.connectionState in ("failed", "closed") and not self._over.is_set():
            self._lost = True
            self._over.set()
