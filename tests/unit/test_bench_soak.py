"""What a soak feeds and samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bench.soak.live import comparable
from bench.soak.replayed_engines import ReplayedEngine
from bench.soak.reporting import LEAST_SAMPLES, sample_details, soak_figures, verdict_table
from bench.soak.sampling import Sample, take_sample
from bench.soak.trend import Quantity
from bench.soak.virtual import QUANTITIES

MEMORY = Quantity(field="resident_mib", name="memory", unit="MiB", allowance=1.0)


def sample(hours: float, resident_mib: float = 100.0) -> Sample:
    return Sample(hours=hours, resident_mib=resident_mib, blocks=5, descriptors=3, threads=1)


class CountingEngine:
    """Answers with the number of its runs."""

    def __init__(self) -> None:
        self.runs = 0
        self.spec = SimpleNamespace(id="counting")
        self.closed = False

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.runs += 1
        return {"out": np.full(inputs["x"].shape, self.runs, np.float32)}

    def close(self) -> None:
        self.closed = True


def test_an_engine_runs_a_few_times_a_shape_and_is_remembered_from_then_on() -> None:
    engine = CountingEngine()
    replayed = ReplayedEngine(engine, kept=3)
    answers = [float(replayed.run({"x": np.zeros(2)})["out"][0]) for _ in range(9)]
    assert answers[:3] == [1, 2, 3]
    assert answers[3:] == [1, 2, 3, 1, 2, 3]
    assert replayed.run({"x": np.zeros(5)})["out"].shape == (5,)
    assert engine.runs == 4
    replayed.close()
    assert engine.closed


def test_what_a_caller_does_to_an_answer_is_not_remembered() -> None:
    replayed = ReplayedEngine(CountingEngine(), kept=1)
    replayed.run({"x": np.zeros(2)})["out"][:] = 99
    assert replayed.run({"x": np.zeros(2)})["out"].tolist() == [1, 1]


def test_a_sample_sees_a_new_descriptor_and_new_objects(tmp_path: Path) -> None:
    before = take_sample(0.0)
    kept = [object() for _ in range(10_000)]
    with (tmp_path / "file").open("w"):
        during = take_sample(1.0)
    assert during.descriptors == before.descriptors + 1
    assert during.blocks >= before.blocks + len(kept)
    assert during.resident_mib > 1


@pytest.mark.parametrize(("per_hour", "verdict", "met"), [(0.1, "flat", True), (0.5, "growing", False)])
def test_growth_over_the_whole_measurement_decides(per_hour: float, verdict: str, met: bool) -> None:
    samples = [sample(minute / 60, 100 + per_hour * minute / 60) for minute in range(4 * 60)]
    figures = {figure.name: figure for figure in soak_figures(samples, [MEMORY])}
    assert figures["memory, growth"].met is met
    assert figures["memory, slope"].median == pytest.approx(per_hour, abs=1e-3)
    assert verdict_table(samples, [MEMORY]).rows[0][-1] == verdict


def test_too_few_samples_have_no_verdict() -> None:
    samples = [sample(float(hour)) for hour in range(LEAST_SAMPLES - 1)]
    assert soak_figures(samples, QUANTITIES) == []
    assert verdict_table(samples, QUANTITIES).rows == ()


def test_every_sample_is_in_the_details() -> None:
    samples = [sample(0.0, 1.0), replace(sample(0.5, 2.0), participants=3)]
    details = sample_details(samples, QUANTITIES)
    assert details["resident_mib"] == [1.0, 2.0]
    assert (details["hours"], details["participants"]) == ([0.0, 0.5], [1, 3])


def test_a_live_soak_compares_like_with_like_behind_its_beginning() -> None:
    samples = [replace(sample(float(hour)), participants=4 if hour % 3 else 2) for hour in range(10)]
    assert [one.hours for one in comparable(samples)] == [2, 4, 5, 7, 8]
    assert comparable([]) == []
