"""Real PeerJS: its server from npm, its library in a headless Chromium, and the monitor that is called."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright

from clients.joining.adapter import CallLostError, JoinError
from clients.joining.peerjs import RECONNECT_DELAYS_S, PeerJsAdapter
from clients.joining.target import join_target
from tests.support.joining_room import PATIENCE_S, FakeRoom, attended
from tests.support.page_browser import FLAGS, PATIENCE_MS, chromium_or_skip
from tests.support.peerjs_packages import LIBRARY, SERVER_PATH, peer_server, peerjs_folder

__all__ = ["peerjs_folder"]

pytestmark = pytest.mark.browser

REGISTER = """async ([id, port, path]) => {
    window.log = [];
    window.peer = new Peer(id, { host: "127.0.0.1", port, path, config: { iceServers: [] } });
    peer.on("error", (error) => log.push(`error ${error.type}`));
    await new Promise((resolve) => peer.on("open", resolve));
}"""
CALL = """async (metadata) => {
    const stream = await navigator.mediaDevices.getUserMedia({
        audio: true, video: { width: 320, height: 240 },
    });
    window.call = peer.call("seamwatch", stream, { metadata });
    call.on("close", () => log.push("call closed"));
}"""
CONNECT = """async (serialization) => {
    const data = peer.connect("seamwatch", { serialization });
    data.on("data", (line) => log.push(
        `${serialization}: ${typeof line === "string" ? line : new TextDecoder().decode(line)}`,
    ));
    data.on("close", () => log.push(`${serialization} closed`));
    await new Promise((resolve, reject) => data.on("open", resolve).on("error", reject).on("close", reject));
}"""

ALL_LOGGED = "(lines) => lines.every((line) => log.includes(line))"


def adapter(port: int, delays_s: Sequence[float] = RECONNECT_DELAYS_S) -> PeerJsAdapter:
    target = join_target(f"peerjs://127.0.0.1:{port}{SERVER_PATH}?id=seamwatch")
    return PeerJsAdapter(target, reconnect_delays_s=delays_s)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    path = chromium_or_skip()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        await browser.close()


async def caller(browser: Browser, folder: Path, port: int, identifier: str) -> Page:
    """A page that is registered; it comes from the PeerServer, so that the browser lets it connect there."""
    page = await browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    await page.goto(f"http://127.0.0.1:{port}{SERVER_PATH}/")
    await page.add_script_tag(path=folder / LIBRARY)
    await page.evaluate(REGISTER, [identifier, port, SERVER_PATH])
    return page


async def logged(page: Page, *lines: str) -> None:
    await page.wait_for_function(ALL_LOGGED, arg=list(lines))


async def said_to_all(monitor: PeerJsAdapter, line: str, page: Page, serializations: Sequence[str]) -> None:
    """Post a line until every connection of a page took it: a browser opens them before the monitor hears."""
    expected = [f"{serialization}: {line}" for serialization in serializations]
    async with asyncio.timeout(PATIENCE_S):
        while not await page.evaluate(ALL_LOGGED, expected):
            await monitor.post(line)
            await asyncio.sleep(0.1)


async def test_callers_are_watched_by_name_until_they_hang_up(peerjs_folder: Path) -> None:
    room = FakeRoom()
    async with peer_server(peerjs_folder) as port, chromium() as browser, attended(adapter(port), room):
        alice = await caller(browser, peerjs_folder, port, "alice")
        await alice.evaluate(CALL, {"name": "Alice Example"})
        await room.until(lambda r: "alice" in r.sinks)
        sink = room.sinks["alice"]
        await room.until(lambda _: len(sink.sizes) > 25 and sink.samples > 16_000)
        assert room.events == [("appeared", "alice", "Alice Example")]
        assert (320, 240) in sink.sizes

        bob = await caller(browser, peerjs_folder, port, "bob")
        await bob.evaluate(CALL, None)
        await room.until(lambda r: "bob" in r.sinks and len(r.sinks["bob"].sizes) > 5)
        assert room.events[1] == ("appeared", "bob", "bob")

        assert await alice.evaluate("() => log") == []
        await alice.evaluate("() => call.close()")
        await room.until(lambda r: ("left", "alice") in r.events)
        assert len(sink.ends) == 1

        await bob.goto("about:blank")
        await room.until(lambda r: ("left", "bob") in r.events)


async def test_the_monitor_says_a_line_to_everybody_connected_and_takes_its_leave(
    peerjs_folder: Path,
) -> None:
    line = "Seamwatch is watching: \u00fc\u00f1\u00ef \u2014 " + 40 * "."
    room, monitor = FakeRoom(), None
    async with peer_server(peerjs_folder) as port, chromium() as browser:
        monitor = adapter(port)
        async with attended(monitor, room):
            alice = await caller(browser, peerjs_folder, port, "alice")
            assert not await monitor.post(line)
            await alice.evaluate(CALL, None)
            for serialization in ("binary", "json", "raw"):
                await alice.evaluate(CONNECT, serialization)
            await said_to_all(monitor, line, alice, ("binary", "json", "raw"))
            await room.until(lambda r: "alice" in r.sinks and len(r.sinks["alice"].sizes) > 5)
        await logged(alice, "call closed", "binary closed", "json closed", "raw closed")
        assert not await monitor.post(line)
    assert room.events == [("appeared", "alice", "alice")]


async def test_calls_outlive_the_server_and_the_monitor_registers_again(peerjs_folder: Path) -> None:
    room = FakeRoom()
    async with AsyncExitStack() as first_server, chromium() as browser:
        port = await first_server.enter_async_context(peer_server(peerjs_folder))
        async with attended(adapter(port, 100 * (0.2,)), room):
            alice = await caller(browser, peerjs_folder, port, "alice")
            await alice.evaluate(CALL, None)
            await room.until(lambda r: "alice" in r.sinks and len(r.sinks["alice"].sizes) > 5)
            await first_server.aclose()
            seen = len(room.sinks["alice"].sizes)
            await room.until(lambda r: len(r.sinks["alice"].sizes) > seen + 25)
            async with peer_server(peerjs_folder, port):
                bob = await caller(browser, peerjs_folder, port, "bob")
                await bob.evaluate(CALL, None)
                await room.until(lambda r: "bob" in r.sinks and len(r.sinks["bob"].sizes) > 5)
                assert "alice" in room.sources


async def test_a_full_room_turns_a_caller_away(peerjs_folder: Path) -> None:
    room = FakeRoom(seats=0)
    async with peer_server(peerjs_folder) as port, chromium() as browser, attended(adapter(port), room):
        alice = await caller(browser, peerjs_folder, port, "alice")
        await alice.evaluate(CALL, None)
        await alice.wait_for_function("() => call.peerConnection === null")
    assert room.events == []


async def test_registering(peerjs_folder: Path) -> None:
    async with peer_server(peerjs_folder) as port:
        address = f"peerjs://127.0.0.1:{port}{SERVER_PATH}"
        async with attended(adapter(port), FakeRoom()):
            refusals = {
                f"{address}?id=seamwatch": "Somebody else has this id",
                f"{address}?id=other&key=wrong": "wants another API key",
                f"peerjs://127.0.0.1:{port}/elsewhere?id=other": "no PeerServer at this URL",
            }
            for url, message in refusals.items():
                stranger = PeerJsAdapter(join_target(url, token="not the token of this process"))
                with pytest.raises(JoinError, match=message):
                    await stranger.attend(FakeRoom(), pytest.fail)
        async with attended(adapter(port), FakeRoom()) as attending:
            pass
        assert attending.cancelled()
    with pytest.raises(CallLostError):
        async with asyncio.timeout(PATIENCE_S):
            await adapter(port).attend(FakeRoom(), pytest.fail)
