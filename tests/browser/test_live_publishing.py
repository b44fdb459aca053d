"""The whole way with a real browser: Chromium publishes its camera through the page and shows the alert."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import async_playwright, expect

from bench.janus.fake_devices import fake_devices
from engines.loader import EngineSet
from tests.support.live_monitor import live_monitor
from tests.support.page_browser import FLAGS, chromium_or_skip

pytestmark = pytest.mark.browser

PATIENCE_MS = 60_000


async def test_a_published_camera_is_judged_and_its_alert_is_shown(
    engine_set: EngineSet, exchanged_clip: Path, tmp_path: Path
) -> None:
    browser_path = chromium_or_skip()
    devices = fake_devices(exchanged_clip, tmp_path)
    complaints: list[str] = []
    async with (
        live_monitor(engine_set, tmp_path / "alerts.sqlite3") as live,
        async_playwright() as playwright,
    ):
        browser = await playwright.chromium.launch(
            executable_path=browser_path, args=[*FLAGS, *devices.flags]
        )
        page = await browser.new_page(viewport={"width": 1280, "height": 1000})
        page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(live.url)
        await expect(page.locator("#connection")).to_have_attribute("data-connection", "live")
        await page.locator("[data-source=camera]").click()
        await expect(page.locator("#publish")).to_have_attribute("data-phase", "live", timeout=PATIENCE_MS)

        card = page.locator(".card").first
        await expect(card).to_have_attribute("data-state", "alert", timeout=PATIENCE_MS)
        await expect(card).to_have_attribute("data-verdict", "fake")
        await expect(page.locator("#alert-list > li[data-state=alert]")).to_have_count(1)

        (seat,) = live.monitor.snapshot()
        assert seat.latest is not None
        assert (seat.latest.tracks.width, seat.latest.tracks.height) == (640, 480)
        await page.locator("[data-stop]").click()
        await expect(page.locator("#publish")).to_have_attribute("data-phase", "idle")
        await expect(card).to_have_attribute("data-verdict", "left")
        assert live.monitor.snapshot() == []
        await browser.close()
    assert complaints == []
