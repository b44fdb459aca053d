"""A call over real WebRTC into a real monitor, followed over a real WebSocket."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import av
import httpx
import pytest

from clients.publisher.whip import WhipPublisher, publish_file
from engines.errors import EngineError
from engines.loader import EngineSet
from realtime.errors import SignallingError
from realtime.server.wire import AlertMessage, Matrices, Participant, ScoreUpdate
from tests.support.live_monitor import LiveMonitor, live_monitor, messages_until_all_left


@pytest.fixture
async def live(engine_set: EngineSet, tmp_path: Path):
    async with live_monitor(engine_set, tmp_path / "alerts.sqlite3") as running:
        yield running


async def call(live: LiveMonitor, clips: dict[str, Path]) -> list:
    """Publish clips at the same time, each to its end; return what a subscriber saw."""
    following = asyncio.create_task(messages_until_all_left(live.url, set(clips)))
    await asyncio.gather(*(publish_file(live.whip(name), clip) for name, clip in clips.items()))
    return await following


async def test_an_exchanged_face_raises_an_alert_and_a_genuine_one_does_not(
    live: LiveMonitor, genuine_clip: Path, exchanged_clip: Path
) -> None:
    seen = await call(live, {"ann": genuine_clip, "bob": exchanged_clip})

    events = [(m.participant, m.state) for m in seen if isinstance(m, Participant)]
    assert sorted(events[:2]) == [("ann", "joined"), ("bob", "joined")]
    assert sorted(events[2:]) == [("ann", "left"), ("bob", "left")]

    alerts = [m for m in seen if isinstance(m, AlertMessage)]
    assert {alert.participant for alert in alerts} == {"bob"}
    assert [(alert.previous, alert.state) for alert in alerts] == [
        ("clear", "suspicious"),
        ("suspicious", "alert"),
    ]
    assert [alert.seq for alert in alerts] == [1, 2]
    assert "identity_changed" in alerts[-1].reasons
    worst = next(seam for seam in alerts[-1].seams if seam.kind == "intra")
    assert worst.a[1] < worst.b[0]
    assert worst.value < 0.5
    assert all(info.engine for info in alerts[-1].engines.values())

    last = {m.participant: m for m in seen if isinstance(m, ScoreUpdate)}
    assert last["ann"].verdict == "genuine"
    assert last["bob"].verdict == "fake"
    assert last["ann"].score == pytest.approx(last["ann"].intra + last["ann"].cross, abs=2e-4)
    matrices = [m for m in seen if isinstance(m, Matrices) and m.participant == "bob"]
    assert matrices[-1].intra_worst is not None


async def test_nobody_is_genuine_without_evidence(
    live: LiveMonitor, genuine_clip: Path, tmp_path: Path
) -> None:
    seen = await call(live, {"mute": without(genuine_clip, "audio", tmp_path)})
    scores = [m for m in seen if isinstance(m, ScoreUpdate)]
    assert len(scores) > 5
    assert {score.verdict for score in scores} == {"insufficient"}
    assert all("no_audio" in score.reasons for score in scores[-3:])


async def test_a_crashing_encoder_ends_one_participant_and_no_other(
    engine_set: EngineSet, tmp_path: Path, genuine_clip: Path
) -> None:
    breaking = BreakingEngine(engine_set.identity, after=6)
    engines = dataclasses.replace(engine_set, identity=breaking)
    async with live_monitor(engines, tmp_path / "alerts.sqlite3") as live:
        following = asyncio.create_task(messages_until_all_left(live.url, {"first"}))
        async with WhipPublisher(live.whip("first")) as first:
            await first.start(genuine_clip, loop=True)
            seen = await following
            breaking.mend()
            async with WhipPublisher(live.whip("second")) as second:
                await second.start(genuine_clip)
                await second.wait()
            snapshot = await asyncio.to_thread(httpx.get, f"{live.url}/calls", trust_env=False)
            assert snapshot.status_code == 200
    left = next(m for m in seen if isinstance(m, Participant) and m.state == "left")
    assert left.reason == "internal_error"
    last = [m for m in seen if isinstance(m, ScoreUpdate)][-1]
    assert (last.verdict, last.status, last.reasons) == ("insufficient", "insufficient", ["analysis_failed"])
    assert last.score is None


async def test_the_monitor_refuses_more_participants_than_it_was_given(
    engine_set: EngineSet, tmp_path: Path, genuine_clip: Path
) -> None:
    async with (
        live_monitor(engine_set, tmp_path / "alerts.sqlite3", max_participants=1) as live,
        WhipPublisher(live.whip("ann")) as ann,
    ):
        await ann.start(genuine_clip, loop=True)
        with pytest.raises(SignallingError) as refusal:
            await publish_file(live.whip("bob"), genuine_clip)
        assert refusal.value.status == 503
        assert [seat.participant for seat in live.monitor.snapshot()] == ["ann"]


async def test_publishing_again_replaces_the_old_session(live: LiveMonitor, genuine_clip: Path) -> None:
    async with WhipPublisher(live.whip("ann")) as old, WhipPublisher(live.whip("ann")) as new:
        await old.start(genuine_clip, loop=True)
        await new.start(genuine_clip, loop=True)
        assert [seat.participant for seat in live.monitor.snapshot()] == ["ann"]
        assert (
            live.metrics.registry.get_sample_value("seamwatch_webrtc_events_total", {"event": "closed"}) == 1
        )


async def test_shutting_down_in_mid_call_leaves_no_task(
    engine_set: EngineSet, tmp_path: Path, genuine_clip: Path
) -> None:
    before = asyncio.all_tasks()
    async with live_monitor(engine_set, tmp_path / "alerts.sqlite3") as live:
        publisher = WhipPublisher(live.whip("ann"))
        await publisher.start(genuine_clip, loop=True)
        await live.monitor.aclose()
    await publisher.stop()
    await asyncio.sleep(0)
    assert {task for task in asyncio.all_tasks() - before if not task.done()} == set()


class BreakingEngine:
    """An identity engine that fails from its n-th run on, until it is mended."""

    def __init__(self, engine, after: int) -> None:
        self._engine, self._left = engine, after
        self.spec = engine.spec

    def mend(self) -> None:
        self._left = 1_000_000

    def run(self, inputs):
        self._left -= 1
        if self._left < 0:
            raise EngineError("The engine broke.", fix="Mend it.")
        return self._engine.run(inputs)

    def close(self) -> None:
        """Leave the shared engine open."""


def without(clip: Path, kind: str, folder: Path) -> Path:
    """Copy a clip without one of its tracks."""
    out_path = folder / f"without-{kind}{clip.suffix}"
    with av.open(str(clip)) as source, av.open(str(out_path), "w") as out:
        streams = {s.index: out.add_stream_from_template(s) for s in source.streams if s.type != kind}
        for packet in source.demux(*(source.streams[index] for index in streams)):
            if packet.dts is None:
                continue
            packet.stream = streams[packet.stream.index]
            out.mux(packet)
    return out_path
