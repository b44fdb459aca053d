"""``seamwatch serve --workers`` with a monitor that only remembers how it was started."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from clients.cli import server_options
from clients.cli.main import main
from realtime.decisions import DecisionChoice
from realtime.evidence.keeping import Keeping

URL = "http://127.0.0.1:5"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The options of the front that was started."""
    made: dict[str, Any] = {}

    async def run_front(*, ready: Callable[[str], None], **options: Any) -> None:
        made.update(options)
        ready(URL)

    async def run_server(**_: Any) -> None:
        made["one_process"] = True

    monkeypatch.delenv("SEAMWATCH_TOKEN", raising=False)
    monkeypatch.delenv("SEAMWATCH_VIEWER_TOKEN", raising=False)
    monkeypatch.setattr(server_options, "run_front", run_front)
    monkeypatch.setattr(server_options, "run_server", run_server)
    for module in ("serve", "server_options"):
        monkeypatch.setattr(f"clients.cli.{module}.usable_processors", lambda: 6)
    return made


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_everything_reaches_the_front_or_its_workers(started: dict[str, Any], tmp_path: Path) -> None:
    evidence, store = tmp_path / "evidence", tmp_path / "alerts"
    result = run(
        "--log-level", "info", "--log-format", "json", "serve", "--workers", 3, "--store", store,
        "--token", "s3cret", "--viewer-token", "l00k", "--max-participants", 30, "--no-thumbnails",
        "--keep-evidence", evidence, "--keep-media", "--reference", "ann=a.jpg", "--host", "0.0.0.0",
        "--false-alarms-per-hour", 0.1,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.stdout == f"Seamwatch is running on {URL} (Ctrl-C ends it)\n"
    assert "nobody named ann came" in result.stderr
    settings = started.pop("settings")
    assert settings.references.unused == ("ann",)
    assert settings.deciding == DecisionChoice(false_alarms_per_hour=0.1)
    assert (settings.keep_evidence, settings.keep_media, settings.thumbnails) == (True, True, False)
    assert (settings.max_participants, settings.threads) == (30, 2)
    assert (settings.log_format, settings.log_level) == ("json", 20)
    assert started["keeping"] == Keeping(evidence=evidence, days=30.0, media=True)
    assert (started["workers"], started["host"], started["store_path"]) == (3, "0.0.0.0", store)
    assert (started["token"], started["viewer_token"]) == ("s3cret", "l00k")


@pytest.mark.parametrize(
    ("given", "threads"), [((), 1), (("--threads", 3), 3)], ids=["processors shared", "as asked"]
)
def test_each_worker_has_its_share_of_the_processors(
    started: dict[str, Any], tmp_path: Path, given: tuple[str, ...], threads: int
) -> None:
    assert run("serve", "--workers", 8, "--store", tmp_path / "a", *given).exit_code == 0
    assert started["settings"].threads == threads


def test_one_worker_is_one_process(started: dict[str, Any], tmp_path: Path) -> None:
    assert run("serve", "--workers", 1, "--store", tmp_path / "a").exit_code == 0
    assert started == {"one_process": True}


@pytest.mark.parametrize(
    "refused",
    [
        ("serve", "--workers", 0),
        ("serve", "--workers", 2, "--host", "0.0.0.0"),
        ("serve", "--workers", 2, "--engines", "a", "--backend", "auto"),
        ("join", "janus://host:8188/room/1234", "--workers", 2),
        ("demo", "--workers", 2),
    ],
)
def test_what_cannot_be_is_refused(started: dict[str, Any], refused: tuple[str, ...]) -> None:
    assert run(*refused).exit_code == 2
    assert started == {}
