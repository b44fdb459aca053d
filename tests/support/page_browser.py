"""Fixtures that open the page in a headless Chromium: ``pytest_plugins = ["tests.support.page_browser"]``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect, sync_playwright

from tests.support import page_scenario as scenario
from tests.support.page_stub import PageStub, running

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]
PATIENCE_MS = 60_000


def chromium_or_skip() -> str:
    """Return the browser's path; skip the test where there is none."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("needs a browser: no Chromium or Chrome is on the PATH")
    return path


@dataclass
class Opened:
    """A page on the stub, with everything the browser complained about.

    ``complaints`` must be empty when a test ends; a test that provokes one takes it out.
    """

    page: Page
    stub: PageStub
    complaints: list[str]

    def card(self, name: str) -> Locator:
        """The card of a participant."""
        return self.page.locator(f'.card[data-participant="{name}"]')

    def part(self, name: str, part: str) -> Locator:
        """A named part of a participant's card."""
        return self.card(name).locator(f'[data-part="{part}"]')

    def heatmap(self, name: str, kind: str) -> Locator:
        """A heatmap of a participant's card."""
        return self.card(name).locator(f'[data-heatmap="{kind}"]')

    def alert_seqs(self) -> Locator:
        """The entries of the alert list."""
        return self.page.locator("#alert-list > li")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser, or a skip where none is installed."""
    path = chromium_or_skip()
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def opened(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Opened]:
    """The page, connected. Indirect parameters: ``cast``, ``role``, ``script``, context options."""
    wishes: dict[str, Any] = {"viewport": {"width": 1280, "height": 1600}, **getattr(request, "param", {})}
    stub = PageStub(wishes.pop("cast", scenario.CAST), role=wishes.pop("role", "operator"))
    script = wishes.pop("script", "")
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    with running(stub) as address:
        context = chromium.new_context(**wishes)
        context.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        page = context.new_page()
        page.on("console", listen)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.add_init_script(script)
        page.goto(address)
        expect(page.locator('[data-connection="live"]')).to_be_visible()
        yield Opened(page, stub, complaints)
        context.close()
    assert complaints == []
