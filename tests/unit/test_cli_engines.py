import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from clients.cli import engines as cli
from clients.cli.main import main
from engines.build.sets import ENGINES_VARIABLE
from tests.support.engine_builds import FakeBackend, MissingBackend, tiny_sources, use_backends


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A cache of its own, tiny models, and ONNX Runtime as the only backend."""
    folder = tmp_path / "cache"
    monkeypatch.setenv(ENGINES_VARIABLE, str(folder))
    monkeypatch.setattr(cli, "read_sources", lambda _store, _checkpoint, _threads: tiny_sources())
    use_backends(monkeypatch, FakeBackend(), MissingBackend("openvino"), MissingBackend("tensorrt"))
    return folder


def run(*arguments):
    return CliRunner().invoke(main, ["engines", *arguments])


BUILD = ("build", "--no-clips", "--backend", "onnxruntime")


def test_build_says_what_it_did_and_finds_it_again(root):
    first = run(*BUILD, "--json")
    assert first.exit_code == 0, first.output
    result = json.loads(first.stdout)
    assert result["written"] is True
    assert Path(result["folder"]).parent == root
    assert result["engines"]["vad"]["parity"]["comparisons"][0]["tolerance"] == 1e-4
    again = json.loads(run(*BUILD, "--json").stdout)
    assert again["written"] is False
    assert len(again["reused"]) == 7

    table = run(*BUILD).stdout
    assert "onnxruntime runs everything" in table
    assert "identity fp32" in table
    assert "unchanged in" in table
    assert "only noise was compared" in table


def test_auto_names_what_it_chose_and_missing_backends_are_named(root):
    chosen = run("build", "--no-clips")
    assert chosen.exit_code == 0, chosen.output
    assert "auto: onnxruntime runs everything" in chosen.stdout
    missing = run("build", "--no-clips", "--backend", "openvino")
    assert missing.exit_code == 1
    assert "openvino is not installed" in missing.stderr
    assert "fix: Install openvino." in missing.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--backend", "abacus"), "There is no 'abacus'"),
        (("--precision", "fp8"), "There is no 'fp8'"),
        (("--precision", "nose=fp32"), "There is no role 'nose'"),
        (("--clips", "x.mp4"), "exclude each other"),
    ],
)
def test_wrong_options_are_usage_errors(root, arguments, message):
    failed = run("build", "--no-clips", *arguments)
    assert failed.exit_code == 2
    assert message in failed.stderr
    assert not root.exists()


def test_a_precision_that_the_backend_lacks_is_refused(root, monkeypatch):
    fake = FakeBackend()
    fake.precisions = frozenset({"fp32"})
    use_backends(monkeypatch, fake)
    failed = run(*BUILD, "--precision", "vad=int8")
    assert failed.exit_code == 1
    assert "does not build vad in int8" in failed.stderr


def test_int8_without_clips_of_people_is_warned_about(root):
    warned = run(*BUILD, "--precision", "speech=int8")
    assert warned.exit_code == 0, warned.output
    assert "int8 is judged on no real person" in warned.stderr
    assert "speech: Its ranges were chosen by made-up inputs." in warned.stdout
    assert "int8 is judged" not in run(*BUILD).stderr


def test_an_engine_that_is_too_far_ends_with_the_reason_and_no_set(root, monkeypatch):
    use_backends(monkeypatch, FakeBackend(spoil=lambda array: -array))
    failed = run(*BUILD)
    assert failed.exit_code == 1
    assert "too far from its reference" in failed.stderr
    assert list(root.iterdir() if root.exists() else ()) == []


def test_list_tells_what_fits_what_does_not_and_what_is_damaged(root, monkeypatch):
    assert json.loads(run("list", "--json").stdout) == []
    here = json.loads(run(*BUILD, "--json").stdout)["folder"]
    use_backends(monkeypatch, FakeBackend(fingerprint="cpu two; library 2"))
    run(*BUILD)
    use_backends(monkeypatch, FakeBackend())
    broken = json.loads(run(*BUILD, "--max-batch", "3", "--json").stdout)["folder"]
    (Path(broken) / "engines.json").write_text("{}")

    rows = {row["folder"]: row for row in json.loads(run("list", "--json").stdout)}
    assert len(rows) == 3
    assert rows[here]["state"] == "fits"
    assert (rows[here]["backend"], rows[here]["precision"], rows[here]["device"]) == (
        "onnxruntime",
        "fp32",
        "cpu",
    )
    assert rows[broken]["state"] == "damaged"
    assert sorted(row["state"] for row in rows.values()) == ["damaged", "does not fit", "fits"]
    table = run("list").stdout
    assert "was built for cpu two; library 2" in table
    assert Path(here).name in table


def test_inspect_shows_the_contract_by_path_and_by_name(root):
    folder = Path(json.loads(run(*BUILD, "--json").stdout)["folder"])
    shown = run("inspect", folder.name)
    assert shown.exit_code == 0
    assert "input mel: float32 (?, 2 * ?, 80)" in shown.stdout
    assert "It fits this host." in shown.stdout
    content = json.loads(run("inspect", str(folder), "--json").stdout)
    assert content["misfits"] == []
    assert content["windows"]["length_ticks"] == 25
    assert content["rebuild"].startswith("seamwatch engines build --backend onnxruntime")
    assert content["rebuild"].endswith(f"--out {folder}")
    missing = run("inspect", "nothing-here")
    assert missing.exit_code == 1
    assert "There is no set of engines" in missing.stderr


def test_verify_refuses_damage_with_the_command(root):
    folder = Path(json.loads(run(*BUILD, "--json").stdout)["folder"])
    (folder / "vad" / "graph.onnx").write_bytes(b"x")
    failed = run("verify", str(folder))
    assert failed.exit_code == 1
    assert "graph.onnx is damaged" in failed.stderr
    assert f"--out {folder}" in failed.stderr


def test_verify_refuses_another_checkpoint(root, monkeypatch):
    folder = Path(json.loads(run(*BUILD, "--json").stdout)["folder"])
    sources = tiny_sources()
    other = replace(sources, checkpoint=sources.checkpoint.model_copy(update={"sha256": "d" * 64}))
    monkeypatch.setattr(cli, "read_sources", lambda *_: other)
    failed = run("verify", str(folder))
    assert failed.exit_code == 1
    assert "is another one than the set was built from" in failed.stderr


_SLOW_BUILD = """
import sys, time
from engines.build import builder
from clients.cli import engines as cli
from tests.support import engine_builds
cli.read_sources = lambda *_: engine_builds.tiny_sources()
def slow(*_):
    print("comparing", flush=True)
    time.sleep(600)
