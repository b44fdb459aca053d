"""Several processes as one monitor: real processes, real WebRTC, a real WebSocket."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import aclosing
from pathlib import Path

import httpx
import pytest

from clients.publisher.whip import WhipPublisher
from clients.subscriber import Subscriber
from realtime.alerts.reading import read_alerts
from realtime.evidence.reading import check_path
from realtime.server.wire import AlertMessage, Feedback, Matrices, Participant, ReceptionUpdate, ScoreUpdate
from tests.support.worker_monitor import until, until_gone, worker_monitor

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="children are found in /proc"),
    pytest.mark.usefixtures("engine_set"),
]


async def test_two_calls_are_judged_by_two_processes_and_told_as_one(
    tmp_path: Path, genuine_clip: Path, exchanged_clip: Path
) -> None:
    evidence, feedback = tmp_path / "evidence", tmp_path / "feedback.jsonl"
    options = ("--keep-evidence", str(evidence), "--feedback", str(feedback))
    async with worker_monitor(tmp_path, *options) as monitor:
        assert len(monitor.workers) == 2
        following = asyncio.create_task(until_left(monitor.url, {"ann", "bob"}))
        first, second = WhipPublisher(monitor.whip("one", "ann")), WhipPublisher(monitor.whip("two", "bob"))
        async with first, second:
            await first.start(genuine_clip)
            await second.start(exchanged_clip)
            picture = await until_picture(monitor.url, "two", "bob")
            assert picture.content.startswith(b"\xff\xd8")
            assert (await monitor.get("/calls/one/participants/bob/thumbnail.jpg")).status_code == 404
            calls = (await monitor.get("/calls")).json()["calls"]
            assert {call["call"]: [who["participant"] for who in call["participants"]] for call in calls} == {
                "one": ["ann"],
                "two": ["bob"],
            }
            await asyncio.gather(first.wait(), second.wait())
        seen = await following

        accepted = [
            await monitor.sample("seamwatch_webrtc_events_total", n, event="accepted") for n in (1, 2)
        ]
        assert accepted == [1.0, 1.0]
        last = {m.participant: m for m in seen if isinstance(m, ScoreUpdate)}
        assert (last["ann"].verdict, last["bob"].verdict) == ("genuine", "fake")
        seats = {m.participant: m.seat for m in seen if isinstance(m, ReceptionUpdate)}
        assert seats == {"ann": 1, "bob": 2}
        assert {m.participant for m in seen if isinstance(m, Matrices)} == {"ann", "bob"}
        alerts = [m for m in seen if isinstance(m, AlertMessage)]
        assert [(alert.call, alert.participant, alert.seq) for alert in alerts] == [
            ("two", "bob", 1),
            ("two", "bob", 2),
        ]
        async with httpx.AsyncClient(base_url=monitor.url, trust_env=False) as client:
            word = await client.post("/alerts/2/feedback", json={"state": "false_alarm"})
        assert Feedback.model_validate(word.json()).call == "two"

    stored, words = read_alerts(tmp_path / "alerts.sqlite3")
    assert [alert.seq for alert in stored] == [1, 2]
    assert words == {2: "false_alarm"}
    line = json.loads(feedback.read_text().splitlines()[-1])
    assert line["seq"] == 2
    assert line["run"]["observations"]
    checked = check_path(evidence)
    assert checked.good
    assert len(checked.bundles) == 2


async def test_a_killed_worker_takes_its_calls_with_it_and_no_others_and_comes_back(
    tmp_path: Path, genuine_clip: Path
) -> None:
    async with (
        worker_monitor(tmp_path) as monitor,
        WhipPublisher(monitor.whip("one", "ann")) as first,
        WhipPublisher(monitor.whip("two", "bob")) as second,
        aclosing(Subscriber(monitor.url).messages()) as messages,
    ):
        pids = monitor.workers
        await first.start(genuine_clip, loop=True)
        await second.start(genuine_clip, loop=True)
        scored: set[str] = set()
        async for message in messages:
            if isinstance(message, ScoreUpdate):
                scored.add(message.participant)
            if scored == {"ann", "bob"}:
                break
        os.kill(pids[0], signal.SIGKILL)
        await until_gone(pids[:1])

        lost: list[ScoreUpdate] = []
        after: list[ScoreUpdate] = []
        gone: Participant | None = None
        async for message in messages:
            if isinstance(message, Participant) and message.state == "left":
                gone = message
            elif isinstance(message, ScoreUpdate):
                (after if gone else lost).append(message)
            if gone is not None and len(after) == 3:
                break
        assert gone is not None
        assert (gone.call, gone.participant, gone.reason) == ("one", "ann", "worker_lost")
        last = [score for score in lost if score.participant == "ann"][-1]
        assert (last.verdict, last.reasons, last.score) == ("insufficient", ["analysis_failed"], None)
        assert {score.participant for score in after} == {"bob"}

        await until(monitor.is_ready)
        assert len(monitor.workers) == 2
        assert set(monitor.workers) & set(pids) == {pids[1]}
        assert await monitor.sample("seamwatch_worker_ends_total", "front") == 1.0
        async with WhipPublisher(monitor.whip("three", "eve")) as third:
            await third.start(genuine_clip)
            async for message in messages:
                if isinstance(message, ScoreUpdate) and message.participant == "eve":
                    break
        assert await monitor.sample("seamwatch_webrtc_events_total", 1, event="accepted") == 1.0


async def test_workers_end_with_a_front_that_is_killed(tmp_path: Path) -> None:
    async with worker_monitor(tmp_path) as monitor:
        pids = monitor.workers
        monitor.process.kill()
        await monitor.process.communicate()
        await until_gone(pids)


async def test_a_monitor_that_is_told_to_end_in_mid_call_ends_all_of_itself(
    tmp_path: Path, genuine_clip: Path
) -> None:
    async with worker_monitor(tmp_path) as monitor:
        publisher = WhipPublisher(monitor.whip("one", "ann"))
        await publisher.start(genuine_clip, loop=True)
        monitor.process.send_signal(signal.SIGTERM)
        await monitor.process.communicate()
        assert monitor.process.returncode == 0
        await publisher.stop()


async def test_a_worker_that_cannot_watch_ends_the_start_with_its_own_words(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "ignore", "-m", "clients.cli.main", "serve", "--workers", "2", "--port", "0"),
        *("--store", str(tmp_path / "alerts"), "--reference", f"ann={tmp_path / 'absent.jpg'}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    said, complaint = await process.communicate()
    assert process.returncode == 3
    assert said == b""
    assert b"absent.jpg" in complaint


async def until_left(url: str, participants: set[str]) -> list:
    """Collect what a subscriber to all calls is told until everybody has left."""
    seen = []
    waiting = set(participants)
    async with aclosing(Subscriber(url, after=0, matrices=True).messages()) as messages:
        async for message in messages:
            seen.append(message)
            if isinstance(message, Participant) and message.state == "left":
                waiting.discard(message.participant)
            if not waiting:
                break
    return seen


async def until_picture(url: str, call: str, participant: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        while True:
            answer = await client.get(f"/calls/{call}/participants/{participant}/thumbnail.jpg")
            if answer.status_code == 200:
                return answer
            await asyncio.sleep(0.1)
