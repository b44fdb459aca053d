"""CPU time by stage, on a clock that the test moves."""

from __future__ import annotations

import json
import sys
import threading
import types

import pytest

from bench.load.profile import ANALYSIS_REST, EVENT_LOOP_REST, HAND_OVER, profile_between
from bench.load.profiled_monitor import EVENT_LOOP, OWN, TARGETS, answer
from bench.load.stages import StageClock, Target, time_targets


class Cpu:
    """CPU time that passes only where a function says so."""

    def __init__(self) -> None:
        self.now_ns = 0

    def spend(self, ns: int) -> None:
        self.now_ns += ns

    def __call__(self) -> int:
        return self.now_ns


def test_a_stage_leaves_out_what_runs_inside_of_it():
    cpu = Cpu()
    clock = StageClock(cpu)
    inner = clock.timed(lambda: cpu.spend(7), "inner")

    def outer() -> str:
        cpu.spend(2)
        inner()
        inner()
        cpu.spend(3)
        return "done"

    assert clock.timed(outer, "outer")() == "done"
    thread = threading.current_thread().name
    assert clock.spent_ns() == {(thread, "inner"): 14, (thread, "outer"): 5}


def test_a_call_that_fails_is_counted_and_fails():
    cpu = Cpu()
    clock = StageClock(cpu)

    def fail() -> None:
        cpu.spend(4)
        raise LookupError

    with pytest.raises(LookupError):
        clock.timed(fail, lambda args: f"stage {len(args)}")()
    assert list(clock.spent_ns().values()) == [4]
    assert [stage for _, stage in clock.spent_ns()] == ["stage 0"]


def test_threads_are_told_apart():
    clock = StageClock()
    work = clock.timed(lambda: None, "work")
    for name in ("one", "two"):
        thread = threading.Thread(target=work, name=name)
        thread.start()
        thread.join()
    assert {thread for thread, _ in clock.spent_ns()} == {"one", "two"}


class Holder:
    """Has one function of each sort."""

    def method(self, value: int) -> int:
        return value + 1

    @classmethod
    def of_class(cls) -> str:
        return cls.__name__

    @staticmethod
    def static(value: int) -> int:
        return value * 2


@pytest.fixture
def module(monkeypatch):
    made = types.ModuleType("seamwatch_stage_test")
    made.Holder = Holder
    monkeypatch.setitem(sys.modules, made.__name__, made)
    before = dict(Holder.__dict__)
    yield made
    for name in ("method", "of_class", "static"):
        setattr(Holder, name, before[name])


def test_functions_of_all_sorts_do_the_same_when_timed_and_missing_ones_are_named(module):
    clock = StageClock()
    prefix = f"{module.__name__}:Holder"
    missing = time_targets(
        clock,
        [
            Target(path=f"{prefix}.method", stage="a"),
            Target(path=f"{prefix}.of_class", stage="b"),
            Target(path=f"{prefix}.static", stage="c"),
            Target(path=f"{prefix}.gone", stage="d"),
            Target(path="no.such.module:f", stage="e"),
        ],
    )
    assert missing == (f"{prefix}.gone", "no.such.module:f")
    assert (Holder().method(1), Holder.of_class(), Holder.static(4)) == (2, "Holder", 8)
    assert {stage for _, stage in clock.spent_ns()} == {"a", "b", "c"}


def test_every_target_of_the_profile_exists():
    for target in TARGETS:
        module_name, _, name = target.path.partition(":")
        holder = __import__(module_name, fromlist=["_"])
        *holders, attribute = name.split(".")
        for step in holders:
            holder = getattr(holder, step)
        assert attribute in holder.__dict__, target.path


def test_the_answer_of_a_process_speaks_of_its_threads():
    said = json.loads(answer(StageClock(), ("gone",)))
    assert said["missing"] == ["gone"]
    assert threading.current_thread().name in said["threads_s"]
    assert sum(said["threads_s"].values()) > 0


def _said(threads: dict[str, float], stages: list[list[object]]) -> dict[str, object]:
    return {"threads_s": threads, "stages_s": stages, "missing": ["gone"], "process_s": 0.0}


def test_a_profile_adds_up_to_its_threads_and_leaves_itself_out():
    before = _said({EVENT_LOOP: 1.0, "analysis_0": 2.0, OWN: 5.0}, [[EVENT_LOOP, "RTP", 0.5]])
    after = _said(
        {EVENT_LOOP: 4.0, "analysis_0": 8.0, "video-decoder": 1.0, "engine-visual": 0.25, OWN: 9.0},
        [
            [EVENT_LOOP, "RTP", 1.5],
            ["analysis_0", "engine detector", 2.0],
            ["analysis_0", "detector, without its engine", 1.0],
            ["video-decoder", "video decoding", 0.75],
        ],
    )
    profile = profile_between(before, after, participant_s=10.0)
    spent = {line.stage: line.cpu_ms for line in profile.lines}
    assert spent == pytest.approx(
        {
            "RTP": 100.0,
            EVENT_LOOP_REST: 200.0,
            "engine detector": 200.0,
            "detector, without its engine": 100.0,
            ANALYSIS_REST: 300.0,
            "video decoding": 75.0,
            HAND_OVER: 25.0,
            "thread engine-visual": 25.0,
        }
    )
    assert profile.total_ms == pytest.approx(1025.0)
    assert profile.groups_ms()["detection"] == pytest.approx(300.0)
    assert profile.missing == ("gone",)
