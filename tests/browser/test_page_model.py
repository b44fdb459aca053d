"""The page's pure modules, run by the browser's own engine: bounded memory, staleness, colours, words."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page

if TYPE_CHECKING:
    from tests.support.page_browser import Opened

pytest_plugins = ["tests.support.page_browser"]
pytestmark = pytest.mark.browser

SCORE = """const score = (time_s, more = {}) => ({ type: "score", v: 1, call: "c", participant: "p", time_s,
    recent_intra: 0.5, recent_cross: 0.4, intra: 0.6, cross: 0.3, reasons: [], verdict: "genuine",
    status: "ok", state: "clear", ...more });"""


@pytest.fixture
def page(opened: Opened) -> Page:
    return opened.page


pytest_empty = pytest.mark.parametrize("opened", [{"cast": ()}], indirect=True)


def run(page: Page, module: str, body: str) -> Any:
    return page.evaluate(f"async () => {{ const m = await import('/{module}'); {SCORE} {body} }}")


@pytest_empty
def test_an_hour_of_scores_keeps_five_minutes(page: Page) -> None:
    points, first = run(
        page,
        "participants.js",
        """const roster = new m.Roster();
        for (let hop = 0; hop < 9000; hop += 1) roster.apply(score(hop * 0.4), hop * 400);
        const { points } = roster.all[0];
        return [points.length, points[0].timeS];""",
    )
    assert points == 751
    assert first == pytest.approx(8999 * 0.4 - 300)


@pytest_empty
def test_a_verdict_without_news_goes_stale(page: Page) -> None:
    seconds = run(
        page,
        "participants.js",
        """const roster = new m.Roster();
        roster.apply(score(1), 1000);
        const [record] = roster.all;
        return [[5900, true], [6100, true], [1500, false]]
            .map(([now, live]) => m.staleForS(record, now, live));""",
    )
    assert seconds == [None, 5, 1]


@pytest_empty
def test_who_vanished_during_an_interruption_leaves_and_is_forgotten(page: Page) -> None:
    stages = run(
        page,
        "participants.js",
        """const roster = new m.Roster();
        roster.apply(score(1), 1000);
        roster.apply(score(1, { participant: "q" }), 1000);
        roster.connected(20000);
        roster.apply(score(20, { participant: "q" }), 21000);
        const stages = [roster.presentCount];
        roster.expire(31000);
        stages.push(roster.presentCount, roster.all.length);
        roster.expire(80000);
        stages.push(roster.presentCount, roster.all.length);
        return stages;""",
    )
    assert stages == [2, 1, 2, 1, 1]


@pytest_empty
def test_a_call_that_starts_anew_starts_a_new_curve(page: Page) -> None:
    times = run(
        page,
        "participants.js",
        """const roster = new m.Roster();
        for (const time of [50, 50.4, 1, 1.4, 1.4]) roster.apply(score(time), 0);
        return roster.all[0].points.map((point) => point.timeS);""",
    )
    assert times == [1, 1.4]


@pytest_empty
def test_the_participants_and_the_alerts_are_bounded(page: Page) -> None:
    shown, overflowed = run(
        page,
        "participants.js",
        """const roster = new m.Roster();
        for (let n = 0; n < 100; n += 1) roster.apply(score(1, { participant: `p${n}` }), 0);
        return [roster.all.length, roster.overflowed];""",
    )
    assert (shown, overflowed) == (64, True)
    kept, newest, total = run(
        page,
        "alerts.js",
        """const log = new m.AlertLog();
        for (let seq = 1; seq <= 500; seq += 1) log.add({ seq, raised_at: "2026-01-01T00:00:00Z" }, 0);
        return [log.entries.length, log.entries[0].alert.seq, log.total];""",
    )
    assert (kept, newest, total) == (200, 500, 500)


RECEPTION = """const counters = (packets, lost, more = {}) => ({ packets, lost, recovered: 0, nacks: 0,
    key_frame_requests: 0, frames: 0, damaged: 0, freezes: 0, missing_ms: 0, dropped: 0, jitter_ms: 2,
    rate_hz: 25, ...more });
    const reception = (more = {}) => ({ type: "reception", v: 1, call: "c", participant: "p", seat: 1,
    audio: counters(500, 0), video: counters(900, 0), width: 640, height: 480, sync: "reports",
    skew_ms: -3, uncertainty_ms: 8, ...more });"""


@pytest_empty
def test_loss_is_that_of_the_newest_seconds(page: Page) -> None:
    lines = run(
        page,
        "reception.js",
        RECEPTION
        + """const words = (list) => m.remarks(list).filter(({ text }) => text.includes("lost"));
        let list = [];
        for (let n = 0; n < 20; n += 1) {
            const lost = n < 10 ? 50 * n : 500;
            list = m.remembered(list, reception({ video: counters(100 * n, lost) }));
            if (n === 9 || n === 19) list.seen = words(list);
        }
        const early = words([reception({ audio: counters(90, 10) })]);
        return [list.length, list.seen, early];""",
    )
    assert lines == [
        6,
        [{"text": "0.0 % lost", "poor": False}],
        [{"text": "10.0 % lost", "poor": True}],
    ]


@pytest_empty
def test_another_connection_starts_the_counters_anew(page: Page) -> None:
    kept = run(
        page,
        "reception.js",
        RECEPTION
        + """let list = [];
        for (const packets of [100, 200, 300, 40, 50]) {
            list = m.remembered(list, reception({ audio: null, video: counters(packets, 0) }));
        }
        return list.map(({ video }) => video.packets);""",
    )
    assert kept == [40, 50]


@pytest_empty
def test_what_is_missing_from_reception_is_said_or_left_out(page: Page) -> None:
    lines = run(
        page,
        "reception.js",
        RECEPTION
        + """const words = (more) => m.remarks([reception(more)]).map(({ text }) => text).join();
        const [silent, slow] = [{ rate_hz: null }, { freezes: 1, rate_hz: 9.4 }];
        return [words({ video: null, sync: "single" }), words({ width: 0, video: counters(9, 0, silent) }),
            words({ sync: "arrival", uncertainty_ms: 20, video: counters(9, 0, slow) }),
            words({ uncertainty_ms: 41 }), m.counters(reception({ audio: null }))[0],
            m.alignment(reception({ sync: "single" }))];""",
    )
    pm, times = "\N{PLUS-MINUS SIGN}", "\N{MULTIPLICATION SIGN}"
    assert lines == [
        "sound only,0.0 % lost,jitter 2 ms",
        f"0.0 % lost,jitter 2 ms,in sync {pm}8 ms",
        f"640{times}480,9 fps,0.0 % lost,jitter 2 ms,1 freeze,in sync by arrival {pm}20 ms",
        f"640{times}480,25 fps,0.0 % lost,jitter 2 ms,clocks unsure {pm}41 ms",
        ["Packets", "\N{EN DASH}", "900"],
        "There is only one track, so nothing to align. Seat 1 on /metrics.",
    ]


@pytest_empty
def test_calls_are_bounded_and_forgotten_after_they_ended(page: Page) -> None:
    stages = run(
        page,
        "calls.js",
        """const calls = new m.Calls();
        for (let n = 0; n < 40; n += 1) calls.apply({ call: `c${n}`, state: "joining", reason: "" }, 0);
        const stages = [calls.all.length];
        calls.apply({ call: "c3", state: "ended", reason: "Over." }, 1000);
        calls.apply({ call: "unheard-of", state: "ended", reason: "" }, 1000);
        calls.expire(40000);
        stages.push(calls.all.length);
        calls.expire(47000);
        stages.push(calls.all.length);
        calls.connected();
        stages.push(calls.all.length);
        return stages;""",
    )
    assert stages == [16, 16, 15, 0]


@pytest_empty
def test_no_failure_reads_as_genuine(page: Page) -> None:
    verdicts = run(
        page,
        "reasons.js",
        """return [null, score(1, { verdict: "insufficient" }), score(1, { verdict: "unheard of" }),
            score(1, { verdict: "insufficient", status: "warming_up" }),
            score(1, { verdict: "fake", status: "warming_up" })].map(m.shownVerdict);""",
    )
    assert verdicts == ["warming_up", "insufficient", "insufficient", "warming_up", "fake"]
    words = run(
        page,
        "reasons.js",
        """const lost = { verdict: "insufficient", state: "alert", reasons: ["no_face", "no_audio"] };
        return m.explanation(score(1, lost), null);""",
    )
    assert (
        words == "An earlier alarm still stands. No face is visible. No sound arrives from this participant."
    )


@pytest_empty
def test_equal_steps_of_similarity_are_equal_steps_of_colour(page: Page) -> None:
    """OKLab distance (Ottosson 2020), computed here from the bytes that reach the screen."""
    ramp = run(page, "colormap.js", "return Array.from({ length: 16 }, (_, i) => m.colourAt(i / 15));")
    labs = [_oklab(colour) for colour in ramp]
    lightness = [lab[0] for lab in labs]
    assert lightness == sorted(lightness)
    steps = [sum((a - b) ** 2 for a, b in zip(p, q, strict=True)) ** 0.5 for p, q in itertools.pairwise(labs)]
    assert max(steps) < 1.25 * min(steps)


def _oklab(colour: list[int]) -> tuple[float, float, float]:
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (byte / 255 for byte in colour)
    )
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    medium = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


@pytest_empty
def test_times_and_numbers_in_words(page: Page) -> None:
    written = run(
        page,
        "format.js",
        """return [m.clock(12.43), m.clock(59.96), m.clock(3725.04), m.clock(73.2, 0), m.decimal(-0.104),
            m.decimal(-0.001), m.decimal(null), m.percent(0.615), m.milliseconds(183.6),
            m.counted(1, "alert"),
            m.seamInWords({ kind: "intra", a: [12.4, 13.4], b: [31, 32], value: 0.21 })];""",
    )
    assert written == [
        "0:12.4",
        "1:00.0",
        "1:02:05.0",
        "1:13",
        "\N{MINUS SIGN}0.10",
        "0.00",
        "\N{EN DASH}",
        "62 %",
        "184 ms",
        "1 alert",
        "face 0:12.4 vs 0:31.0, similarity 0.21",
    ]
