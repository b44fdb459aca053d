"""The page in a real browser, against the stub: what it draws and says."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Locator, expect

from realtime.server.wire import ScoreUpdate
from tests.support import page_scenario as scenario
from tests.support.page_stub import PageStub

if TYPE_CHECKING:
    from tests.support.page_browser import Opened

pytest_plugins = ["tests.support.page_browser"]
pytestmark = pytest.mark.browser

WINDOWS = "181"


def newest_score(name: str) -> ScoreUpdate:
    scores = (message for message in PageStub().newest() if isinstance(message, ScoreUpdate))
    return next(score for score in scores if score.participant == name)


def cell_colour(heatmap: Locator, row: float, column: float) -> list[int]:
    """Colour of the cell at two fractions of the matrix."""
    colour = heatmap.locator("canvas").evaluate(
        """(canvas, [row, column]) => {
            const [x, y, side] = canvas.dataset.plot.split(",").map(Number);
            const density = canvas.width / canvas.clientWidth;
            const at = [x + column * side, y + row * side].map((v) => Math.round(v * density));
            return [...canvas.getContext("2d").getImageData(at[0], at[1], 1, 1).data];
        }""",
        [row, column],
    )
    return [int(channel) for channel in colour]


def luminance(colour: list[int]) -> float:
    return 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2]


def colourfulness(colour: list[int]) -> int:
    return max(colour[:3]) - min(colour[:3])


def test_says_who_is_genuine_who_is_not_and_why(opened: Opened) -> None:
    expected = {
        "alice": ("genuine", "Genuine", "The face stays the same, and the lips fit the voice."),
        "bob": (
            "fake",
            "Fake",
            "The face no longer matches the person seen earlier in this call. Since 0:45.",
        ),
        "carol": (
            "suspicious",
            "Suspicious",
            "The lips do not move with the voice that is heard. Since 0:58.",
        ),
        "dave": ("insufficient", "Insufficient", "No face is visible."),
    }
    for name, (verdict, word, sentence) in expected.items():
        expect(opened.card(name)).to_have_attribute("data-verdict", verdict)
        expect(opened.part(name, "verdict")).to_have_text(word)
        expect(opened.part(name, "explanation")).to_have_text(sentence)
    icons = {opened.card(name).locator(".verdict-icon use").get_attribute("href") for name in expected}
    assert len(icons) == len(expected)
    expect(opened.page.locator("#tally")).to_have_text("1 fake1 suspicious1 genuine1 insufficient")
    expect(opened.page.locator("#participant-count")).to_have_text("4 participants")
    expect(opened.page.locator("#baseline")).to_have_text("baseline encoders: untrained")
    expect(opened.part("dave", "faults")).to_contain_text("12 pictures dropped")


def test_numbers_are_those_of_the_message_and_missing_ones_are_dashes(opened: Opened) -> None:
    score = newest_score("bob")
    assert score.intra is not None
    assert score.margin is not None
    expect(opened.part("bob", "intra")).to_have_text(f"{score.intra:.2f}")
    expect(opened.part("bob", "margin")).to_have_text(f"\N{MINUS SIGN}{-score.margin:.2f}")
    expect(opened.part("bob", "lag")).to_have_text("40 ms")
    expect(opened.part("dave", "score")).to_have_text("\N{EN DASH}")


def test_heatmap_shows_the_seam_and_leaves_missing_cells_neutral(opened: Opened) -> None:
    intra, cross = opened.heatmap("bob", "intra"), opened.heatmap("alice", "cross")
    for heatmap in (intra, cross):
        expect(heatmap.locator("canvas")).to_have_attribute("data-size", WINDOWS)
    before, seam, after = (cell_colour(intra, *cell) for cell in ((0.2, 0.3), (0.5, 0.9), (0.8, 0.85)))
    assert luminance(seam) < 0.7 * min(luminance(before), luminance(after))
    silent_window = 29.6 / (181 * scenario.HOP_S)
    assert colourfulness(cell_colour(cross, 0.7, silent_window)) < 16
    assert colourfulness(cell_colour(cross, 0.7, 0.3)) > 40


def test_the_worst_pair_is_ringed_and_told_in_words(opened: Opened) -> None:
    intra = opened.heatmap("bob", "intra")
    expect(intra.locator("canvas")).to_have_attribute("data-size", WINDOWS)
    row, column = map(int, str(intra.locator("canvas").get_attribute("data-worst")).split(","))
    first, second = (
        f"{int(index * scenario.HOP_S // 60)}:{index * scenario.HOP_S % 60:04.1f}" for index in (row, column)
    )
    expect(intra.locator(".readout")).to_have_text(re.compile(rf"^Worst pair: {first} vs {second}, [\d.]+$"))
    side = float(str(intra.locator("canvas").get_attribute("data-plot")).split(",")[2])
    on_ring = cell_colour(intra, (row + 0.5) / 181 + 7 / side, (column + 0.5) / 181)
    assert luminance(on_ring) > luminance(cell_colour(intra, (row + 0.5) / 181, (column + 0.5) / 181)) + 80


def test_curves_and_thumbnails_are_drawn(opened: Opened) -> None:
    expect(opened.card("bob").locator(".picture canvas")).to_have_attribute("data-picture", "thumbnail")
    curves = opened.card("bob").locator(".curves canvas")
    expect(curves).to_have_attribute("aria-label", re.compile("at 1:13: face 0.45, lips 0.7"))
    for canvas in (curves, opened.card("bob").locator(".picture canvas")):
        colours = canvas.evaluate(
            """(canvas) => new Set(new Uint32Array(canvas.getContext("2d")
                .getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size"""
        )
        assert colours > 20


def test_alerts_carry_their_evidence_newest_first(opened: Opened) -> None:
    expect(opened.alert_seqs()).to_have_count(3)
    assert [alert.get_attribute("data-seq") for alert in opened.alert_seqs().all()] == ["3", "2", "1"]
    newest = opened.alert_seqs().first
    for evidence in (
        "carol",
        "clear →suspicious",
        "The lips do not move with the voice that is heard.",
        "lips 0:57.2 vs voice 0:57.2, similarity 0.21",
        "recent cross 0.44",
        "baseline encoders",
    ):
        expect(newest).to_contain_text(evidence)


def test_a_new_alert_is_announced_and_leads_to_its_card(opened: Opened) -> None:
    expect(opened.alert_seqs()).to_have_count(3)
    expect(opened.page.locator("#announcer")).to_have_text("")
    opened.stub.raise_alert("carol", "suspicious", "alert")
    expect(opened.page.locator("#announcer")).to_contain_text("carol is now alert at 1:13.")
    opened.alert_seqs().first.locator(".alert-body").click()
    expect(opened.card("carol")).to_be_focused()


def test_resumes_after_a_lost_connection_without_duplicates(opened: Opened) -> None:
    expect(opened.alert_seqs()).to_have_count(3)
    opened.stub.drop_connections()
    while_away = opened.stub.raise_alert("bob", "alert", "clear")
    expect(opened.alert_seqs()).to_have_count(4)
    assert opened.stub.resumed_after == [0, 3]
    expect(opened.page.locator('[data-connection="live"]')).to_be_visible()
    opened.stub.push(while_away)
    opened.stub.raise_alert("bob", "clear", "suspicious")
    expect(opened.alert_seqs()).to_have_count(5)
    assert [alert.get_attribute("data-seq") for alert in opened.alert_seqs().all()] == list("54321")


def test_a_monitor_with_a_new_store_starts_a_new_list(opened: Opened) -> None:
    expect(opened.alert_seqs()).to_have_count(3)
    opened.stub.forget_alerts()
    opened.stub.drop_connections()
    opened.stub.raise_alert("alice", "clear", "suspicious")
    expect(opened.alert_seqs()).to_have_count(1)
    expect(opened.alert_seqs().first).to_have_attribute("data-participant", "alice")


def test_one_who_leaves_is_not_called_genuine_any_more(opened: Opened) -> None:
    opened.stub.push(newest_score("alice").model_copy(update={"participant": "erin"}))
    expect(opened.card("erin")).to_have_attribute("data-verdict", "genuine")
    opened.stub.push(scenario.left("erin"))
    expect(opened.card("erin")).to_have_attribute("data-verdict", "left")
    expect(opened.part("erin", "verdict")).to_have_text("Has left")
    expect(opened.page.locator("#tally")).to_contain_text("1 genuine")


def test_names_and_reasons_are_text_even_when_unknown_or_hostile(opened: Opened) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    opened.stub.push(
        newest_score("dave").model_copy(update={"participant": "erin", "reasons": ["unheard_of", hostile]})
    )
    expect(opened.part("erin", "explanation")).to_have_text(f"unheard_of {hostile}")


def test_reception_is_one_line_that_opens_into_counters(opened: Opened) -> None:
    line = opened.part("alice", "reception-line")
    expect(line.locator(".remark")).to_have_text(
        [
            "640\N{MULTIPLICATION SIGN}480",
            "25 fps",
            "0.2 % lost",
            "jitter 3 ms",
            "in sync \N{PLUS-MINUS SIGN}7 ms",
        ]
    )
    expect(line.locator(".is-poor")).to_have_count(0)
    expect(opened.part("dave", "reception-line").locator(".is-poor")).to_have_text(
        ["7 fps", "6.0 % lost", "clocks unsure \N{PLUS-MINUS SIGN}66 ms"]
    )
    counters = opened.part("alice", "reception-counters")
    expect(counters).to_be_hidden()
    line.click()
    expect(counters.locator("tr").first).to_have_text(re.compile(r"^Packets\d+$"))
    freezes = counters.locator("tr", has_text="Freezes").locator("td")
    expect(freezes).to_have_text(["", "0"])
    expect(opened.part("alice", "reception-alignment")).to_contain_text(
        "by the sender\N{RIGHT SINGLE QUOTATION MARK}s reports, to within 7 ms"
    )
    expect(opened.part("alice", "reception-alignment")).to_contain_text("Seat 1 on /metrics.")
    update = scenario.ScriptedActor(scenario.CAST[0], hops=400, started=datetime.now(UTC)).reception(300, 1)
    assert update is not None
    opened.stub.push(update)
    expect(counters).to_contain_text(str(update.video.packets if update.video else None))
    expect(counters).to_be_visible()


def test_few_pictures_are_marked_identity_only(opened: Opened) -> None:
    expect(opened.part("alice", "identity-only")).to_be_hidden()
    changes = {"participant": "erin", "status": "insufficient", "verdict": "insufficient"}
    opened.stub.push(newest_score("alice").model_copy(update={**changes, "reasons": ["low_frame_rate"]}))
    expect(opened.part("erin", "identity-only")).to_have_text("identity only")
    expect(opened.part("erin", "identity-only")).to_be_visible()
    expect(opened.part("erin", "explanation")).to_have_text(
        "Too few pictures a second arrive to compare the lips with the voice."
    )
    expect(opened.part("erin", "reception")).to_be_hidden()


def test_the_calls_that_the_monitor_joins_are_told(opened: Opened) -> None:
    calls = opened.page.locator("#calls > li")
    expect(calls).to_have_text(["standup: joined"])
    opened.stub.push(scenario.attended("reconnecting", "The room is <b>away</b>."))
    expect(calls).to_have_text(["standup: reconnecting \N{HORIZONTAL ELLIPSIS}The room is <b>away</b>."])
    expect(calls).to_have_attribute("data-call-state", "reconnecting")
    opened.stub.push(scenario.attended("ended"))
    expect(calls).to_have_text(["standup: ended"])
    opened.stub.drop_connections()
    expect(calls).to_have_text(["standup: joined"])


def test_cells_can_be_read_by_pointer_and_by_keyboard(opened: Opened) -> None:
    figure = opened.heatmap("bob", "intra")
    canvas, readout = figure.locator("canvas"), figure.locator(".readout")
    expect(canvas).to_have_attribute("data-size", WINDOWS)
    left, top, side = map(float, str(canvas.get_attribute("data-plot")).split(","))
    canvas.hover(position={"x": left + side * 0.25, "y": top + side * 0.5})
    expect(readout).to_have_text(re.compile(r"^0:3[56]\.\d vs 0:1[78]\.\d, [\d.]+$"))
    opened.page.mouse.move(2, 2)
    expect(readout).to_have_text(re.compile("^Worst pair: "))
    opened.page.locator("#alert-count").focus()
    for _ in range(5):
        opened.page.keyboard.press("Tab")
    expect(canvas).to_be_focused()
    on_the_worst = readout.inner_text()
    opened.page.keyboard.press("ArrowUp")
    expect(readout).not_to_have_text(on_the_worst)
    opened.page.keyboard.press("Escape")
    expect(readout).to_have_text(f"Worst pair: {on_the_worst}")


@pytest.mark.parametrize("opened", [{"cast": scenario.CAST[1:2]}], indirect=True)
def test_keyboard_goes_over_reception_and_heatmaps_and_publishing_to_the_alerts(opened: Opened) -> None:
    expect(opened.alert_seqs()).to_have_count(2)
    opened.page.locator("#alert-count").focus()
    visited = []
    for _ in range(13):
        opened.page.keyboard.press("Tab")
        visited.append(
            opened.page.evaluate(
                """() => { const at = document.activeElement;
                    return at.name || at.dataset.source || at.dataset.feedbackState
                        || at.closest("[data-part]")?.dataset.part
                        || at.closest("[data-heatmap]")?.dataset.heatmap
                        || `alert ${at.closest("[data-seq]")?.dataset.seq}`; }"""
            )
        )
    assert visited == [
        "reception", "intra", "cross", "participant", "call", "camera", "tab",
        "alert 2", "acknowledged", "false_alarm", "alert 1", "acknowledged", "false_alarm",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "opened",
    [
        {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 3, "color_scheme": "dark"},
        {"viewport": {"width": 360, "height": 740}, "cast": ()},
        {"viewport": {"width": 800, "height": 740}, "color_scheme": "dark"},
    ],
    indirect=True,
)
def test_nothing_sticks_out_of_a_narrow_page(opened: Opened) -> None:
    visible = "#no-participants" if opened.stub.is_empty else ".card >> nth=3"
    expect(opened.page.locator(visible)).to_be_attached()
    overflowing = opened.page.evaluate(
        """() => [...document.querySelectorAll("body *:not(.sr-only)")]
            .filter((node) => node.getBoundingClientRect().right > innerWidth + 0.5 && node.checkVisibility())
            .map((node) => node.outerHTML.slice(0, 80))"""
    )
    assert overflowing == []
    assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("opened", [{"cast": ()}], indirect=True)
def test_an_empty_page_says_what_to_do(opened: Opened) -> None:
    expect(opened.page.locator("#no-participants")).to_contain_text(
        "seamwatch stream FILE --to http://127.0.0.1:"
    )
    expect(opened.page.locator("#no-alerts")).to_be_visible()
