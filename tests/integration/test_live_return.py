"""A participant that leaves a live call and comes back, within the time its state is kept and after it."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

import pytest

from clients.publisher.whip import WhipPublisher
from clients.subscriber import Subscriber
from engines.loader import EngineSet
from realtime import seat
from realtime.server.wire import Participant, ReceptionUpdate, ScoreUpdate
from tests.support.live_monitor import CALL, LiveMonitor, live_monitor


@pytest.fixture
async def live(engine_set: EngineSet, tmp_path: Path):
    async with live_monitor(engine_set, tmp_path / "alerts.sqlite3", max_participants=1) as running:
        yield running


async def stay(live: LiveMonitor, clip: Path, windows: int) -> tuple[Participant, list[ScoreUpdate]]:
    """Publish until a number of windows were scored; return how it joined, and the scores."""
    scores: list[ScoreUpdate] = []
    joined = None
    async with WhipPublisher(live.whip("ann")) as publisher:
        await publisher.start(clip, loop=True)
        async with aclosing(Subscriber(live.url, call=CALL).messages()) as messages:
            async for message in messages:
                if isinstance(message, Participant):
                    joined = message
                if isinstance(message, ScoreUpdate):
                    scores.append(message)
                if len(scores) >= windows:
                    break
    assert joined is not None
    return joined, scores


async def test_who_comes_back_within_a_minute_goes_on(live: LiveMonitor, genuine_clip: Path) -> None:
    first, before = await stay(live, genuine_clip, 12)
    assert live.monitor.snapshot() == []
    second, after = await stay(live, genuine_clip, 3)
    assert (first.reason, second.reason) == ("", "returned")
    assert before[-1].intra_windows > 5
    assert after[0].intra_windows >= before[-1].intra_windows
    assert after[0].time_s > before[-1].time_s


async def test_who_stays_away_longer_begins_anew(
    live: LiveMonitor, genuine_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seat, "KEEP_STATE_S", 0.0)
    _, before = await stay(live, genuine_clip, 8)
    again, after = await stay(live, genuine_clip, 1)
    assert again.reason == ""
    assert before[-1].intra_windows > after[0].intra_windows


async def test_how_the_media_comes_in_is_told_while_it_comes(live: LiveMonitor, genuine_clip: Path) -> None:
    receptions = []
    async with WhipPublisher(live.whip("ann")) as publisher:
        await publisher.start(genuine_clip, loop=True)
        async with aclosing(Subscriber(live.url, call=CALL).messages()) as messages:
            async for message in messages:
                if isinstance(message, ReceptionUpdate):
                    receptions.append(message)
                if len(receptions) == 2:
                    break
        text = live.metrics.exposition()[0].decode()
    newest = receptions[-1]
    assert newest.seat == 1
    assert newest.video is not None
    assert newest.audio is not None
    assert newest.video.packets > receptions[0].video.packets > 0
    assert newest.audio.lost == newest.video.lost == 0
    assert 'seat="1"' in text
    assert "ann" not in text
    assert 'seat="1"' not in live.metrics.exposition()[0].decode()
