"""The report in a real browser: complete, quiet, without network, and readable at every width."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from clients.report import write_report
from clients.report.call_records import read_call
from clients.report.call_report import call_report
from clients.report.scan_report import scan_report
from clients.report.subject import Report
from realtime.evidence.bundle import bundle_files
from realtime.evidence.folder import EvidenceFolder
from realtime.evidence.record import EngineInfo, Provenance
from tests.support.evidence_bundles import Stream, item_of, provenance_for
from tests.support.evidence_media import with_media
from tests.support.scan_results import exchanged

pytest_plugins = ["tests.support.page_browser"]
pytestmark = pytest.mark.browser

MADE_AT = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
SETTINGS: list[dict[str, Any]] = [
    {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    for width in (1280, 360)
    for scheme in ("light", "dark")
]


@dataclass
class Shown:
    """An opened report, with every request and complaint of the browser."""

    page: Page
    requests: list[str]
    complaints: list[str]

    def headings(self) -> list[str]:
        """The headings of all sections."""
        return self.page.locator("h3").all_inner_texts()


def of_files() -> Report:
    engine = EngineInfo(id="sface-2021dec@0ba9fbfa/onnxruntime-fp32-cpu", source_sha256="ab" * 32)
    made = Provenance(program="seamwatch 1", config={}, config_sha256="cd" * 32, engines={"identity": engine})
    name = "a-rather-long-name-without-any-place-to-break-it-" * 3 + ".mp4"
    results = [exchanged(), exchanged(file=name)]
    return scan_report(results, MADE_AT, program="seamwatch 1", provenance=made)


def of_a_call(folder: Path) -> Report:
    stream = Stream(seed=2, windows=40, memory=32, missing=0.2)
    with EvidenceFolder(folder / "evidence") as evidence:
        files = bundle_files(with_media(item_of(stream), ticks=450), provenance_for(stream))
        evidence.add(files, call="standup", state="alert")
    records = read_call("standup", store=folder / "none", evidence=folder / "evidence")
    return call_report(records, MADE_AT, program="seamwatch 1")


@pytest.fixture
def shown(chromium: Browser, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Shown]:
    kind, settings = request.param
    out = tmp_path / "report.html"
    write_report(of_files() if kind == "files" else of_a_call(tmp_path), out)
    context = chromium.new_context(**settings)
    page = context.new_page()
    shown = Shown(page, [], [])
    page.on("console", lambda message: shown.complaints.append(message.text))
    page.on("pageerror", lambda error: shown.complaints.append(str(error)))
    page.on("request", lambda sent: shown.requests.append(sent.url))
    page.goto(out.as_uri())
    yield shown
    context.close()
    assert shown.complaints == []
    assert {url for url in shown.requests if not url.startswith("data:")} == {out.as_uri()}


def width_of(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth"))


def small_texts(page: Page) -> list[str]:
    """Texts of drawings that are smaller on the screen than 9 px."""
    return list(
        page.evaluate(
            """() => [...document.querySelectorAll("svg text")].filter((text) => {
                const box = text.getBoundingClientRect();
                return box.width > 0 && box.height > 0 && box.height < 9;
            }).map((text) => text.textContent)"""
        )
    )


@pytest.mark.parametrize("shown", [("call", setting) for setting in SETTINGS], indirect=True)
def test_a_call_is_complete_and_readable_at_every_width(shown: Shown) -> None:
    page = shown.page
    assert page.locator("h1").inner_text() == "Seamwatch report"
    assert shown.headings()[:2] == ["Over time", "What the alert at 0:17.8 rests on"]
    for heading in ("Every moment compared with every other", "How to check this", "What looked at it"):
        assert heading in shown.headings()
    assert page.locator(".badge.verified").inner_text() == "Evidence verified"
    assert page.locator(".pair svg image.pixels").count() == 2
    assert page.locator(".pair svg rect.mark").count() >= 3
    assert page.locator("svg.wide:visible, svg.narrow:visible").count() == 1
    assert page.locator("img").count() > 3
    loaded = "(images) => images.every((image) => image.complete && image.naturalWidth === 112)"
    assert page.locator("img").evaluate_all(loaded)
    assert width_of(page) == page.viewport_size["width"]
    assert small_texts(page) == []


@pytest.mark.parametrize("shown", [("files", setting) for setting in SETTINGS], indirect=True)
def test_several_files_have_a_section_each(shown: Shown) -> None:
    page = shown.page
    assert page.locator("article h2").count() == 2
    assert page.locator("article .lead").first.inner_text().startswith("This recording contradicts itself.")
    assert "What was not kept" in shown.headings()
    assert page.locator("img").count() == 0
    assert width_of(page) == page.viewport_size["width"]


@pytest.mark.parametrize("shown", [("call", {"color_scheme": "dark"})], indirect=True)
def test_on_paper_it_is_light_and_wide(shown: Shown) -> None:
    page = shown.page
    background = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(background) == "rgb(16, 20, 27)"
    page.emulate_media(media="print")
    assert page.evaluate(background) == "rgb(255, 255, 255)"
    assert page.locator("svg.wide").first.is_visible()
    assert page.locator("svg.narrow").first.is_hidden()
    assert page.pdf(format="A4", print_background=False).startswith(b"%PDF")
