"""The pool of workers, with workers that are played."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families

from realtime.alerts.alert_runs import AlertRun, AlertRuns, Origin
from realtime.decisions import AS_SHIPPED
from realtime.errors import AlertStoreError, CapacityError, EngineError, SignallingError
from realtime.identity.references import ReferenceFile, References
from realtime.observe.metrics import MonitorMetrics
from realtime.server.hub import EventHub
from realtime.server.ports import Health, HealthState, Publication
from realtime.server.wire import AlertMessage, EncoderInfo, Participant, ScoreUpdate
from realtime.timebase import NS_PER_S
from realtime.workers import pool as pool_module
from realtime.workers.channel import WorkerLostError
from realtime.workers.exposition import exposition
from realtime.workers.outlet import FrontEvidence, FrontHub
from realtime.workers.pool import WorkerPool
from realtime.workers.protocol import (
    Collect,
    Evidence,
    Publish,
    Restart,
    Run,
    Start,
    Started,
    Thumbnail,
    Unpublish,
    WorkerSettings,
)
from realtime.workers.restarts import FIRST_DELAY_S, LONGEST_DELAY_S, SOUND_AFTER_NS, RestartDelays
from tests.support.fake_monitor import OFFER, alert_store, draft, joined, left, matrices, reception, score

ORIGIN = Origin(models={}, configuration_sha256="0")


class PlayedLink:
    """One life of a worker, as a test plays it."""

    def __init__(self, start: Start, hear: Callable[[Any], None], answer: Callable[[Any], Any]) -> None:
        self.number = start.number
        self.pid = 0
        self.ran_ns = 5
        self.health = Health(state=HealthState.OK)
        self.hear = hear
        self.answer = answer
        self.asked: list[Any] = []
        self.closed = False
        self.over = asyncio.Event()

    async def ask(self, question: Any) -> Any:
        self.asked.append(question)
        if self.over.is_set():
            raise WorkerLostError
        match question:
            case Publish(participant="unheard"):
                await self.over.wait()
                raise WorkerLostError
            case Publish():
                if question.offer_sdp != OFFER:
                    raise SignallingError("Bad offer.", fix="Mend it.", status=400)
                self.hear(joined(question.participant, call=question.call))
                return Publication(resource_id=f"r{len(self.asked)}", answer_sdp="v=0")
            case Unpublish() | Restart():
                return question.resource_id
            case Thumbnail():
                return b"jpeg"
            case Collect():
                return list(registry_with(self.number).collect())

    async def ended(self) -> None:
        await self.over.wait()

    async def close(self) -> None:
        self.closed = True

    async def kill(self) -> None:
        self.over.set()


class Stage:
    """Starts links, and remembers them."""

    def __init__(self) -> None:
        self.lives: list[PlayedLink] = []
        self.broken: set[int] = set()

    async def open(
        self, start: Start, *, hear: Any, answer: Any, wishes: Any, clock_ns: Any
    ) -> tuple[PlayedLink, Started]:
        if start.number in self.broken:
            raise EngineError("It broke.", fix="Mend it.")
        link = PlayedLink(start, hear, answer)
        self.lives.append(link)
        return link, Started(encoders={"identity": EncoderInfo(engine="e")}, provenance=None, origin=ORIGIN)

    def of(self, number: int) -> PlayedLink:
        return [link for link in self.lives if link.number == number][-1]


def registry_with(value: float) -> CollectorRegistry:
    registry = CollectorRegistry()
    Counter("work_done", "Work.", ["kind"], registry=registry).labels(kind="good").inc(value)
    return registry


def settings(**changed: Any) -> WorkerSettings:
    return WorkerSettings(
        **{
            "models_dir": None,
            "engines_dir": None,
            "thumbnails": True,
            "max_participants": 3,
            "threads": 1,
            "references": References(),
            "deciding": AS_SHIPPED,
            "keep_evidence": False,
            "keep_media": False,
            "keep_runs": False,
            "log_format": "json",
            "log_level": 30,
            **changed,
        }
    )


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    made = Stage()
    monkeypatch.setattr(pool_module.WorkerLink, "open", made.open)
    monkeypatch.setattr(pool_module, "_LAST_SCORE_S", 0.0)
    return made


@asynccontextmanager
async def pool(**changed: Any) -> AsyncIterator[tuple[WorkerPool, EventHub]]:
    async with alert_store() as store:
        hub = EventHub(store, MonitorMetrics())
        async with WorkerPool(2, settings(**changed), hub, clock_ns=lambda: 0) as running:
            yield running, hub


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_participants_of_a_call_go_to_one_worker_and_resources_lead_back_to_it(stage: Stage) -> None:
    async with pool() as (running, _):
        for call, participant in (("one", "ann"), ("two", "bob"), ("one", "eve")):
            publication = await running.publish(call, participant, OFFER)
            assert publication.resource_id.startswith("1." if call == "one" else "2.")
        assert [question.participant for question in stage.of(1).asked] == ["ann", "eve"]
        assert await running.unpublish("2.r1")
        assert stage.of(2).asked[-1] == Unpublish(resource_id="r1")
        assert await running.restart("1.r.1", "x") == "r.1"
        for unknown in ("", "r1", "7.r1", "-1.r1", "\u0661.r1"):
            assert not await running.unpublish(unknown)
            with pytest.raises(SignallingError) as refusal:
                await running.restart(unknown, "x")
            assert refusal.value.status == 404
        assert {(seen.call, seen.participant) for seen in running.snapshot()} == {
            ("one", "ann"),
            ("two", "bob"),
            ("one", "eve"),
        }
        assert dict(running.encoders) == {"identity": EncoderInfo(engine="e")}
    assert [link.closed for link in stage.lives] == [True, True]


async def test_the_limit_counts_participants_over_all_workers_and_lets_a_known_one_return(
    stage: Stage,
) -> None:
    async with pool(max_participants=2) as (running, _):
        await running.publish("one", "ann", OFFER)
        await running.publish("two", "bob", OFFER)
        with pytest.raises(CapacityError):
            await running.publish("three", "eve", OFFER)
        await running.publish("one", "ann", OFFER)
        stage.of(2).hear(left("bob", call="two"))
        with pytest.raises(SignallingError):
            await running.publish("three", "eve", "v=0 broken")
        await running.publish("three", "eve", OFFER)


async def test_pictures_are_of_those_who_are_there(stage: Stage) -> None:
    async with pool() as (running, _):
        await running.publish("one", "ann", OFFER)
        assert await running.thumbnail("one", "ann") == b"jpeg"
        assert await running.thumbnail("one", "bob") is None
        assert await running.thumbnail("two", "ann") is None


async def test_what_workers_tell_reaches_the_subscribers_and_alerts_share_one_store(stage: Stage) -> None:
    async with pool() as (running, hub):
        with hub.subscription() as subscription:
            await running.publish("one", "ann", OFFER)
            await running.publish("two", "bob", OFFER)
            stage.of(1).hear(score(1.0, call="one"))
            stage.of(2).hear(reception(5, "bob", call="two"))
            stage.of(2).hear(matrices("bob", call="two"))
            assert await stage.of(2).answer(draft(participant="bob", call="two")) == 1
            assert await stage.of(1).answer(draft(call="one")) == 2
            told = subscription.messages()
            seen = [await anext(told) for _ in range(6)]
            await told.aclose()
        assert {message.type for message in seen} == {"participant", "alert", "score", "reception"}
        assert [(m.seq, m.call) for m in seen if isinstance(m, AlertMessage)] == [(1, "two"), (2, "one")]
        assert running.snapshot()[0].latest == score(1.0, call="one")


async def test_a_lost_worker_ends_its_calls_and_is_started_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module.RestartDelays, "after", lambda _self, _ran_ns: 0.0)
    async with pool() as (running, hub):
        await running.publish("one", "ann", OFFER)
        await running.publish("two", "bob", OFFER)
        stage.of(1).hear(score(1.0, call="one"))
        stage.of(2).hear(score(1.0, "bob", call="two"))
        told: list[Any] = []
        monkeypatch.setattr(hub, "publish_score", told.append)
        monkeypatch.setattr(hub, "publish_participant", told.append)
        waiting = asyncio.create_task(running.publish("one", "unheard", OFFER))
        await turns()
        stage.broken.add(1)
        stage.of(1).over.set()
        with pytest.raises(CapacityError):
            await waiting
        await turns()

        last, gone = told
        assert isinstance(last, ScoreUpdate)
        assert (last.participant, last.verdict, last.reasons) == ("ann", "insufficient", ["analysis_failed"])
        assert last.score is last.margin is None
        assert gone == Participant(call="one", participant="ann", state="left", reason="worker_lost")
        down = running.health()
        assert (down.state, down.reasons, down.complete) == (HealthState.DEGRADED, ["worker_down"], False)
        assert hub.metrics.registry.get_sample_value("seamwatch_worker_ends_total") == 1
        assert (await running.publish("one", "ann", OFFER)).resource_id.startswith("2.")
        assert await running.thumbnail("two", "bob") == b"jpeg"

        stage.broken.clear()
        await turns()
        assert len(stage.lives) == 3
        assert running.health() == Health(state=HealthState.OK, reasons=[], participants=2)
        assert (await running.publish("new", "eve", OFFER)).resource_id.startswith("1.")


async def test_health_is_that_of_the_worst(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async with pool() as (running, hub):
        assert running.health().state is HealthState.OK
        stage.of(2).health = Health(state=HealthState.DEGRADED, reasons=["overload"])
        assert (running.health().state, running.health().reasons) == (HealthState.DEGRADED, ["overload"])
        hub.store_error = AlertStoreError("Full.", fix="Free space.")
        assert running.health().state is HealthState.FAILING
        hub.store_error = None
        stage.broken = {1, 2}
        for link in stage.lives:
            link.over.set()
        await turns()
        assert running.health().state is HealthState.FAILING
        with pytest.raises(CapacityError):
            await running.publish("one", "ann", OFFER)


async def test_one_that_cannot_start_ends_the_others(stage: Stage) -> None:
    stage.broken.add(2)
    with pytest.raises(ExceptionGroup) as failed:
        async with pool():
            pytest.fail("it started")
    assert failed.group_contains(EngineError, match="It broke")
    assert all(link.over.is_set() for link in stage.lives)


async def test_a_reference_counts_as_used_once_its_participant_has_come(stage: Stage) -> None:
    references = References([ReferenceFile(name=name, path=Path("a.jpg")) for name in ("one/ann", "eve")])
    async with pool(references=references) as (running, _):
        await running.publish("one", "ann", OFFER)
    assert references.unused == ("eve",)


async def test_what_led_to_an_alert_is_remembered_where_feedback_is_given(stage: Stage) -> None:
    run = AlertRun(person="p", observations=())
    async with pool() as (running, _):
        stage.of(1).hear(Run(seq=1, run=run))
        running.runs = AlertRuns(running.origin())
        assert running.runs.of(1) is None
        stage.of(2).hear(Run(seq=2, run=run))
        assert running.runs.of(2) is run
        assert running.runs.origin == ORIGIN


async def test_metrics_carry_the_process_that_counted(stage: Stage) -> None:
    async with pool() as (running, _):
        families = {
            f.name: f for f in text_string_to_metric_families((await running.metrics_page()).decode())
        }
    totals = {s.labels["worker"]: s.value for s in families["work_done"].samples if s.name.endswith("_total")}
    assert totals == {"1": 1.0, "2": 2.0}
    assert [s.labels["worker"] for s in families["seamwatch_participants"].samples] == ["front"]


def test_each_family_is_told_once() -> None:
    page = exposition({str(n): registry_with(n).collect() for n in (1, 2, 3)}).decode()
    assert page.count("# TYPE work_done_total counter") == 1
    assert 'work_done_total{kind="good",worker="3"} 3.0' in page


class PlayedChannel:
    """A channel whose other end takes nothing."""

    def __init__(self) -> None:
        self.waiting_bytes = 0
        self.told: list[Any] = []

    def tell(self, message: Any) -> None:
        self.told.append(message)


def test_a_front_that_takes_nothing_costs_scores_but_neither_participants_nor_the_count_of_evidence() -> None:
    channel: Any = PlayedChannel()
    item: Any = object()
    metrics = MonitorMetrics()
    hub = FrontHub(channel, metrics)
    evidence = FrontEvidence(channel, metrics, keeps_media=False)
    evidence.offer(item)
    hub.publish_score(score(1.0))
    channel.waiting_bytes = 1 << 30
    hub.publish_score(score(2.0))
    hub.publish_reception(reception(1))
    hub.publish_matrices(matrices())
    hub.publish_participant(left())
    evidence.offer(item)
    assert channel.told == [Evidence(item=item), score(1.0), left(), Evidence(item=None)]
    for reason in ("score", "reception", "matrices", "evidence"):
        dropped = {"stage": "worker_channel", "reason": reason}
        assert metrics.registry.get_sample_value("seamwatch_dropped_total", dropped) == 1


def test_short_lives_wait_longer_and_a_sound_one_begins_anew() -> None:
    delays = RestartDelays()
    assert [delays.after(0) for _ in range(7)] == [1.0, 2.0, 4.0, 8.0, 16.0, LONGEST_DELAY_S, LONGEST_DELAY_S]
    assert delays.after(SOUND_AFTER_NS) == FIRST_DELAY_S
    assert delays.after(NS_PER_S) == 2 * FIRST_DELAY_S