builder.measure_parity = slow
from clients.cli.main import main
sys.argv = ["seamwatch", "engines", "build", "--no-clips", "--backend", "onnxruntime", "--out", sys.argv[1]]
main()
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 130), (signal.SIGINT, 130), (signal.SIGKILL, -9)]
)
def test_a_build_that_is_ended_leaves_nothing(tmp_path, number, code):
    process = subprocess.Popen(
        [sys.executable, "-c", _SLOW_BUILD, str(tmp_path / "set")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, ENGINES_VARIABLE: str(tmp_path / "cache")},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"comparing\n"
    process.send_signal(number)
    process.communicate()
    assert process.returncode == code
    assert list(tmp_path.iterdir()) == []


def test_real_models_are_built_verified_and_keep_their_verdict(
    model_store, genuine_clip, tmp_path, monkeypatch
):
    monkeypatch.setenv(ENGINES_VARIABLE, str(tmp_path))
    built = run(
        "build", "--backend", "onnxruntime", "--clips", str(genuine_clip), "--max-batch", "2", "--json"
    )
    assert built.exit_code == 0, built.output
    result = json.loads(built.stdout)
    for role, record in result["engines"].items():
        kinds = {(one["reference"], one["inputs"]) for one in record["parity"]["comparisons"]}
        assert ("onnx", "recorded") in kinds, role
    verified = run("verify", result["folder"], "--clips", str(genuine_clip), "--json")
    assert verified.exit_code == 0, verified.output
    report = json.loads(verified.stdout)
    assert report["passed"] is True
    assert report == json.loads((Path(result["folder"]) / "parity.json").read_text())
    (clip,) = report["clips"]
    assert clip["verdict"] == clip["reference_verdict"] == "genuine"
    assert clip["largest_change"] < 1e-3
