"""``seamwatch serve`` and ``demo`` with a monitor that only remembers how it was started."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from clients import web
from clients.cli import demo as demo_module
from clients.cli import demo_call, server_options
from clients.cli.broadcast import Fault, Part
from clients.cli.demo_call import DemoCall
from clients.cli.main import main
from engines.store.store import FileState
from realtime.decisions import DecisionChoice
from realtime.errors import ConfigurationError, MediaError
from realtime.evidence.keeping import Keeping

URL = "http://127.0.0.1:5"


class Server:
    """Stands for the monitor: says where it is, then runs until it is told to end."""

    def __init__(self) -> None:
        self.options: dict[str, Any] = {}
        self.fails_with: Exception | None = None
        self.ends_at_once = False
        self.stopped = False

    async def run(self, *, ready: Callable[[str], None], **options: Any) -> None:
        self.options = options
        if self.fails_with is not None:
            raise self.fails_with
        ready(URL)
        try:
            if not self.ends_at_once:
                await asyncio.Event().wait()
        finally:
            self.stopped = True


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server()
    monkeypatch.delenv("SEAMWATCH_TOKEN", raising=False)
    monkeypatch.delenv("SEAMWATCH_VIEWER_TOKEN", raising=False)
    monkeypatch.setattr(server_options, "run_server", made.run)
    monkeypatch.setattr(demo_module, "run_server", made.run)
    return made


def run(*arguments: str | Path, **environment: str) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)), env=environment)


def test_serve_says_where_it_is_and_passes_its_options_on(server: Server, tmp_path: Path) -> None:
    server.ends_at_once = True
    store = tmp_path / "new" / "alerts.sqlite3"
    result = run(
        "serve", "--port", 0, "--store", store, "--no-thumbnails", "--max-participants", 3, "--threads", 2
    )
    assert result.exit_code == 0, result.output
    assert result.stdout == f"Seamwatch is running on {URL} (Ctrl-C ends it)\n"
    assert server.options.pop("references").unused == ()
    assert server.options == {
        "host": "127.0.0.1",
        "port": 0,
        "token": None,
        "viewer_token": None,
        "store_path": store,
        "models_dir": None,
        "engines_dir": None,
        "static_dir": web.FOLDER,
        "thumbnails": False,
        "max_participants": 3,
        "threads": 2,
        "companions": (),
        "followers": [],
        "keeping": Keeping(evidence=None, days=30.0),
        "feedback": None,
        "deciding": DecisionChoice(),
    }
    assert store.parent.is_dir()


@pytest.mark.parametrize("command", [["serve"], ["join", "janus://host:8188/room/1234"]])
def test_evidence_is_kept_where_it_is_asked_for(server: Server, tmp_path: Path, command: list[str]) -> None:
    server.ends_at_once = True
    folder = tmp_path / "evidence"
    given = ["--store", tmp_path / "a", "--port", 0, "--keep-evidence", folder, "--keep-for", 7]
    assert run(*command, *given).exit_code == 0
    assert server.options["keeping"] == Keeping(evidence=folder, days=7.0)
    assert run(*command, "--keep-for", 0).exit_code == 2


def test_join_runs_the_same_monitor_with_the_calls_beside_it(server: Server, tmp_path: Path) -> None:
    server.ends_at_once = True
    result = run("join", "janus://host:8188/room/1234", "--store", tmp_path / "a", "--port", 0)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"Seamwatch is running on {URL} (Ctrl-C leaves the call)\n"
    assert len(server.options["companions"]) == len(server.options["followers"]) == 1
    alerts_only = run("join", "peerjs://host/?id=m", "--store", tmp_path / "a", "--alerts", "stdout")
    assert alerts_only.stdout == ""
    assert len(server.options["followers"]) == 2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "Name one call"),
        (["janus://h/room/1", "--config", "calls.toml"], "Name one call"),
        (["--config", "calls.toml", "--pin", "1"], "belong to one call"),
        (["--config", "calls.toml"], "Two calls are named 1"),
        (["ftp://h"], "names no call that can be joined"),
        (["janus://h/room/1", "--alerts", "https://alerts.example"], "needs a key"),
    ],
)
def test_join_refuses_what_names_no_call_or_two(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("calls.toml").write_text('[[call]]\nurl = "janus://h/room/1"\n' * 2, encoding="utf-8")
    result = run("join", *arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert "fix:" in result.stderr
    assert server.options == {}


@pytest.mark.parametrize("token", [[], ["--token", ""], ["--token", "with space"]])
def test_other_machines_are_let_in_with_a_token_only(
    server: Server, tmp_path: Path, token: list[str]
) -> None:
    result = run("serve", "--host", "0.0.0.0", "--store", tmp_path / "a", *token)
    assert result.exit_code == 2
    assert "fix:" in result.stderr
    assert server.options == {}


def test_the_token_may_come_from_the_environment(server: Server, tmp_path: Path) -> None:
    server.ends_at_once = True
    result = run("serve", "--host", "0.0.0.0", "--store", tmp_path / "a", SEAMWATCH_TOKEN="s3cret")
    assert result.exit_code == 0
    assert server.options["token"] == "s3cret"


@pytest.mark.parametrize("command", [["serve"], ["join", "janus://host:8188/room/1234"]])
def test_viewers_and_the_feedback_file_are_passed_on(
    server: Server, tmp_path: Path, command: list[str]
) -> None:
    server.ends_at_once = True
    file = tmp_path / "feedback.jsonl"
    result = run(
        *command, "--store", tmp_path / "a", "--port", 0, "--feedback", file,
        SEAMWATCH_TOKEN="s3cret", SEAMWATCH_VIEWER_TOKEN="l00k",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert (server.options["token"], server.options["viewer_token"]) == ("s3cret", "l00k")
    assert server.options["feedback"].path == file


@pytest.mark.parametrize("operator", [[], ["--token", "l00k"]])
def test_a_viewers_token_must_be_told_from_an_operators(
    server: Server, tmp_path: Path, operator: list[str]
) -> None:
    result = run("serve", "--store", tmp_path / "a", "--viewer-token", "l00k", *operator)
    assert result.exit_code == 2
    assert "fix:" in result.stderr
    assert server.options == {}


def test_a_store_that_cannot_be_is_a_usage_fault(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert run("serve", "--store", tmp_path / "file" / "alerts").exit_code == 2


def test_a_taken_port_is_a_usage_fault(server: Server, tmp_path: Path) -> None:
    server.fails_with = ConfigurationError("Port 8080 is taken.", fix="Choose another.")
    result = run("serve", "--store", tmp_path / "a")
    assert result.exit_code == 2
    assert "Port 8080 is taken." in result.stderr


def test_an_interrupt_is_the_ordinary_end(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def interrupted(**_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(server_options, "run_server", interrupted)
    assert run("serve", "--store", tmp_path / "a").exit_code == 0


class Models:
    """A model store that holds everything but what a test takes away."""

    missing: str | None = None

    def pull(self, *, progress: Any) -> list[Any]:
        attempt = SimpleNamespace(source="somewhere", failure="did not answer")
        return [
            SimpleNamespace(
                model=SimpleNamespace(name=name),
                state=FileState.MISSING if name == self.missing else FileState.PRESENT,
                attempts=(attempt,),
            )
            for name in ("yunet", "sface")
        ]


@pytest.fixture
def clips(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Path, Path]:
    monkeypatch.setattr(demo_module, "ModelStore", Models)
    pair = (tmp_path / "real.mp4", tmp_path / "fake.mp4")
    for path in pair:
        path.write_bytes(b"")
    return pair


def cast(monkeypatch: pytest.MonkeyPatch, faults: list[Fault], *, forever: bool = False) -> list[Any]:
    """Replace sending: remember what was sent, then end with faults or run on."""
    sent: list[Any] = []

    async def broadcast(parts: list[Part], where: Any, sending: Any, on_message: Any) -> list[Fault]:
        sent.append((parts, where.http, sending))
        if forever:
            await asyncio.Event().wait()
        return faults

    monkeypatch.setattr(demo_module, "broadcast", broadcast)
    return sent


def demo(clips: tuple[Path, Path], *arguments: str) -> Result:
    return run("demo", "--clip", clips[0], "--tampered", clips[1], *arguments)


def test_demo_streams_both_clips_into_its_own_monitor(
    server: Server, clips: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = cast(monkeypatch, [])
    result = demo(clips, "--no-loop", "--port", "0")
    assert result.exit_code == 0, result.output
    ((parts, address, sending),) = sent
    assert [(part.name, part.path) for part in parts] == [("genuine", clips[0]), ("exchanged", clips[1])]
    assert (address, sending.call, sending.loop) == (URL, "demo", False)
    assert "real.mp4" in result.stdout
    assert URL in result.stdout
    assert server.options["host"] == "127.0.0.1"
    assert server.stopped


def test_demo_ends_by_itself_when_told(
    server: Server, clips: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = cast(monkeypatch, [], forever=True)
    assert demo(clips, "--exit-after", "1").exit_code == 0
    assert sent[0][2].loop
    assert server.stopped


def test_demo_ends_with_its_monitor(
    server: Server, clips: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    cast(monkeypatch, [], forever=True)
    server.ends_at_once = True
    assert demo(clips).exit_code == 0


def test_demo_reports_a_monitor_that_cannot_start(
    server: Server, clips: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = cast(monkeypatch, [])
    server.fails_with = ConfigurationError("Port 8080 is taken.", fix="Choose another.")
    result = demo(clips)
    assert result.exit_code == 2
    assert "Port 8080 is taken." in result.stderr
    assert sent == []


def test_demo_reports_a_clip_that_cannot_be_read(
    server: Server, clips: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    torn = Fault(part=Part(name="genuine", path=clips[0]), error=MediaError("It is torn.", fix="Mend it."))
    cast(monkeypatch, [torn])
    result = demo(clips)
    assert result.exit_code == 3
    assert "genuine: It is torn." in result.stderr


def test_demo_needs_both_clips_before_it_fetches_anything(
    server: Server, clips: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Models, "pull", lambda *_, **__: pytest.fail("models were fetched"))
    assert run("demo", "--clip", clips[0]).exit_code == 2
    assert run("demo", "--clip", clips[0], "--tampered", "absent.mp4").exit_code == 3


def test_demo_needs_its_models(
    server: Server, clips: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Models, "missing", "sface")
    result = demo(clips)
    assert result.exit_code == 1
    assert "sface" in result.stderr
    assert "did not answer" in result.stderr


def test_a_made_pair_says_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def demo_pair(clips_dir: Path | None, out_dir: Path, **options: Any) -> Any:
        asked.update(clips_dir=clips_dir, out_dir=out_dir, seconds=options["seconds"])
        options["progress"]("writing", 0.5)
        return SimpleNamespace(
            genuine=out_dir / "a",
            tampered=out_dir / "b",
            description="drawn heads",
        )

    monkeypatch.setattr(demo_call, "demo_pair", demo_pair)
    call = demo_call.prepare_call(None, None, tmp_path / "clips", tmp_path, 20)
    assert asked == {"clips_dir": tmp_path / "clips", "out_dir": tmp_path, "seconds": 20}
    assert call == DemoCall(genuine=tmp_path / "a", tampered=tmp_path / "b", about="drawn heads")
