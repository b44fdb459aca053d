"""``seamwatch evidence``: exit codes, and what is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from clients.cli.main import main
from realtime.evidence.bundle import bundle_files
from realtime.evidence.folder import EvidenceFolder
from tests.support.evidence_bundles import Stream, item_of, provenance_for


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["evidence", *map(str, arguments)])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "evidence"
    with EvidenceFolder(root) as folder:
        for seed, lost in ((0, 0), (1, 3)):
            item = item_of(Stream(seed=seed), participant="ann\x1b[31m")
            files = bundle_files(item, provenance_for())
            folder.add(files, call="standup", state="alert", lost_before=lost)
    return root


def head_of(root: Path) -> str:
    return json.loads(run("verify", root, "--json").stdout)["head"]


def test_good_evidence_is_called_good_with_its_head(root: Path) -> None:
    result = run("verify", root)
    assert result.exit_code == 0, result.output
    assert f"{root}: good" in result.stdout
    assert "standup/000002-alert: unchanged, and its scores follow from its embeddings" in result.stdout
    assert "standup/000002-alert: 3 before it could not be kept" in result.stdout
    assert f"head: {head_of(root)}" in result.stdout


def test_what_was_changed_is_told_with_its_file(root: Path) -> None:
    trace = root / "standup" / "000001-alert" / "trace.csv"
    trace.write_bytes(trace.read_bytes().replace(b"ok", b"no") + b"\n")
    result = run("verify", root)
    assert result.exit_code == 1
    assert "standup/000001-alert: trace.csv was changed" in result.stdout
    (told,) = [json.loads(line) for line in run("verify", root, "--json").stdout.splitlines()]
    assert told["good"] is False
    assert [bundle["good"] for bundle in told["bundles"]] == [False, True]
    assert told["bundles"][0]["findings"] == [{"file": "trace.csv", "fault": "was changed"}]


def test_a_noted_head_proves_that_nothing_before_it_was_rewritten(root: Path) -> None:
    noted = head_of(root)
    with EvidenceFolder(root) as folder:
        folder.add(bundle_files(item_of(Stream(seed=5)), provenance_for()), call="standup", state="alert")
    assert run("verify", root, "--head", noted).exit_code == 0
    result = run("verify", root, "--head", "0" * 64)
    assert result.exit_code == 1
    assert "the noted head is not in the chain" in result.stdout
    assert run("verify", root, "--head", "nonsense").exit_code == 2


def test_what_is_no_evidence_stops_no_other(root: Path, tmp_path: Path) -> None:
    result = run("verify", tmp_path, root)
    assert result.exit_code == 3
    assert "holds no evidence" in result.stderr
    assert f"{root}: good" in result.stdout
    assert run("list", tmp_path).exit_code == 1
    assert run("verify").exit_code == 2


def test_list_shows_every_bundle_safely(root: Path) -> None:
    result = run("list", root)
    assert result.exit_code == 0
    assert "standup/000001-alert" in result.stdout
    assert "\x1b[31m" not in result.stdout
    assert head_of(root) in result.stdout
    rows = [json.loads(line) for line in run("list", root, "--json").stdout.splitlines()]
    assert [row["bundle"] for row in rows] == ["standup/000001-alert", "standup/000002-alert"]
    assert rows[0]["reasons"] == ["identity_changed"]


def test_a_packed_bundle_verifies_elsewhere(root: Path, tmp_path: Path) -> None:
    packed = tmp_path / "for-anna.zip"
    result = run("pack", root / "standup" / "000002-alert", "--out", packed)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{packed}\n"
    assert run("verify", packed, "--head", head_of(root)).exit_code == 0
    assert run("pack", root / "standup" / "000002-alert", "--out", packed).exit_code == 1
    assert run("pack", root).exit_code == 1
