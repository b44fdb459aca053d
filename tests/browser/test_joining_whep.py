"""WHEP with Chromium as the media server: libwebrtc answers the monitor, or makes the offer, and sends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from playwright.async_api import Page, async_playwright

from clients.joining.adapter import CallLostError
from clients.joining.target import join_target
from clients.joining.whep import WhepAdapter
from tests.support.joining_room import PATIENCE_S, FakeRoom, attended
from tests.support.page_browser import FLAGS, chromium_or_skip
from tests.support.whep_server import WhepServer, serving

pytestmark = pytest.mark.browser

START = """async () => {
    window.gathered = async (connection) => {
        while (connection.iceGatheringState !== "complete") {
            await new Promise((resolve) => connection.addEventListener(
                "icegatheringstatechange", resolve, { once: true },
            ));
        }
        return connection.localDescription.sdp;
    };
    window.connection = new RTCPeerConnection();
    window.stream = await navigator.mediaDevices.getUserMedia({
        audio: true, video: { width: 320, height: 240 },
    });
}"""
ANSWER = """async (sdp) => {
    await connection.setRemoteDescription({ type: "offer", sdp });
    stream.getTracks().forEach((track) => connection.addTrack(track, stream));
    await connection.setLocalDescription();
    return gathered(connection);
}"""
OFFER = """async () => {
    for (const track of stream.getTracks()) {
        connection.addTransceiver(track, { direction: "sendonly", streams: [stream] });
    }
    await connection.setLocalDescription();
    return gathered(connection);
}"""
ACCEPT = "(sdp) => connection.setRemoteDescription({ type: 'answer', sdp })"


@dataclass
class PagePlayer:
    """Plays a page's fake camera and microphone."""

    page: Page

    async def answer(self, offer: str) -> str:
        await self.page.evaluate(START)
        return str(await self.page.evaluate(ANSWER, offer))

    async def offer(self) -> str:
        await self.page.evaluate(START)
        return str(await self.page.evaluate(OFFER))

    async def accept_answer(self, sdp: str) -> None:
        await self.page.evaluate(ACCEPT, sdp)

    async def close(self) -> None:
        await self.page.evaluate("() => connection.close()")


@pytest.mark.parametrize("counter_offer", [False, True], ids=["answer", "counter-offer"])
async def test_what_chromium_plays_is_watched_until_it_stops(counter_offer: bool) -> None:
    path = chromium_or_skip()
    room = FakeRoom()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        page = await browser.new_page()

        async def open_player() -> PagePlayer:
            return PagePlayer(page)

        async with serving(WhepServer(open_player, counter_offer=counter_offer)) as server:
            await page.goto(server.url)
            adapter = WhepAdapter(join_target(f"whep+{server.url}/live/studio"))
            async with attended(adapter, room) as attending:
                sink = room.sinks["studio"]
                await room.until(lambda _: len(sink.sizes) > 25 and sink.samples > 16_000)
                assert (320, 240) in sink.sizes
                await server.end_all()
                with pytest.raises(CallLostError, match="The server ended the stream"):
                    async with asyncio.timeout(PATIENCE_S):
                        await attending
        await browser.close()
