"""The figures of a live call, from what was seen of it."""

from __future__ import annotations

import pytest

from bench.latency.figures import LEAST_SCORES, is_enough, latency_figures, latency_tables, on_websocket_ms
from bench.latency.observations import Observations, SeenScore
from bench.monitor.metrics import parse_metrics

HOP_S = 0.4


def seen_call(delays_ms: list[float], *, latency_ms: float = 40.0, stall_s: float = 0.0) -> Observations:
    """A participant with a score every hop, published ``latency_ms`` late and delivered after each delay."""
    seen = Observations()
    for index, delay_ms in enumerate(delays_ms):
        late_s = (latency_ms + delay_ms) / 1000 + (stall_s if index else 0.0)
        seen.scores["p"].append(
            SeenScore(
                received_s=1000.0 + index * HOP_S + late_s, call_time_s=index * HOP_S, latency_ms=latency_ms
            )
        )
        seen.statuses["ok"] += 1
    seen.round_trips_ms = [1.0, 3.0]
    seen.pictures_waiting, seen.audio_waiting_s = [0.0, 2.0], [0.1]
    seen.cpu_s, seen.resident_mib = [(0.0, 1.0), (10.0, 6.0)], [100.0, 101.0]
    return seen


def figures_of(seen: Observations) -> dict[str, float]:
    return {figure.name: figure.median for figure in latency_figures([seen])}


def test_delivery_counts_beyond_the_fastest_score() -> None:
    late = on_websocket_ms(seen_call([1.0, 1.0, 21.0]).scores["p"])
    assert late == pytest.approx([40.0, 40.0, 60.0])
    assert on_websocket_ms([]) == []


def test_the_bar_is_on_the_websocket_and_not_before_it() -> None:
    slow = {figure.name: figure for figure in latency_figures([seen_call([0.0] * 10 + [200.0] * 10)])}
    assert slow["last sample to publishing, p95"].median == 40
    assert slow["last sample to publishing, p95"].met is None
    assert slow["last sample to score on the WebSocket, p95"].median == pytest.approx(240, abs=1)
    assert slow["last sample to score on the WebSocket, p95"].met is False


def test_real_time_is_a_score_every_hop() -> None:
    keeping = figures_of(seen_call([5.0] * 50))
    assert keeping["scores per real time, worst participant"] == pytest.approx(1.0)
    assert keeping["later at the end than at the start"] == pytest.approx(0.0, abs=1e-6)
    behind = figures_of(seen_call([5.0] * 50, stall_s=3.0))
    assert behind["scores per real time, worst participant"] == pytest.approx(20 / 23, abs=1e-3)
    assert behind["later at the end than at the start"] == pytest.approx(3.0)


def test_processor_memory_and_queues_come_from_the_monitor() -> None:
    figures = figures_of(seen_call([1.0] * 30))
    assert figures["monitor, cores"] == 0.5
    assert figures["monitor, cores a participant"] == 0.5
    assert figures["pictures waiting, max of all participants"] == 2
    assert figures["monitor, memory at the end"] == 101


def test_a_replaced_score_is_no_dropped_media() -> None:
    seen = seen_call([1.0] * 30)
    seen.dropped = parse_metrics(
        'seamwatch_dropped_total{reason="overload",stage="pictures"} 3.0\n'
        '# HELP x\nseamwatch_dropped_total{reason="score_replaced",stage="subscriber"} 9.0\n'
    )
    assert figures_of(seen)["pictures, sound and windows dropped"] == 3
    dropped = next(table for table in latency_tables([seen, seen]) if table.title.startswith("Dropped"))
    assert [count for _, count in dropped.rows] == [6, 18]


def test_a_call_of_a_moment_is_not_summed_up() -> None:
    assert not is_enough(Observations())
    assert not is_enough(seen_call([1.0] * (LEAST_SCORES - 1)))
    assert is_enough(seen_call([1.0] * LEAST_SCORES))
