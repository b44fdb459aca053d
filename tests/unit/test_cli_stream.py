"""``seamwatch stream`` and ``watch`` against a scripted monitor."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from clients.cli import broadcast
from clients.cli import watch as watch_module
from clients.cli.main import main
from clients.subscriber import SubscriptionError
from realtime.errors import MediaError, SignallingError
from realtime.server.wire import MESSAGE, Message
from tests.support.wire_messages import alert, hello, joined, left, score

BASE = "http://monitor.example:1"


class Monitor:
    """A monitor that says what a test scripts, and remembers what was asked of it."""

    def __init__(self) -> None:
        self.script: list[Message | BaseException] = [hello()]
        self.published: list[tuple[str, Path, dict[str, Any]]] = []
        self.subscriptions: list[tuple[str, dict[str, Any]]] = []
        self.torn: set[str] = set()
        self.refused: set[str] = set()

    def subscriber(self, url: str, **options: Any) -> Monitor:
        self.subscriptions.append((url, options))
        return self

    async def messages(self) -> AsyncGenerator[Message, None]:
        for item in self.script:
            if isinstance(item, BaseException):
                raise item
            yield item
        await asyncio.Event().wait()

    async def publish(self, url: str, path: Path, **options: Any) -> None:
        self.published.append((url, path, options))
        if path.name in self.torn:
            raise MediaError(f"{path.name} is torn.", fix="Mend it.")
        if path.name in self.refused:
            raise SignallingError("The call is full.", fix="Wait.", status=503)
        await asyncio.sleep(0)


@pytest.fixture
def monitor(monkeypatch: pytest.MonkeyPatch) -> Monitor:
    made = Monitor()
    monkeypatch.delenv("SEAMWATCH_TOKEN", raising=False)
    monkeypatch.setattr(broadcast, "publish_file", made.publish)
    monkeypatch.setattr(broadcast, "Subscriber", made.subscriber)
    monkeypatch.setattr(broadcast, "LAST_SCORES_S", 0.0)
    monkeypatch.setattr(watch_module, "Subscriber", made.subscriber)
    return made


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    for name in ("anna.mp4", "ben.mp4"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "anna.mp4").write_bytes(b"")
    return tmp_path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def stream(*arguments: str | Path) -> Result:
    return run("stream", "--to", BASE, *arguments)


def test_every_file_becomes_a_participant_of_its_own(monitor: Monitor, clips: Path) -> None:
    monitor.script += [joined("anna"), score("anna", verdict="fake"), alert("anna"), left("anna")]
    result = stream(
        clips / "anna.mp4", clips / "other" / "anna.mp4", "--token", "t", "--size", "320x240", "--loop"
    )
    assert result.exit_code == 0, result.output
    options = {"loop": True, "token": "t", "width": 320, "height": 240}
    assert monitor.published == [
        (f"{BASE}/whip/stream/anna", clips / "anna.mp4", options),
        (f"{BASE}/whip/stream/anna-2", clips / "other" / "anna.mp4", options),
    ]
    assert monitor.subscriptions == [("ws://monitor.example:1/alerts", {"token": "t", "call": "stream"})]
    assert "stream/anna ALERT" in result.stdout
    assert result.stdout.splitlines()[-1] == "2 of 2 files sent to their end."


def test_json_output_is_the_wire_messages_and_nothing_else(monitor: Monitor, clips: Path) -> None:
    monitor.script += [joined("anna"), score("anna", score=None), alert("anna")]
    result = stream("--json", clips / "anna.mp4", clips / "absent.mp4")
    assert result.exit_code == 3
    assert [MESSAGE.validate_json(line) for line in result.stdout.splitlines()] == monitor.script


def test_an_unreadable_file_stops_no_other(monitor: Monitor, clips: Path) -> None:
    monitor.torn.add("anna.mp4")
    result = stream(clips / "anna.mp4", clips / "absent.mp4", clips / "ben.mp4")
    assert result.exit_code == 3
    assert [path.name for _, path, _ in monitor.published] == ["anna.mp4", "ben.mp4"]
    assert "anna: anna.mp4 is torn." in result.stderr
    assert "absent" in result.stderr
    assert "1 of 3 files" in result.stdout


def test_a_refused_participant_is_a_stated_fault(monitor: Monitor, clips: Path) -> None:
    monitor.refused.add("ben.mp4")
    result = stream(clips / "anna.mp4", clips / "ben.mp4")
    assert result.exit_code == 1
    assert "ben: The call is full." in result.stderr
    assert "anna:" not in result.stderr


def test_nothing_is_published_to_a_monitor_that_does_not_answer(monitor: Monitor, clips: Path) -> None:
    monitor.script = [SubscriptionError("No monitor answers.", fix="Start it.")]
    result = stream(clips / "anna.mp4")
    assert result.exit_code == 1
    assert monitor.published == []
    assert result.stderr.count("No monitor answers.") == 1
    assert result.stdout == ""
    assert "Traceback" not in result.output


def test_the_end_waits_for_the_last_scores_but_no_longer_than_everyone_is_there(
    monitor: Monitor, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "LAST_SCORES_S", 1e6)
    monitor.script += [joined("anna"), score("anna"), left("anna")]
    monitor.torn.add("ben.mp4")
    assert stream(clips / "anna.mp4", clips / "ben.mp4").exit_code == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ["--size", "640"],
        ["--size", "641x480"],
        ["--size", "0x0"],
        ["--call", "a b"],
        ["--call", ".."],
        ["--to", "x"],
    ],
)
def test_usage_faults(monitor: Monitor, clips: Path, arguments: list[str]) -> None:
    assert stream(clips / "anna.mp4", *arguments).exit_code == 2
    assert monitor.published == []


def test_watch_prints_alerts_and_on_request_the_rest(monitor: Monitor) -> None:
    monitor.script += [joined("anna"), score("anna"), alert("anna"), KeyboardInterrupt()]
    alerts = run("watch", BASE, "--call", "board", "--after", "5")
    assert alerts.exit_code == 0
    assert len(alerts.stdout.splitlines()) == 1
    assert "stream/anna ALERT" in alerts.stdout
    everything = run("watch", BASE, "--scores")
    assert len(everything.stdout.splitlines()) == 3
    assert monitor.subscriptions == [
        ("ws://monitor.example:1/alerts", {"token": None, "call": "board", "after": 5}),
        ("ws://monitor.example:1/alerts", {"token": None, "call": None, "after": None}),
    ]


def test_watch_json_passes_messages_on(monitor: Monitor) -> None:
    monitor.script += [score("anna"), alert("anna"), KeyboardInterrupt()]
    (only,) = run("watch", "--json", BASE).stdout.splitlines()
    assert json.loads(only)["seq"] == 7
    assert len(run("watch", "--json", "--scores", BASE).stdout.splitlines()) == 3


def test_watch_without_a_monitor(monitor: Monitor) -> None:
    monitor.script = [SubscriptionError("No monitor answers.", fix="Start it.")]
    result = run("watch", BASE)
    assert result.exit_code == 1
    assert "fix: Start it." in result.stderr
