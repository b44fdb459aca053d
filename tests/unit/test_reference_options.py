"""``--reference`` on the command line: how it is written, what is refused, and what is told at the end."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from clients.cli import demo as demo_module
from clients.cli import server_options
from clients.cli.main import main
from clients.cli.reference_options import reference_file
from realtime.errors import ConfigurationError


class Server:
    """Takes the place of ``run_server``; a participant named alice comes to the standup."""

    def __init__(self) -> None:
        self.references = None

    async def run(self, *, references, ready, **_options) -> None:
        self.references = references
        ready("http://127.0.0.1:1")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Server:
    made = Server()
    monkeypatch.delenv("SEAMWATCH_TOKEN", raising=False)
    monkeypatch.setattr(server_options, "default_store", lambda: tmp_path / "alerts.sqlite3")
    monkeypatch.setattr(server_options, "run_server", made.run)
    monkeypatch.setattr(demo_module, "run_server", made.run)
    return made


def serve(*arguments, tmp_path):
    return CliRunner().invoke(main, ["serve", "--store", str(tmp_path / "a.sqlite3"), *arguments])


@pytest.mark.parametrize(
    ("text", "name", "path"),
    [
        ("alice=alice.jpg", "alice", "alice.jpg"),
        ("standup/alice=photos/a.png", "standup/alice", "photos/a.png"),
        ("alice=a=b.jpg", "alice", "a=b.jpg"),
        ("Alice B.=a.jpg", "Alice B.", "a.jpg"),
    ],
)
def test_a_name_and_a_file_are_read(text, name, path):
    parsed = reference_file(text)
    assert (parsed.name, parsed.path) == (name, Path(path))


@pytest.mark.parametrize("text", ["alice.jpg", "=alice.jpg", "alice=", "", "="])
def test_what_names_no_participant_or_no_file_is_refused(text):
    with pytest.raises(ConfigurationError):
        reference_file(text)


def test_serve_hands_the_references_on_and_tells_which_were_not_used(server, tmp_path):
    result = serve("--reference", "alice=a.jpg", "--reference", "bob=b.jpg", tmp_path=tmp_path)
    assert result.exit_code == 0, result.output
    assert server.references.unused == ("alice", "bob")
    assert "nobody named alice came" in result.stderr
    assert "nobody named bob came" in result.stderr


def test_without_references_nothing_is_told(server, tmp_path):
    result = serve(tmp_path=tmp_path)
    assert result.exit_code == 0, result.output
    assert server.references.unused == ()
    assert "nobody named" not in result.stderr


@pytest.mark.parametrize("arguments", [("alice.jpg",), ("alice=a.jpg", "--reference", "alice=b.jpg")])
def test_a_reference_that_cannot_be_meant_is_a_usage_error(server, tmp_path, arguments):
    result = serve("--reference", *arguments, tmp_path=tmp_path)
    assert result.exit_code == 2
    assert "fix:" in result.stderr
    assert server.references is None


@pytest.mark.parametrize("command", ["serve", "join", "demo", "scan"])
def test_the_option_speaks_of_consent(command):
    result = CliRunner().invoke(main, [command, "--help"])
    assert "--reference" in result.output
    assert "consent" in result.output
