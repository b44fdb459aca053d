"""What a measured call came to, from made-up observations."""

from __future__ import annotations

import pytest

from bench.load.call import CallRecord
from bench.load.judgement import HOP_S, call_figures
from bench.load.observations import Observations, SeenScore

SECONDS = 20.0
START_S = 100.0


def _series(
    *, latency_s: float = 0.05, growth_s: float = 0.0, until_s: float = SECONDS, overloaded: bool = False
) -> list[SeenScore]:
    count = int(until_s / HOP_S)
    return [
        SeenScore(
            seen_s=START_S + index * HOP_S + latency_s + growth_s * index / count,
            time_s=7.0 + index * HOP_S,
            latency_ms=1000 * (latency_s + growth_s * index / count),
            status="ok",
            verdict="genuine",
            overloaded=overloaded and index == 3,
        )
        for index in range(count)
    ]


def _record(
    series: dict[str, list[SeenScore]],
    *,
    dropped: dict[str, float] | None = None,
    alerts: dict[str, list[tuple[float, str]]] | None = None,
    behind_s: float = 0.0,
) -> CallRecord:
    seen = Observations(resident_mib=[300.0, 310.0])
    seen.scores.update(series)
    seen.alerts.update(alerts or {})
    return CallRecord(
        participants=2,
        observed_s=(START_S, START_S + SECONDS),
        observations=seen,
        monitor_cpu_s=8.0,
        publisher_cpu_s=2.0,
        dropped=dropped or {},
        started_s=(90.0, 90.5),
        published=({"behind_s": behind_s}, {"behind_s": 0.0}),
    )


def test_a_call_in_time_holds_and_its_cost_is_per_participant_second():
    figures = call_figures(_record({"p0": _series(), "p1": _series()}))
    assert figures.shortcomings == ()
    assert figures.monitor_ms == pytest.approx(200.0)
    assert figures.publisher_ms == pytest.approx(50.0)
    assert figures.scored_per_real_time == 1.0
    assert figures.resident_mib == 310.0
    assert figures.verdicts == {"genuine": 2 * int(SECONDS / HOP_S)}


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (_record({"p0": _series()}), "scored"),
        (_record({"p0": _series(), "p1": _series(until_s=SECONDS - 2)}), "scored"),
        (_record({"p0": _series(), "p1": _series(growth_s=0.5)}), "later"),
        (_record({"p0": _series(), "p1": _series(overloaded=True)}), "overloaded"),
        (
            _record(
                {"p0": _series(), "p1": _series()},
                dropped={'seamwatch_dropped_total{reason="overload",stage="pictures"}': 1.0},
            ),
            "dropped",
        ),
        (_record({"p0": _series(), "p1": _series()}, behind_s=0.7), "publishers"),
    ],
    ids=["nobody scored", "stopped early", "falls behind", "overload", "dropped", "publishers too slow"],
)
def test_each_shortcoming_is_named(record, words):
    assert any(words in shortcoming for shortcoming in call_figures(record).shortcomings)


def test_a_score_that_a_subscriber_was_too_slow_for_is_no_drop_of_the_call():
    dropped = {'seamwatch_dropped_total{reason="score_replaced",stage="subscriber"}': 3.0}
    figures = call_figures(_record({"p0": _series(), "p1": _series()}, dropped=dropped))
    assert figures.dropped == {}


def test_late_scores_of_one_participant_are_late_whatever_the_clock_difference():
    late = _series()
    late[-10:] = [
        SeenScore(
            seen_s=score.seen_s + 2.0,
            time_s=score.time_s,
            latency_ms=score.latency_ms,
            status="ok",
            verdict="genuine",
            overloaded=False,
        )
        for score in late[-10:]
    ]
    figures = call_figures(_record({"p0": _series(), "p1": late}))
    assert figures.growth_s == pytest.approx(2.0)
    assert figures.latency_p99_ms == pytest.approx(2050.0)


def test_flags_and_delays_count_from_the_tampering():
    alerts = {"p1": [(101.0, "suspicious"), (104.5, "alert"), (110.0, "clear")]}
    figures = call_figures(
        _record({"p0": _series(), "p1": _series()}, alerts=alerts), tampered=1, tampered_from_s=11
    )
    assert figures.flagged == ("p1",)
    assert figures.detection_s == pytest.approx(3.0)


def test_nobody_flagged_is_no_delay():
    figures = call_figures(_record({"p0": _series(), "p1": _series()}), tampered=0, tampered_from_s=11)
    assert figures.flagged == ()
    assert figures.detection_s is None
