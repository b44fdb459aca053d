"""What became of streamed files, from made-up messages."""

from __future__ import annotations

import pytest

from bench.load.stream_figures import finished, outcomes_of, outcomes_table, stream_figures
from bench.load.streaming import Heard
from bench.load.truth import Truth
from realtime.server.wire import Message
from tests.support.wire_messages import alert, joined, left, score


def _heard(*entries: tuple[float, Message]) -> list[Heard]:
    return [Heard(seen_s=seen_s, message=message) for seen_s, message in entries]


TRUTHS = {
    "swap": Truth(label="fake", kind="face_swapped", from_s=5.0),
    "early": Truth(label="fake", kind="face_swapped", from_s=5.0),
    "missed": Truth(label="fake"),
    "genuine": Truth(label="real"),
    "accused": Truth(label="real"),
    "unknown": Truth(),
}


@pytest.fixture
def outcomes():
    heard = _heard(
        *((100.0, joined(name)) for name in TRUTHS),
        *((101.0 + index, score(name)) for index in range(9) for name in TRUTHS),
        (103.0, alert("early", state="alert")),
        (104.0, alert("accused", state="alert")),
        (107.0, alert("swap", state="suspicious")),
        (107.5, alert("swap", state="alert")),
        (108.0, alert("unknown", state="alert")),
    )
    return outcomes_of(heard, TRUTHS)


def test_delays_count_from_the_tampering_and_early_alerts_are_false(outcomes):
    by_name = {outcome.name: outcome for outcome in outcomes}
    assert by_name["swap"].detection_s == pytest.approx(2.5)
    assert not by_name["swap"].false_alarm
    assert by_name["early"].detection_s is None
    assert by_name["early"].false_alarm
    assert by_name["missed"].detection_s is None
    assert by_name["accused"].false_alarm
    assert not by_name["genuine"].false_alarm
    assert not by_name["unknown"].false_alarm
    assert by_name["genuine"].scored_s == pytest.approx(9 * 0.4)
    assert by_name["genuine"].verdict == "genuine"


def test_the_figures_speak_of_what_is_known_only(outcomes):
    figures = {figure.name: figure.values[0] for figure in stream_figures("clean", outcomes)}
    assert figures["clean: fakes detected"] == pytest.approx(100 / 3)
    assert figures["clean: detection delay, median"] == pytest.approx(2.5)
    assert figures["clean: genuine called genuine"] == pytest.approx(50.0)
    assert figures["clean: false alarms"] == 2
    assert figures["clean: false alarms per genuine hour"] == pytest.approx(3600 / 7.2)
    assert figures["clean: dropped by the monitor"] == 0
    unknown = [outcome for outcome in outcomes if outcome.name == "unknown"]
    assert {figure.name for figure in stream_figures("clean", unknown)} == {
        "clean: dropped by the monitor",
        "clean: scores overloaded",
    }


def test_a_file_that_nothing_was_heard_of_has_no_verdict_of_its_own():
    (outcome,) = outcomes_of([], {"lost": Truth(label="real")})
    assert outcome.verdict == "insufficient"
    assert outcome.alarm_s is None


def test_drops_and_overload_are_counted_from_the_newest_messages():
    tracks = score("a").tracks.model_copy(update={"video_dropped": 3})
    heard = _heard(
        (1.0, joined("a")),
        (2.0, score("a", reasons=["overload"], status="degraded")),
        (3.0, score("a", tracks=tracks)),
    )
    (outcome,) = outcomes_of(heard, {"a": Truth()})
    assert (outcome.overloaded, outcome.dropped) == (1, 3)


def test_the_table_has_a_row_a_file(outcomes):
    table = outcomes_table("clean", outcomes)
    assert [row[0] for row in table.rows] == list(TRUTHS)
    assert dict(zip(table.columns, table.rows[0], strict=True))["alert after s"] == 2.5


def test_files_that_were_interrupted_are_not_judged():
    heard = _heard((1.0, joined("swap")), (1.0, joined("genuine")), (9.0, left("genuine")))
    assert finished(heard, TRUTHS) == {"genuine": TRUTHS["genuine"]}
