"""What an alert rests on is kept in memory, bounded, and on disk only once it is called false."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from realtime.alerts.alert_runs import MAX_ALERTS, AlertRun, AlertRuns, Origin
from realtime.alerts.feedback_file import FeedbackFile, FeedbackFileError
from realtime.alerts.feedback_line import FeedbackLine, ObservationRow, RunRecord
from realtime.alerts.feedback_reading import read_false_alarms
from realtime.alerts.store import AlertStore
from realtime.decision.recent import MAX_OBSERVATIONS, RECENT_NS, RecentObservations
from realtime.errors import CalibrationError
from realtime.judge import WindowResult
from realtime.messages import Narrator
from realtime.observe.metrics import MonitorMetrics
from realtime.retention import enforce_age_limits
from realtime.server.feedback import FeedbackDesk
from realtime.server.hub import EventHub
from realtime.session import ParticipantSession, SessionContext
from realtime.types import AlertState, Modality, Verdict
from tests.support.decision import HOP_NS, observed
from tests.support.evidence_bundles import Stream, snapshot_of
from tests.support.leaks import leaks_in

ORIGIN = Origin(models={"identity": "sface", "visual": "compact"}, configuration_sha256="ab" * 32)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
PERSON = "0123456789abcdef"


def both_channels(windows: int, first: int = 0):
    values = [0.25 + 0.0001 * (index % 7) for index in range(first, first + windows)]
    pairs = zip(
        observed(values, first=first, channel=Modality.INTRA), observed(values, first=first), strict=True
    )
    return [each for pair in pairs for each in pair]


def line_of(seq: int, at: datetime = NOW, *, state: str = "false_alarm", windows: int = 3) -> FeedbackLine:
    run = AlertRun(person=PERSON, observations=tuple(both_channels(windows)))
    return FeedbackLine(
        store="s", seq=seq, at=at.isoformat(), state=state, alert_state="alert", margin=None, reasons=[],
        values={}, evidence={}, threshold=None, engines={},
        run=RunRecord.of(run, ORIGIN) if state == "false_alarm" else None,
    )  # fmt: skip


def test_a_participant_is_remembered_for_two_minutes_however_long_the_call() -> None:
    recent = RecentObservations()
    for index in range(5000):
        recent.take(both_channels(1, first=index))
    held = recent.snapshot()
    assert held[-1].time_ns - held[0].time_ns == RECENT_NS
    assert len(held) == MAX_OBSERVATIONS
    recent.take(both_channels(1, first=50_000))
    assert {each.window_index for each in recent.snapshot()} == {50_000}


def test_runs_of_old_alerts_are_forgotten_and_counted() -> None:
    runs = AlertRuns(ORIGIN)
    for seq in range(1, MAX_ALERTS + 4):
        runs.remember(seq, AlertRun(person=PERSON, observations=()))
    assert runs.forgotten == 3
    assert [seq for seq in range(MAX_ALERTS + 4) if runs.of(seq) is not None] == [*range(4, MAX_ALERTS + 4)]


def test_observations_come_back_as_they_were() -> None:
    for each in both_channels(20):
        assert ObservationRow.of(each).observation() == each
    line = line_of(1, windows=20)
    assert FeedbackLine.model_validate_json(line.model_dump_json()) == line


@pytest.mark.parametrize(
    "change", [{"value": 1.5}, {"value": float("nan")}, {"window": -1}, {"window": 0, "time_ns": 0}]
)
def test_a_run_that_no_monitor_writes_is_refused(change: dict[str, float]) -> None:
    plain = line_of(1).run.model_dump()
    plain["observations"][-1] |= change
    with pytest.raises(ValidationError):
        RunRecord.model_validate(plain)


def test_a_line_of_the_first_version_has_no_observations(tmp_path: Path) -> None:
    plain = line_of(1).model_dump(mode="json")
    del plain["run"]
    path = tmp_path / "feedback.jsonl"
    path.write_text(json.dumps(plain | {"v": 1}) + "\n")
    (line,) = read_false_alarms([path]).lines
    assert line.run is None


def test_nothing_biometric_is_on_disk(tmp_path: Path) -> None:
    file = FeedbackFile(tmp_path / "feedback.jsonl")
    file.append(line_of(1, windows=300))
    assert leaks_in(file.path.read_bytes()) == []
    assert file.path.stat().st_mode & 0o077 == 0


def test_lines_go_when_they_are_too_old(tmp_path: Path) -> None:
    now = NOW
    path = tmp_path / "feedback.jsonl"
    file = FeedbackFile(path, keep_for_s=timedelta(days=7).total_seconds(), clock=lambda: now)
    file.append(line_of(1, NOW))
    file.append(line_of(2, NOW + timedelta(days=3)))
    with path.open("a") as torn:
        torn.write('{"v":2,"observations":[0.3')
    now = NOW + timedelta(days=7, seconds=1)
    file.prepare()
    (line,) = path.read_text().splitlines()
    assert FeedbackLine.model_validate_json(line) == line_of(2, NOW + timedelta(days=3))
    assert path.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == [path]
    now = NOW + timedelta(days=11)
    file.expire()
    assert path.read_bytes() == b""


async def test_feedback_expires_while_the_monitor_runs_even_if_it_failed_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("realtime.retention.EXPIRE_EVERY_S", 0.0)
    loop, twice, calls = asyncio.get_running_loop(), asyncio.Event(), []

    async def store_expires() -> None:
        pass

    def expire() -> None:
        calls.append("expire")
        if len(calls) == 1:
            raise FeedbackFileError("It is read-only.", fix="Change its rights.")
        loop.call_soon_threadsafe(twice.set)

    hub = SimpleNamespace(store=SimpleNamespace(expire=store_expires))
    work = asyncio.create_task(enforce_age_limits(hub, None, SimpleNamespace(expire=expire)))
    await twice.wait()
    work.cancel()
    await asyncio.wait([work])
    assert work.cancelled()


def test_a_withdrawal_deletes_what_was_kept(tmp_path: Path) -> None:
    file = FeedbackFile(tmp_path / "feedback.jsonl")
    file.append(line_of(1))
    file.append(line_of(2))
    file.append(line_of(1, state="acknowledged"))
    assert [line.seq for line in read_false_alarms([file.path]).lines] == [2]
    assert file.path.read_text().count('"observations"') == 1


def test_an_alert_in_two_files_counts_once_and_damage_is_told(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a", "b")]
    for path in paths:
        FeedbackFile(path).append(line_of(1))
    with paths[0].open("a") as file:
        file.write("nonsense\n")
    FeedbackFile(paths[1]).append(line_of(2, NOW + timedelta(hours=1), state="acknowledged"))
    found = read_false_alarms([*paths, paths[0]])
    assert [line.seq for line in found.lines] == [1]
    assert found.damaged == 2
    with pytest.raises(CalibrationError, match="cannot be read"):
        read_false_alarms([tmp_path / "absent"])


async def test_a_marked_alert_carries_what_led_to_it_and_an_unmarked_one_leaves_nothing(
    tmp_path: Path,
) -> None:
    file, runs, metrics = FeedbackFile(tmp_path / "feedback.jsonl"), AlertRuns(ORIGIN), MonitorMetrics()
    snapshot = snapshot_of(Stream())
    with ThreadPoolExecutor(1) as executor:
        async with AlertStore(None, clock=lambda: 0.0) as store:
            hub = EventHub(store, metrics)
            context = SessionContext(
                hub=hub,
                metrics=metrics,
                executor=executor,
                clock_ns=lambda: 1,
                thumbnails=False,
                runs=runs,
            )
            pipeline = SimpleNamespace(last_face=None, dropped_windows=0)
            session = ParticipantSession(context, pipeline, Narrator("standup", "zoe", {}, 0))
            for index in range(4):
                result = WindowResult(
                    window_index=index,
                    score=snapshot.score,
                    verdict=Verdict.FAKE,
                    state=AlertState.ALERT,
                    alert=snapshot.alert if index in (1, 3) else None,
                    arrival_ns=None,
                    observations=tuple(both_channels(1, first=index)),
                )
                await session._publish([result])
            assert not file.path.exists()
            desk = FeedbackDesk(hub, file, runs=runs, clock=lambda: NOW)
            for seq, windows in ((1, 2), (2, 4)):
                await desk.give(seq, "false_alarm")
                line = read_false_alarms([file.path]).lines[-1]
                rows = line.run.observations
                assert [row.observation() for row in rows] == both_channels(windows)
                assert rows[-1].time_ns == (windows - 1) * HOP_NS + 1_000_000_000
                assert (line.run.models, line.run.configuration_sha256) == (
                    ORIGIN.models,
                    ORIGIN.configuration_sha256,
                )
    first, second = (line.run.person for line in read_false_alarms([file.path]).lines)
    assert first == second
    assert b"zoe" not in file.path.read_bytes()
