"""The whole way with a real browser: Chromium publishes its camera through the page and shows the alert."""

from __future__ import annotations

import shutil
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from playwright.async_api import async_playwright, expect

from engines.loader import EngineSet
from tests.support.live_monitor import live_monitor
from tests.support.page_browser import FLAGS

pytestmark = pytest.mark.browser

PATIENCE_MS = 60_000


def fake_devices(clip: Path, folder: Path) -> tuple[Path, Path]:
    """Write what Chromium plays as camera (JPEG pictures, 30 a second) and microphone (WAV)."""
    camera, microphone = folder / "camera.mjpeg", folder / "microphone.wav"
    with av.open(str(clip)) as source, camera.open("wb") as out:
        encoder = av.CodecContext.create("mjpeg", "w")
        encoder.width, encoder.height, encoder.pix_fmt = 640, 480, "yuvj420p"
        encoder.time_base = Fraction(1, 30)
        for picture in source.decode(video=0):
            for packet in encoder.encode(picture.reformat(640, 480, "yuvj420p")):
                out.write(bytes(packet))
    with av.open(str(clip)) as source, wave.open(str(microphone), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(44_100)
        resampler = av.AudioResampler(format="s16", layout="mono", rate=44_100)
        for frame in [*source.decode(audio=0), None]:
            for block in resampler.resample(frame):
                out.writeframes(np.ascontiguousarray(block.to_ndarray()).tobytes())
    return camera, microphone


async def test_a_published_camera_is_judged_and_its_alert_is_shown(
    engine_set: EngineSet, exchanged_clip: Path, tmp_path: Path
) -> None:
    browser_path = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if browser_path is None:
        pytest.skip("needs a browser: no Chromium or Chrome is on the PATH")
    camera, microphone = fake_devices(exchanged_clip, tmp_path)
    devices = [
        f"--use-file-for-fake-video-capture={camera}",
        f"--use-file-for-fake-audio-capture={microphone}",
    ]
    complaints: list[str] = []
    async with (
        live_monitor(engine_set, tmp_path / "alerts.sqlite3") as live,
        async_playwright() as playwright,
    ):
        browser = await playwright.chromium.launch(executable_path=browser_path, args=[*FLAGS, *devices])
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
