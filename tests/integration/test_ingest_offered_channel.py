"""A real aiortc peer that opens data channels to the monitor."""

from __future__ import annotations

import asyncio

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from realtime.errors import SignallingError
from realtime.ingest.offered_channel import OfferedChannel
from realtime.ingest.sink import EndReason

PATIENCE_S = 20.0


async def test_a_line_goes_out_and_closing_is_complete_even_when_cancelled_twice() -> None:
    ended: asyncio.Future[EndReason] = asyncio.get_running_loop().create_future()
    channel = OfferedChannel(ended)
    assert not channel.send("too early")
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    lines: asyncio.Queue[str | bytes] = asyncio.Queue()
    acknowledged, further_closed = asyncio.Event(), asyncio.Event()
    offered = peer.createDataChannel("first")
    offered.on("message", lines.put_nowait)
    offered.on("open", acknowledged.set)
    await peer.setLocalDescription(await peer.createOffer())
    answer = await channel.accept(peer.localDescription.sdp)
    await peer.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
    async with asyncio.timeout(PATIENCE_S):
        await acknowledged.wait()
        assert channel.send("hello")
        assert await lines.get() == "hello"
        further = peer.createDataChannel("second")
        further.on("close", further_closed.set)
        await further_closed.wait()
    assert not ended.done()

    closing = asyncio.create_task(channel.close())
    for _ in range(2):
        await asyncio.sleep(0)
        closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert ended.result() is EndReason.CLOSED
    await channel.close()
    assert not channel.send("too late")
    await peer.close()
    for _ in range(10):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_peer_that_leaves_is_noticed() -> None:
    ended: asyncio.Future[EndReason] = asyncio.get_running_loop().create_future()
    channel = OfferedChannel(ended)
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    opened = asyncio.Event()
    peer.createDataChannel("first").on("open", opened.set)
    await peer.setLocalDescription(await peer.createOffer())
    answer = await channel.accept(peer.localDescription.sdp)
    await peer.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
    async with asyncio.timeout(PATIENCE_S):
        await opened.wait()
        await peer.close()
        assert await ended is EndReason.PEER_LEFT
    await channel.close()


@pytest.mark.parametrize("sdp", ["", "v=0", "x" * 70_000])
async def test_an_offer_without_a_data_channel_is_refused(sdp: str) -> None:
    channel = OfferedChannel(asyncio.get_running_loop().create_future())
    with pytest.raises(SignallingError):
        await channel.accept(sdp)
    with pytest.raises(SignallingError):
        await channel.add_candidate("candidate:1 1 udp 1 192.0.2.1 9 typ host", "0", 0)
    await channel.close()
