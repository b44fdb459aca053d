"""A monitor without media: a port that answers, and messages to publish."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from realtime.alerts.feedback_file import FeedbackFile
from realtime.alerts.store import AlertStore
from realtime.errors import CapacityError, SignallingError
from realtime.observe.metrics import MonitorMetrics
from realtime.server.app import create_app
from realtime.server.auth import Auth
from realtime.server.hub import EventHub
from realtime.server.ports import Health, HealthState, ParticipantSnapshot, Publication
from realtime.server.runner import MonitorServer
from realtime.server.wire import (
    AlertDraft,
    Call,
    EncoderInfo,
    Matrices,
    Participant,
    ReceptionUpdate,
    ScoreUpdate,
    TrackCounters,
)

OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"


class FakeMonitor:
    """Implements ``MonitorPort``; a test sets what it answers."""

    def __init__(self) -> None:
        self.encoders = {
            "identity": EncoderInfo(engine="fake-1"),
            "lips": EncoderInfo(engine="b", baseline=True),
        }
        self.offers: list[str] = []
        self.sessions: dict[str, tuple[str, str]] = {}
        self.state = Health(state=HealthState.OK)
        self.pictures: dict[tuple[str, str], bytes] = {}
        self.snapshots: list[ParticipantSnapshot] = []
        self.full = False
        self.trickle: str | None = None
        self.closed = 0

    async def publish(self, call: str, participant: str, offer_sdp: str) -> Publication:
        if self.full:
            raise CapacityError("The monitor is full.", fix="Try later.")
        if "m=" not in offer_sdp:
            raise SignallingError("The offer has no media.", fix="Offer audio or video.", status=400)
        if call == "explode":
            raise ValueError(f"secret {offer_sdp}")
        self.offers.append(offer_sdp)
        resource_id = f"r{len(self.offers)}"
        self.sessions[resource_id] = (call, participant)
        return Publication(resource_id=resource_id, answer_sdp=f"v=0\r\ns={resource_id}\r\n")

    async def restart(self, resource_id: str, fragment: str) -> str:
        if resource_id not in self.sessions:
            raise SignallingError("No such resource.", fix="Publish again.", status=404)
        if self.trickle is None:
            raise SignallingError("Trickle ICE is not supported.", fix="Gather candidates first.", status=405)
        return self.trickle

    async def unpublish(self, resource_id: str) -> bool:
        return self.sessions.pop(resource_id, None) is not None

    def snapshot(self) -> list[ParticipantSnapshot]:
        return self.snapshots

    async def thumbnail(self, call: str, participant: str) -> bytes | None:
        return self.pictures.get((call, participant))

    def health(self) -> Health:
        return self.state

    async def aclose(self) -> None:
        self.closed += 1
        self.sessions.clear()


def joined(participant: str = "ann", *, call: str = "c1") -> Participant:
    return Participant(call=call, participant=participant, state="joined")


def left(participant: str = "ann", *, call: str = "c1") -> Participant:
    return Participant(call=call, participant=participant, state="left", reason="test")


def attended(
    state: Literal["joining", "joined", "reconnecting", "ended"], *, call: str = "c1", reason: str = ""
) -> Call:
    return Call(call=call, state=state, reason=reason)


def reception(packets: int, participant: str = "ann", *, call: str = "c1") -> ReceptionUpdate:
    return ReceptionUpdate(
        call=call,
        participant=participant,
        seat=1,
        audio=TrackCounters(packets=packets),
        video=None,
        sync="single",
        skew_ms=0.0,
        uncertainty_ms=0.0,
    )


def score(
    time_s: float, participant: str = "ann", *, call: str = "c1", reasons: tuple[str, ...] = ()
) -> ScoreUpdate:
    return ScoreUpdate(
        call=call,
        participant=participant,
        time_s=time_s,
        status="ok",
        reasons=list(reasons),
        verdict="genuine",
        state="clear",
        score=1.2,
        intra=0.8,
        cross=0.4,
        recent_intra=0.8,
        recent_cross=0.4,
        margin=0.9,
        lag_ms=40.0,
        face_coverage=1.0,
        speech_coverage=0.5,
        intra_windows=5,
        cross_windows=4,
        latency_ms=120.0,
    )


def matrices(participant: str = "ann", *, call: str = "c1", size: int = 1) -> Matrices:
    return Matrices(
        call=call, participant=participant, window_s=1.0,
        intra_starts_s=[0.0], intra="/" * size, intra_worst=None,
        cross_starts_s=[0.0], cross="/" * size, cross_worst=(0, 0),
    )  # fmt: skip


def draft(time_s: float = 1.0, participant: str = "ann", *, call: str = "c1") -> AlertDraft:
    return AlertDraft(
        call=call,
        participant=participant,
        time_s=time_s,
        raised_at="2026-01-02T03:04:05Z",
        previous="clear",
        state="suspicious",
        margin=0.1,
        reasons=["identity_changed"],
        seams=[],
        values={"intra": 0.2},
        engines={"identity": EncoderInfo(engine="fake-1")},
    )


def alert_store(path: Path | None = None, *, max_alerts: int = 10_000) -> AlertStore:
    """A store whose clock stands at the time of ``draft``."""
    return AlertStore(path, max_alerts=max_alerts, clock=lambda: 1_767_323_045.0)


@dataclass(slots=True, kw_only=True)
class Running:
    """A server on a free port, with everything behind it."""

    monitor: FakeMonitor
    hub: EventHub
    server: MonitorServer

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def alerts_url(self) -> str:
        return f"{self.url.replace('http', 'ws', 1)}/alerts"


def write_page(folder: Path) -> Path:
    page = folder / "web"
    page.mkdir(exist_ok=True)
    (page / "index.html").write_text("<!doctype html><title>Seamwatch</title>")
    (page / "main.js").write_text("export {};")
    (page / "__init__.py").write_text("")
    return page


@contextlib.asynccontextmanager
async def running(
    folder: Path,
    *,
    store_path: Path | None = None,
    token: str | None = None,
    viewer_token: str | None = None,
    feedback: FeedbackFile | None = None,
    port: int = 0,
    send_timeout_s: float = 10.0,
    ping_interval_s: float = 20.0,
) -> AsyncIterator[Running]:
    """Run a server on the loopback address; afterwards assert that no task of it is left."""
    before = asyncio.all_tasks()
    monitor = FakeMonitor()
    async with alert_store(store_path) as store:
        hub = EventHub(store, MonitorMetrics())
        app = create_app(
            monitor,
            hub,
            auth=Auth.for_bind("127.0.0.1", token, viewer_token),
            static_dir=write_page(folder),
            feedback=feedback,
            send_timeout_s=send_timeout_s,
        )
        async with MonitorServer(app, host="127.0.0.1", port=port, ping_interval_s=ping_interval_s) as server:
            yield Running(monitor=monitor, hub=hub, server=server)
    assert monitor.closed == 1
    left_over = asyncio.all_tasks() - before - {asyncio.current_task()}
    assert [task for task in left_over if not _is_of_client(task)] == []


def _is_of_client(task: asyncio.Task[object]) -> bool:
    """Tell whether a task belongs to the ``websockets`` client or to the test itself."""
    name = getattr(task.get_coro(), "__qualname__", "")
    return task.get_name().startswith("test-") or "Connection." in name
