import functools
import hashlib
import json

import pytest
from click.testing import CliRunner

from clients.cli import models as cli
from engines.errors import ModelStoreError
from engines.spec import Role
from engines.store.catalogue import PinnedModel
from engines.store.store import SOURCE_VARIABLE, STORE_VARIABLE, ModelStore

CONTENT = b"model" * 100


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the command group over a store with one small model that only a folder can deliver."""
    model = PinnedModel(
        name="small",
        role=Role.VAD,
        file_name="small.bin",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        size_bytes=len(CONTENT),
        licence="MIT",
        sources=(),
    )
    monkeypatch.setattr(cli, "ModelStore", functools.partial(ModelStore, catalogue=[model]))
    monkeypatch.setenv(STORE_VARIABLE, str(tmp_path / "store"))
    monkeypatch.delenv(SOURCE_VARIABLE, raising=False)
    return lambda *arguments: CliRunner().invoke(cli.models, arguments)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "small.bin").write_bytes(CONTENT)
    return path


def test_pull_says_where_a_model_came_from_and_list_shows_it(run, folder, tmp_path):
    pulled = run("pull", "--from", str(folder))
    assert pulled.exit_code == 0
    assert pulled.stdout == ""
    assert f"small: fetched from folder {folder}" in pulled.stderr
    assert "small: present" in run("pull", "small").stderr

    (row,) = json.loads(run("list", "--json").stdout)
    assert row["state"] == "present"
    assert row["file"] == str(tmp_path / "store" / "small.bin")
    table = run("list").stdout
    assert "small" in table
    assert "present" in table


def test_pull_fails_with_the_reason_of_every_source(run, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    failed = run("pull", "--from", str(empty))
    assert failed.exit_code == 3
    assert f"small: not from folder {empty}: No such file or directory" in failed.stderr
    assert "fix:" in failed.stderr


def test_verify_tells_missing_damaged_and_sound(run, folder, tmp_path):
    missing = run("verify")
    assert (missing.exit_code, missing.stdout) == (3, "small: missing\n")
    assert "seamwatch models pull" in missing.stderr

    run("pull", "--from", str(folder))
    sound = run("verify")
    assert (sound.exit_code, sound.stdout, sound.stderr) == (0, "small: present\n", "")

    (tmp_path / "store" / "small.bin").write_bytes(b"MODEL" * 100)
    damaged = run("verify")
    assert (damaged.exit_code, damaged.stdout) == (3, "small: damaged\n")


def test_an_unknown_model_is_refused(run):
    assert isinstance(run("pull", "nose").exception, ModelStoreError)
