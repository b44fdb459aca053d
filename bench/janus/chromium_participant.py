"""A participant: a Chromium of its own, whose camera and microphone are files."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, Page, Playwright, Route
from playwright.async_api import Error as BrowserError

from bench.janus.fake_devices import FakeDevices
from bench.janus.janus_server import JanusRoom
from bench.janus.network import CallNetwork
from bench.janus.requirements import INSTALL, CallBenchError, chromium_path

PAGE_FOLDER = Path(__file__).parent / "page"
#: Nothing listens there: the browser gets the page from this process. Only such a name may use a camera.
PAGE_URL = "http://localhost/index.html"
PATIENCE_MS = 30_000

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    "--disable-features=Translate,OptimizationHints,MediaRouter,WebRtcHideLocalIpsWithMdns",
)
_TYPES = {".html": "text/html", ".js": "text/javascript"}


@dataclass(slots=True)
class ChromiumParticipant:
    """One person with a browser. Failures come as ``CallBenchError``.

    Attributes:
        name: The display name in the room.
        pictures_per_s: How many pictures are sent; None for all.
        complaints: What the browser's console called an error.
    """

    name: str
    page: Page
    pictures_per_s: int | None = None
    complaints: list[str] = field(default_factory=list)

    async def join(self, room: JanusRoom) -> None:
        """Enter the room and send camera and microphone; returns once they can flow."""
        await self.call("join", room.websocket_url, room.room, self.name)

    async def leave(self) -> None:
        """Leave the room as a person does who presses the button."""
        await self.call("leave")

    async def microphone(self, *, on: bool) -> None:
        """Mute or unmute."""
        await self.call("microphone", on)

    async def camera(self, *, on: bool) -> None:
        """Stop sending pictures, or send them again."""
        await self.call("camera", on)

    async def open(self) -> None:
        """Open the page."""
        with self._blamed("open"):
            await self.page.goto(PAGE_URL)
            await self.page.wait_for_function("window.participant !== undefined", timeout=PATIENCE_MS)
        if self.pictures_per_s is not None:
            await self.call("thinOut", self.pictures_per_s)

    async def reload(self) -> None:
        """Leave the page without a word and open it again; ``join`` comes back."""
        await self.open()

    async def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of the page's participant and return its result.

        Raises:
            CallBenchError: It failed.
        """
        with self._blamed(method):
            return await self.page.evaluate(
                "([method, given]) => window.participant[method](...given)", [method, list(arguments)]
            )

    @contextlib.contextmanager
    def _blamed(self, action: str) -> Iterator[None]:
        try:
            yield
        except BrowserError as error:
            _raise_if_cancelled()
            told = f" Its console says: {'; '.join(self.complaints)}." if self.complaints else ""
            raise CallBenchError(
                f"{self.name} cannot {action}: {error.message.splitlines()[0]}.{told}",
                fix="Run it again with less load on this machine; Janus' log may say more.",
            ) from error


@contextlib.asynccontextmanager
async def chromium_participant(
    playwright: Playwright,
    name: str,
    devices: FakeDevices,
    *,
    network: CallNetwork | None = None,
    pictures_per_s: int | None = None,
) -> AsyncIterator[ChromiumParticipant]:
    """Start a browser for one participant and close it however the block ends.

    Args:
        playwright: Drives the browser.
        name: The display name.
        devices: What camera and microphone play.
        network: At whose far end the browser runs; None for this machine itself.
        pictures_per_s: How many of the camera's pictures are sent; None for all.

    Raises:
        CallBenchError: There is no Chromium, or it does not start.
    """
    path = chromium_path()
    if path is None:
        raise CallBenchError("There is no Chromium on the PATH.", fix=INSTALL)
    with tempfile.TemporaryDirectory(prefix="seamwatch-chromium-", ignore_cleanup_errors=True) as profile:
        if network is not None:
            path = _start_script(Path(profile) / "start", network.inside(path))
        try:
            browser = await playwright.chromium.launch_persistent_context(
                profile, executable_path=path, args=[*_FLAGS, *devices.flags]
            )
        except BrowserError as error:
            _raise_if_cancelled()
            raise CallBenchError(
                f"Chromium does not start: {error.message.splitlines()[0]}.",
                fix=f"Try {path} --headless=new.",
            ) from error
        try:
            yield await _opened(browser, name, pictures_per_s)
        finally:
            # Ctrl-C reaches Playwright's driver too, which then closes the browser by itself.
            with contextlib.suppress(BrowserError):
                await browser.close()


def _start_script(script: Path, command: Sequence[str]) -> str:
    """Write a program that runs a command with its own arguments and file descriptors; return its path."""
    script.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    script.chmod(0o700)
    return str(script)


async def _opened(browser: BrowserContext, name: str, pictures_per_s: int | None) -> ChromiumParticipant:
    page = browser.pages[0]
    participant = ChromiumParticipant(name, page, pictures_per_s)
    complaints = participant.complaints
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.route("http://localhost/**", _serve)
    await participant.open()
    return participant


def _raise_if_cancelled() -> None:
    """Put the cancellation before the complaint of a driver that heard the same Ctrl-C."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _serve(route: Route) -> None:
    path = PAGE_FOLDER / route.request.url.rsplit("/", 1)[1]
    if path.suffix in _TYPES and path.is_file():
        await route.fulfill(path=path, content_type=_TYPES[path.suffix])
    else:
        await route.fulfill(status=404)
