"""Publishing from the page in a real browser, with a fake camera and a stub that takes or refuses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from tests.support.page_browser import Opened

pytest_plugins = ["tests.support.page_browser"]
pytestmark = pytest.mark.browser

TAB_WITHOUT_SOUND = """
navigator.mediaDevices.getDisplayMedia = async () => {
    const canvas = document.createElement("canvas");
    canvas.getContext("2d").fillRect(0, 0, 9, 9);
    return canvas.captureStream(5);
};
"""
REFUSED_BY_THE_PERSON = """
navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("no", "NotAllowedError"); };
"""
NO_DEVICE = """
navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("no", "NotFoundError"); };
"""
NOBODY = {"cast": ()}


@pytest.mark.parametrize("opened", [NOBODY], indirect=True)
def test_publishes_the_camera_and_withdraws_it(opened: Opened) -> None:
    opened.page.get_by_label("Your name").fill("me")
    opened.page.get_by_role("button", name="Publish my camera").click()
    expect(opened.page.locator('#publish[data-phase="live"]')).to_be_visible()
    expect(opened.card("me").locator(".picture canvas")).to_have_attribute("data-picture", "local")
    expect(opened.part("me", "own")).to_be_visible()
    offer = opened.stub.published["me"]
    assert "a=sendonly" in offer
    assert "a=recvonly" not in offer
    assert "a=sendrecv" not in offer
    assert "a=candidate" in offer
    opened.page.get_by_role("button", name="Stop").click()
    expect(opened.card("me")).to_have_attribute("data-verdict", "left")
    assert opened.stub.wait_for_deletion() == ["me"]
    expect(opened.page.get_by_role("button", name="Publish my camera")).to_be_enabled()


@pytest.mark.parametrize("opened", [NOBODY], indirect=True)
def test_withdraws_when_the_page_goes_away(opened: Opened) -> None:
    opened.page.get_by_role("button", name="Publish my camera").click()
    expect(opened.page.locator('#publish[data-phase="live"]')).to_be_visible()
    published = list(opened.stub.published)
    opened.page.reload()
    expect(opened.page.locator('[data-connection="live"]')).to_be_visible()
    assert opened.stub.wait_for_deletion() == published


@pytest.mark.parametrize("opened", [NOBODY], indirect=True)
def test_tells_why_the_monitor_refuses(opened: Opened) -> None:
    opened.stub.whip_status = 503
    opened.page.get_by_role("button", name="Publish my camera").click()
    expect(opened.page.locator("#publish [data-words]")).to_have_text("The call is full.")
    expect(opened.page.locator("[data-fix]")).to_have_text("Wait until somebody leaves.")
    assert [complaint for complaint in opened.complaints if "503" not in complaint] == []
    opened.complaints.clear()


@pytest.mark.parametrize("opened", [{**NOBODY, "script": TAB_WITHOUT_SOUND}], indirect=True)
def test_warns_of_a_tab_without_sound(opened: Opened) -> None:
    opened.page.get_by_role("button", name="Publish a call tab").click()
    expect(opened.page.locator("#publish [data-words]")).to_contain_text("the chosen tab gave no sound")
    expect(opened.page.locator("#publish [data-fix]")).to_contain_text("Also share tab audio")


@pytest.mark.parametrize(
    ("opened", "words"),
    [
        ({**NOBODY, "script": REFUSED_BY_THE_PERSON}, "The browser was not allowed to share."),
        ({**NOBODY, "script": NO_DEVICE}, "No camera or no microphone was found."),
    ],
    indirect=["opened"],
)
def test_says_what_to_do_without_camera(opened: Opened, words: str) -> None:
    opened.page.get_by_role("button", name="Publish my camera").click()
    expect(opened.page.locator("#publish [data-words]")).to_have_text(words)
    expect(opened.page.locator("#publish [data-fix]")).not_to_be_empty()
    expect(opened.page.get_by_role("button", name="Publish my camera")).to_be_enabled()


@pytest.mark.parametrize("opened", [NOBODY], indirect=True)
def test_refuses_a_name_that_no_address_can_hold(opened: Opened) -> None:
    opened.page.get_by_label("Your name").fill("a/b")
    opened.page.get_by_role("button", name="Publish my camera").click()
    assert opened.page.locator('[name="participant"]').evaluate("(input) => input.validity.patternMismatch")
    assert opened.stub.published == {}
