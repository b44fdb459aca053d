"""The rival: what one gets from aiortc alone, its tracks read and their pts taken as they are."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import av
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from bench.network.ffmpeg_ice import get_along_with_ffmpeg
from bench.network.meter import Meter
from realtime.timebase import NS_PER_S, SAMPLE_RATE_HZ
from realtime.types import AudioFrame, Float32, UInt8


class StockReceiver:
    """Receives one participant with aiortc as it is.

    Args:
        meter: Takes what it hands on.
    """

    def __init__(self, meter: Meter) -> None:
        get_along_with_ffmpeg()
        self._meter = meter
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
        self._tasks: list[asyncio.Task[None]] = []

    async def accept(self, offer_sdp: str) -> str:
        """Answer an offer."""
        await self._peer.setRemoteDescription(RTCSessionDescription(sdp=offer_sdp, type="offer"))
        await self._peer.setLocalDescription(await self._peer.createAnswer())
        for receiver in self._peer.getReceivers():
            self._tasks.append(asyncio.create_task(self._read(receiver.track)))
        return str(self._peer.localDescription.sdp)

    async def close(self) -> None:
        """End the connection. Idempotent."""
        await self._peer.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame: Any = await track.recv()
            except MediaStreamError:
                return
            time_ns = round(frame.pts * frame.time_base * NS_PER_S)
            if isinstance(frame, av.VideoFrame):
                self._meter.note_picture(time_ns, partial(_luma, frame))
            else:
                self._meter.on_audio(AudioFrame(start_ns=time_ns, samples=self._mono(frame)))

    def _mono(self, frame: av.AudioFrame) -> Float32:
        frame.pts = None
        parts = [np.asarray(part.to_ndarray(), np.float32)[0] for part in self._resampler.resample(frame)]
        return np.concatenate(parts) if parts else np.empty(0, np.float32)


def _luma(frame: av.VideoFrame) -> UInt8:
    return np.asarray(frame.to_ndarray(format="gray"), dtype=np.uint8)
