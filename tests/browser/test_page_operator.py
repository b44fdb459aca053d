"""What an operator does on the page, against the stub: evidence, answers, signals, keys, theme, roles."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support import page_scenario as scenario

if TYPE_CHECKING:
    from tests.support.page_browser import Opened

pytest_plugins = ["tests.support.page_browser"]
pytestmark = pytest.mark.browser

TWO = {"cast": scenario.CAST[1:3]}
ONE = {"cast": scenario.CAST[1:2]}

COUNTED_SIGNALS = """
window.beeps = 0;
window.notices = [];
class Node { connect(next) { return next; } }
class Param { setValueAtTime() {} exponentialRampToValueAtTime() {} }
window.AudioContext = class {
    currentTime = 0;
    destination = new Node();
    async resume() {}
    createGain() { return Object.assign(new Node(), { gain: new Param() }); }
    createOscillator() {
        const counted = { start() { window.beeps += 1; }, stop() {}, frequency: new Param() };
        return Object.assign(new Node(), counted);
    }
};
window.Notification = class {
    static get permission() { return localStorage.getItem("test.permission") ?? "default"; }
    static async requestPermission() { localStorage.setItem("test.permission", "granted"); }
    constructor(title, { body }) { window.notices.push(`${title} ${body}`); }
};
"""


def answer(alert: Locator) -> Locator:
    return alert.locator(".alert-answer")


def give(alert: Locator, words: str) -> None:
    alert.get_by_role("button", name=words).click()


def reconnected(page: Page) -> None:
    page.reload()
    expect(page.locator('[data-connection="live"]')).to_be_visible()


def pressed(opened: Opened, keys: str) -> None:
    for key in keys.split():
        opened.page.keyboard.press(key)


def focused(opened: Opened) -> Any:
    return opened.page.evaluate(
        """() => { const at = document.activeElement.closest(".alert, .card");
            return at && (at.dataset.seq ? `alert ${at.dataset.seq}` : at.dataset.participant); }"""
    )


def run(page: Page, module: str, body: str) -> Any:
    return page.evaluate(f"async () => {{ const m = await import('/{module}'); {body} }}")


def test_the_test_is_told_in_words_and_as_a_bar(opened: Opened) -> None:
    told = {
        "alice": "A tenth of the way to an alarm; mostly lips and voice.",
        "bob": "Enough evidence for an alarm; mostly the face.",
        "carol": "A third of the way to an alarm; mostly lips and voice.",
        "dave": "Hardly any evidence so far.",
    }
    for name, words in told.items():
        test = opened.part(name, "test")
        expect(test.locator('[data-test="words"]')).to_have_text(words)
        expect(test.get_by_role("meter")).to_have_attribute("aria-valuetext", words)
    carol = opened.part("carol", "test")
    expect(carol.locator('[data-test="nats"]')).to_have_text("2.2 of 6.4 nats")
    expect(carol.locator('[data-test="limits"]')).to_be_hidden()
    widths = carol.locator(".share").evaluate_all(
        "shares => shares.map((share) => [share.dataset.channel, parseFloat(share.style.width)])"
    )
    assert widths == [
        ["lips_do_not_fit_voice", pytest.approx(28)],
        ["identity_changed", pytest.approx(7)],
    ]
    expect(opened.part("dave", "test").locator('[data-test="limits"]')).to_have_text(
        "Not verified: the calibration material is too small for one false alarm in 24 participant-hours."
    )


@pytest.mark.parametrize("opened", [{"cast": ()}], indirect=True)
def test_every_state_of_a_test_has_words(opened: Opened) -> None:
    words = run(
        opened.page,
        "gauge.js",
        """const test = (progress, channels, more = {}) => ({ progress, channels, threshold: 6,
            evidence: 6 * progress, false_alarms_per_hour: 0.5, supported: true, reasons: [], ...more });
        const [face, lips] = ["identity_changed", "lips_do_not_fit_voice"];
        const blind = { reasons: ["no_face", "no_speech"], supported: false };
        const words = (progress, channels, stands) => m.testInWords(test(progress, channels), stands);
        return [words(0, {}, false), words(0.5, { [face]: 3, [lips]: 0 }, false),
            words(0.7, { [face]: 2, [lips]: 2.2 }, false), words(1, { unheard_of: 9 }, true),
            words(0.4, { [face]: 2 }, true), words(0, {}, true),
            m.limitsInWords(test(0, {}, blind), ["no_face"]), m.rateInWords(1), m.rateInWords(2.5)];""",
    )
    assert words == [
        "Hardly any evidence so far.",
        "Halfway to an alarm; only the face.",
        "Two thirds of the way to an alarm; from lips and voice as well as the face.",
        "Enough evidence for an alarm; only unheard of.",
        "The alarm stands; only the face.",
        "The alarm stands.",
        "Nobody is speaking, so lips and voice cannot be compared. "
        "Not verified: the calibration material is too small for one false alarm in 2 participant-hours.",
        "one false alarm in a participant-hour",
        "2.5 false alarms in a participant-hour",
    ]


@pytest.mark.parametrize("opened", [TWO], indirect=True)
def test_answers_reach_the_monitor_and_survive_a_reload(opened: Opened) -> None:
    newest, middle, oldest = (opened.alert_seqs().nth(index) for index in range(3))
    give(newest, "Acknowledge")
    give(middle, "False alarm")
    expect(answer(newest)).to_have_text(re.compile(r"^Acknowledged · \d\d:\d\d:\d\d$"))
    expect(answer(middle)).to_have_text(re.compile("^Marked as a false alarm"))
    expect(opened.part("bob", "answer")).to_have_text("marked as a false alarm")
    assert {seq: said.state for seq, said in opened.stub.feedback.items()} == {
        3: "acknowledged",
        2: "false_alarm",
    }
    reconnected(opened.page)
    expect(newest).to_have_attribute("data-feedback", "acknowledged")
    expect(middle.get_by_role("button", name="False alarm")).to_have_attribute("aria-pressed", "true")
    expect(answer(oldest)).to_have_text("")
    opened.stub.drop_connections()
    give(newest, "False alarm")
    expect(newest).to_have_attribute("data-feedback", "false_alarm")


@pytest.mark.parametrize("opened", [ONE], indirect=True)
def test_an_answer_that_is_not_kept_is_not_shown(opened: Opened) -> None:
    opened.stub.feedback_status = 503
    give(opened.alert_seqs().first, "False alarm")
    expect(opened.page.locator(".notice")).to_contain_text("The disk is full. Free some space.")
    expect(answer(opened.alert_seqs().first)).to_have_text("")
    assert opened.complaints.pop().startswith("Failed to load resource")


@pytest.mark.parametrize("opened", [{**TWO, "role": "viewer"}], indirect=True)
def test_a_viewer_looks_on(opened: Opened) -> None:
    expect(opened.page.locator("#viewer")).to_be_visible()
    expect(opened.alert_seqs()).to_have_count(3)
    expect(opened.part("bob", "verdict")).to_have_text("Fake")
    for hidden in ("#publish", ".answer >> nth=0", ".picture >> nth=0"):
        expect(opened.page.locator(hidden)).to_be_hidden()
    pressed(opened, "n a f")
    assert opened.stub.feedback == {}
    assert opened.stub.thumbnails_asked == 0


@pytest.mark.parametrize("opened", [{**ONE, "script": COUNTED_SIGNALS}], indirect=True)
def test_alarms_are_signalled_once_and_only_where_it_was_asked_for(opened: Opened) -> None:
    def signals() -> Any:
        return opened.page.evaluate("[window.beeps, window.notices]")

    said = "bob: alert The face no longer matches the person seen earlier in this call."
    expect(opened.alert_seqs()).to_have_count(2)
    opened.stub.raise_alert("bob", "suspicious", "alert")
    expect(opened.alert_seqs()).to_have_count(3)
    assert signals() == [0, []]

    opened.page.locator("#sound").click()
    opened.page.locator("#desktop").click()
    expect(opened.page.locator("#desktop")).to_have_attribute("aria-pressed", "true")
    opened.page.evaluate("window.beeps = 0")
    opened.stub.raise_alert("bob", "alert", "clear")
    opened.stub.raise_alert("bob", "clear", "suspicious")
    opened.stub.raise_alert("bob", "suspicious", "alert")
    expect(opened.alert_seqs()).to_have_count(6)
    assert signals() == [1, [said]]

    reconnected(opened.page)
    expect(opened.alert_seqs()).to_have_count(6)
    assert signals() == [0, []]
    opened.stub.drop_connections()
    opened.stub.raise_alert("bob", "suspicious", "alert")
    expect(opened.alert_seqs()).to_have_count(7)
    assert signals() == [1, [said]]


@pytest.mark.parametrize("opened", [TWO], indirect=True)
def test_keys_move_and_answer(opened: Opened) -> None:
    expect(opened.alert_seqs()).to_have_count(3)
    where = []
    for key in ("j", "j", "j", "k", "n", "ArrowDown", "j", "j", "ArrowUp", "p"):
        pressed(opened, key)
        where.append(focused(opened))
    assert where == [
        "bob", "carol", "carol", "bob", "alert 3", "alert 2", "alert 1", "alert 1", "alert 2", "bob",
    ]  # fmt: skip
    pressed(opened, "f")
    expect(opened.alert_seqs().nth(1)).to_have_attribute("data-feedback", "false_alarm")
    pressed(opened, "n a")
    expect(opened.alert_seqs().first).to_have_attribute("data-feedback", "acknowledged")
    pressed(opened, "Enter")
    expect(opened.card("carol")).to_be_focused()
    pressed(opened, "a")
    expect(opened.page.locator("#announcer")).to_have_text("There is no open alert here.")
    assert sorted(opened.stub.feedback) == [2, 3]


@pytest.mark.parametrize("opened", [TWO], indirect=True)
def test_keys_leave_typing_alone_and_can_be_switched_off(opened: Opened) -> None:
    name = opened.page.locator('[name="participant"]')
    name.fill("")
    name.press_sequentially("jaf")
    expect(name).to_have_value("jaf")
    name.blur()
    pressed(opened, "Shift+?")
    expect(opened.page.locator("#help")).to_be_visible()
    pressed(opened, "n")
    assert focused(opened) is None
    opened.page.locator("#single-keys").uncheck()
    pressed(opened, "Escape")
    expect(opened.page.locator("#help")).to_be_hidden()
    reconnected(opened.page)
    expect(opened.alert_seqs()).to_have_count(3)
    pressed(opened, "n")
    assert focused(opened) is None
    assert opened.stub.feedback == {}


@pytest.mark.parametrize("opened", [{**ONE, "color_scheme": "dark"}], indirect=True)
def test_the_theme_is_the_systems_until_another_is_chosen(opened: Opened) -> None:
    root, button = opened.page.locator("html"), opened.page.locator("#theme")
    expect(root).to_have_attribute("data-theme", "dark")
    button.click()
    expect(root).to_have_attribute("data-theme", "light")
    reconnected(opened.page)
    expect(root).to_have_attribute("data-theme", "light")
    expect(button).to_have_attribute("aria-label", "Theme: light")
    button.click()
    opened.page.emulate_media(color_scheme="light")
    expect(root).to_have_attribute("data-theme", "dark")
    button.click()
    expect(root).to_have_attribute("data-theme", "light")
