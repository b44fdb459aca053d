"""An alert is out before its evidence is looked at, and goes out whatever becomes of that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

from realtime.alerts.store import AlertStore
from realtime.config import MonitorConfig
from realtime.errors import EvidenceError
from realtime.evidence.bundle import EvidenceItem
from realtime.evidence.folder import EvidenceFolder
from realtime.evidence.keeper import EvidenceKeeper
from realtime.ingest.reception import Reception
from realtime.judge import WindowResult
from realtime.messages import Narrator
from realtime.monitor import Monitor
from realtime.observe.metrics import MonitorMetrics
from realtime.server.hub import EventHub
from realtime.server.ports import HealthState
from realtime.server.records import from_stored
from realtime.session import ParticipantSession, SessionContext
from realtime.types import AlertState, Verdict
from tests.support.evidence_bundles import Stream, provenance_for, snapshot_of


class Keeper:
    def __init__(self) -> None:
        self.items: list[EvidenceItem] = []

    def offer(self, item: EvidenceItem) -> None:
        self.items.append(item)


class FullFolder(EvidenceFolder):
    def add(self, *_: object, **__: object) -> Path:
        raise EvidenceError("The disk is full.", fix="Make room.")


@asynccontextmanager
async def session_with(keeper: object) -> AsyncIterator[tuple[ParticipantSession, EventHub]]:
    pipeline = SimpleNamespace(last_face=None, dropped_windows=0)
    with ThreadPoolExecutor(1) as executor:
        async with AlertStore(None, clock=lambda: 0.0) as store:
            metrics = MonitorMetrics()
            hub = EventHub(store, metrics)
            context = SessionContext(
                hub=hub,
                metrics=metrics,
                executor=executor,
                clock_ns=lambda: 1,
                thumbnails=False,
                evidence=keeper,
            )
            yield ParticipantSession(context, pipeline, Narrator("standup", "ann", {}, 5_000_000_000)), hub


def transition() -> WindowResult:
    snapshot = snapshot_of(Stream())
    return WindowResult(
        window_index=11,
        score=snapshot.score,
        verdict=Verdict.FAKE,
        state=AlertState.ALERT,
        alert=snapshot.alert,
        arrival_ns=None,
        evidence=snapshot,
    )


async def test_evidence_carries_the_message_as_it_was_sent() -> None:
    keeper = Keeper()
    async with session_with(keeper) as (session, hub):
        session.follow(lambda: Reception(audio=None, video=None, sync="reports"), 1)
        await session._publish([transition()])
        (stored,) = await hub.store.after(0)
    (item,) = keeper.items
    assert item.alert == from_stored(stored).model_dump(mode="json")
    assert item.alert["seq"] == 1
    assert item.offset_ns == 5_000_000_000
    assert item.reception is not None
    assert item.reception["sync"] == "reports"


async def test_evidence_of_an_alert_that_could_not_be_stored_has_no_number() -> None:
    keeper = Keeper()
    async with session_with(keeper) as (session, hub):
        await hub.store.aclose()
        await session._publish([transition()])
    (item,) = keeper.items
    assert "seq" not in item.alert
    assert item.alert["state"] == "alert"


async def test_a_full_disk_loses_evidence_and_no_alert(tmp_path: Path) -> None:
    metrics = MonitorMetrics()
    keeper = EvidenceKeeper(FullFolder(tmp_path), provenance_for(), metrics, keep_for_s=1e6)
    await keeper.open()
    async with session_with(keeper) as (session, hub):
        monitor = Monitor(
            SimpleNamespace(ids={}, scheduler=None),
            MonitorConfig(),
            hub,
            metrics,
            clock_ns=lambda: 0,
            max_participants=1,
            threads=1,
            thumbnails=False,
            evidence=keeper,
        )
        assert monitor.health().state is HealthState.OK
        await session._publish([transition()])
        assert len(await hub.store.after(0)) == 1
        await keeper.aclose()
        health = monitor.health()
        assert (health.state, list(health.reasons)) == (HealthState.DEGRADED, ["evidence_failing"])
        await monitor.aclose()


async def test_without_a_keeper_the_alert_goes_out_all_the_same() -> None:
    async with session_with(None) as (session, hub):
        await session._publish([transition()])
        assert len(await hub.store.after(0)) == 1
