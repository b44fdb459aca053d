import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from engines.build import builder, folder, sets
from engines.build.evidence import made_up
from engines.build.opening import open_engines
from engines.build.record import Windows
from engines.build.sources import build_request
from engines.build.verification import ParityError
from engines.errors import EngineError
from engines.spec import Role
from tests.support.engine_builds import (
    WINDOWS,
    FakeBackend,
    MissingBackend,
    build,
    plan_for,
    recorded,
    set_request,
    tiny_sources,
    use_backends,
)


@pytest.fixture
def backend(monkeypatch):
    fake = FakeBackend()
    use_backends(monkeypatch, fake)
    return fake


def everything(path):
    return sorted(str(item.relative_to(path)) for item in path.rglob("*"))


def test_a_set_is_written_with_what_it_depends_on_and_opens(backend, tmp_path):
    request = set_request()
    result = build(request, tmp_path)
    assert result.written
    assert result.reused == ()
    assert result.stored.folder.parent == tmp_path
    assert backend.built == list(Role)
    assert all(path.name.startswith("onnxruntime-fp32-") for path in tmp_path.iterdir())

    content = json.loads((result.stored.folder / "audio" / "engine.json").read_text())
    assert content["inputs"] == {
        "speech": {"dtype": "float32", "multiples": None, "shape": [None, None, 384]}
    }
    assert content["frontend"] == {"id": "whisper-tiny.en-layer-2-50hz", "version": 1}
    assert content["windows"] == {"length_ticks": 25, "hop_ticks": 10, "band_ticks": 7}
    assert content["lengths"] == [39]
    assert content["precision"] == "fp32"
    assert content["backend"] == "onnxruntime"
    assert content["versions"] == {"library": "1"}
    assert content["device_fingerprint"] == "cpu one; library 1"
    assert content["checkpoint_sha256"] == "c" * 64
    graph = request.sources.graphs[Role.AUDIO].graph
    assert content["graph_sha256"] == hashlib.sha256(graph).hexdigest()
    assert content["files"]["graph.onnx"] == hashlib.sha256(graph).hexdigest()
    assert json.loads((result.stored.folder / "parity.json").read_text())["passed"] is True

    opened = open_engines(result.stored.folder, windows=WINDOWS)
    assert list(opened.engines) == list(Role)
    assert opened.record.checkpoint.context_ticks == 5
    wanted = build_request(
        request.sources, Role.AUDIO, "fp32", WINDOWS, request.evidence, max_batch=2, threads=1
    )
    inputs = next(made_up(wanted))
    assert opened.engines[Role.AUDIO].run(inputs)["frames"].shape == (1, 78, 6)
    opened.close()
    with pytest.raises(EngineError):
        opened.engines[Role.AUDIO].run(inputs)


def test_requests_carry_lengths_batch_and_checkpoint(backend, tmp_path):
    build(set_request(max_batch=3), tmp_path)
    by_role = {request.role: request for request in backend.requests}
    assert by_role[Role.VISUAL].lengths == (25,)
    assert by_role[Role.SPEECH].lengths == by_role[Role.AUDIO].lengths == (39,)
    assert by_role[Role.IDENTITY].lengths == ()
    assert {request.max_batch for request in backend.requests} == {3}
    with_checkpoint = {role for role, request in by_role.items() if request.checkpoint is not None}
    assert with_checkpoint == {Role.VISUAL, Role.AUDIO}


def test_the_same_set_is_not_built_again(backend, tmp_path):
    first = build(set_request(), tmp_path)
    backend.built.clear()
    again = build(set_request(), tmp_path)
    assert backend.built == []
    assert again.reused == tuple(Role)
    assert not again.written
    assert again.stored == first.stored


def test_engines_of_another_set_are_used_again_in_a_folder_of_ones_own(backend, tmp_path):
    build(set_request(), tmp_path / "cache")
    backend.built.clear()
    out = tmp_path / "here" / "mine"
    result = build(set_request(), tmp_path / "cache", out)
    assert backend.built == []
    assert result.stored.folder == out
    open_engines(out).close()


def _other_frontend(monkeypatch):
    monkeypatch.setattr(builder, "FRONTEND_VERSION", 2)
    monkeypatch.setattr(sets, "FRONTEND_VERSION", 2)


@pytest.mark.parametrize(
    ("change", "built"),
    [
        (lambda request: replace(request, max_batch=4), set(Role)),
        (lambda request: replace(request, plan=plan_for(precision="fp16")), set(Role)),
        (lambda request: replace(request, plan=plan_for(audio="fp16")), {Role.AUDIO}),
        (lambda request: replace(request, plan=plan_for(backend="openvino")), set(Role)),
        (
            lambda request: replace(request, windows=Windows(length_ticks=50, hop_ticks=10, band_ticks=7)),
            set(Role),
        ),
        (lambda request: replace(request, sources=tiny_sources(scale=2.0)), {Role.AUDIO}),
        (lambda request: replace(request, threads=2), set()),
        (lambda request: replace(request, command=()), set()),
    ],
)
def test_an_engine_is_built_again_exactly_where_something_it_depends_on_changed(
    monkeypatch, tmp_path, change, built
):
    fakes = [FakeBackend("onnxruntime"), FakeBackend("openvino")]
    use_backends(monkeypatch, *fakes)
    request = set_request()
    build(request, tmp_path)
    fakes[0].built.clear()
    build(change(request), tmp_path)
    assert {*fakes[0].built, *fakes[1].built} == built


def test_device_checkpoint_frontend_and_preparation_are_part_of_the_key(backend, monkeypatch):
    request = set_request()
    keys = {builder.engine_key(request, Role.AUDIO, "cpu one")}
    keys.add(builder.engine_key(request, Role.AUDIO, "cpu two"))
    sources = request.sources
    other = replace(sources, checkpoint=sources.checkpoint.model_copy(update={"sha256": "d" * 64}))
    keys.add(builder.engine_key(replace(request, sources=other), Role.AUDIO, "cpu one"))
    monkeypatch.setattr(builder, "FRONTEND_VERSION", 2)
    keys.add(builder.engine_key(request, Role.AUDIO, "cpu one"))
    monkeypatch.setattr(builder, "PREPARATION_VERSION", 99)
    keys.add(builder.engine_key(request, Role.AUDIO, "cpu one"))
    assert len(keys) == 5


def test_ranges_of_int8_depend_on_the_clips_and_fp32_does_not(backend):
    for precision, different in (("int8", True), ("fp32", False)):
        keys = {
            builder.engine_key(
                set_request(plan=plan_for(precision=precision), evidence=recorded({}, sha256)),
                Role.AUDIO,
                "cpu one",
            )
            for sha256 in ("e" * 64, "f" * 64)
        }
        assert (len(keys) == 2) is different


def test_other_clips_compare_again_without_building(backend, tmp_path):
    build(set_request(), tmp_path)
    backend.built.clear()
    samples = [{"faces": np.full((1, 3, 112, 112), value, np.float32)} for value in (1, 2, 3)]
    result = build(set_request(evidence=recorded({Role.IDENTITY: samples})), tmp_path)
    assert backend.built == []
    parity = result.stored.engines[Role.IDENTITY].parity
    assert parity.evidence == "windows of a test"
    assert [(one.inputs, one.outputs) for one in parity.comparisons] == [("recorded", 3), ("random", 12)]


def test_int8_is_compared_on_inputs_that_chose_no_ranges(monkeypatch, tmp_path):
    fake = FakeBackend()
    use_backends(monkeypatch, fake)
    samples = [{"faces": np.full((1, 3, 112, 112), value, np.float32)} for value in range(1, 6)]
    request = set_request(
        plan=plan_for(identity="int8"), evidence=recorded({Role.IDENTITY: samples}), max_batch=1
    )
    result = build(request, tmp_path)
    (asked,) = (one for one in fake.requests if one.role is Role.IDENTITY)
    calibrated = [float(one["faces"].flat[0]) for one in asked.calibration()]
    assert calibrated == [1, 3, 5]
    parity = result.stored.engines[Role.IDENTITY].parity
    assert [(one.inputs, one.outputs, one.tolerance) for one in parity.comparisons] == [
        ("recorded", 2, 1e-2),
        ("random", 4, None),
    ]


def test_int8_without_clips_says_so_and_is_held_to_other_noise(backend, tmp_path):
    record = build(set_request(plan=plan_for(identity="int8")), tmp_path).stored.engines[Role.IDENTITY]
    assert record.notes == ("Its ranges were chosen by made-up inputs.",)
    assert [(one.inputs, one.tolerance) for one in record.parity.comparisons] == [("random", 1e-2)]


def test_an_engine_that_is_too_far_is_refused_and_leaves_nothing(monkeypatch, tmp_path):
    rng = np.random.default_rng(0)

    def spoil(array):
        return (array + 0.3 * array * rng.standard_normal(array.shape)).astype(np.float32)

    use_backends(monkeypatch, FakeBackend("openvino", spoil=spoil), FakeBackend())
    plan = plan_for(speech="int8")
    speech = replace(plan.assignments[Role.SPEECH], backend="openvino")
    request = set_request(plan=replace(plan, assignments={**plan.assignments, Role.SPEECH: speech}))
    with pytest.raises(ParityError) as refused:
        build(request, tmp_path)
    assert "int8 engine of openvino for speech" in refused.value.message
    assert "0.01 is let pass" in refused.value.message
    assert refused.value.fix == "Add --precision speech=fp32."
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_engine_that_is_too_far_by_now_is_refused(monkeypatch, tmp_path):
    use_backends(monkeypatch, FakeBackend())
    first = build(set_request(), tmp_path).stored.folder
    before = everything(first)
    use_backends(monkeypatch, FakeBackend(spoil=lambda array: -array))
    with pytest.raises(ParityError):
        build(set_request(evidence=recorded({}, "b" * 64)), tmp_path)
    assert everything(first) == before


def test_a_missing_backend_is_named_before_anything_is_built(monkeypatch, tmp_path):
    present = FakeBackend()
    use_backends(monkeypatch, present, MissingBackend("openvino"))
    plan = plan_for()
    speech = replace(plan.assignments[Role.SPEECH], backend="openvino")
    with pytest.raises(EngineError, match="Install openvino"):
        build(
            set_request(plan=replace(plan, assignments={**plan.assignments, Role.SPEECH: speech})), tmp_path
        )
    assert present.built == []
    assert list(tmp_path.iterdir()) == []


def test_another_host_is_refused_with_the_command_that_builds_again(monkeypatch, backend, tmp_path):
    stored = build(set_request(), tmp_path, tmp_path / "my engines").stored
    use_backends(monkeypatch, FakeBackend(fingerprint="cpu two; library 2"))
    with pytest.raises(EngineError) as refused:
        open_engines(stored.folder)
    assert "was built for cpu one; library 1; this host has cpu two; library 2" in refused.value.message
    command = f"seamwatch engines build --backend onnxruntime --no-clips --out '{tmp_path / 'my engines'}'"
    assert refused.value.fix == f"Run `{command}`."


def test_a_backend_that_is_gone_is_refused_with_the_extra(monkeypatch, backend, tmp_path):
    folder = build(set_request(), tmp_path).stored.folder
    use_backends(monkeypatch, MissingBackend("onnxruntime"))
    with pytest.raises(
        EngineError, match=r"cannot run here: onnxruntime is not installed\. Install onnxruntime"
    ):
        open_engines(folder)


def test_another_frontend_version_model_or_window_is_refused(monkeypatch, backend, tmp_path):
    folder = build(set_request(), tmp_path).stored.folder
    with pytest.raises(EngineError, match="built for windows of"):
        open_engines(folder, windows=Windows(length_ticks=50, hop_ticks=10, band_ticks=7))
    with monkeypatch.context() as patch:
        patch.setattr(sets, "FRONTEND_VERSION", 2)
        with pytest.raises(EngineError, match="this version computes"):
            open_engines(folder)
    with monkeypatch.context() as patch:
        newer = replace(sets.by_role(Role.VAD), sha256="0" * 64)
        patch.setattr(sets, "by_role", lambda role: newer)
        with pytest.raises(EngineError, match="built from another model than silero"):
            open_engines(folder)
    with monkeypatch.context() as patch:
        patch.setattr(sets, "CONTRACTS", {**sets.CONTRACTS, Role.VAD: sets.CONTRACTS[Role.SPEECH]})
        with pytest.raises(EngineError, match="other inputs or outputs"):
            open_engines(folder)
    open_engines(folder).close()


def test_a_newer_default_checkpoint_is_refused(backend, tmp_path):
    sources = tiny_sources()
    default = replace(sources, checkpoint=sources.checkpoint.model_copy(update={"name": "default"}))
    folder = build(set_request(default), tmp_path).stored.folder
    with pytest.raises(EngineError, match="default checkpoint is another one by now"):
        open_engines(folder)


def _files_of_a_set():
    names = ["engines.json"]
    for role in Role:
        names += [f"{role.value}/{name}" for name in ("engine.json", "graph.onnx", "more.bin")]
    return names


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
@pytest.mark.parametrize("name", _files_of_a_set())
def test_damage_of_any_file_is_refused(backend, tmp_path, name, damage):
    folder = build(set_request(), tmp_path, tmp_path / "set").stored.folder
    path = folder / name
    content = bytearray(path.read_bytes())
    if damage == "remove":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(content[:-3])
    else:
        # A digit for another digit keeps JSON valid.
        position = next(i for i, byte in enumerate(content) if chr(byte).isdigit() or i == len(content) - 1)
        content[position] ^= 1
        path.write_bytes(content)
    with pytest.raises(EngineError) as refused:
        open_engines(folder)
    assert "seamwatch engines build" in refused.value.fix
    assert f"--out {folder}" in refused.value.fix
    build(set_request(), tmp_path, folder)
    open_engines(folder).close()


def test_a_foreign_folder_is_never_replaced(backend, tmp_path):
    out = tmp_path / "documents"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(EngineError, match="is no set of engines"):
        build(set_request(), tmp_path / "cache", out)
    assert (out / "thesis.txt").read_text() == "years of work"


def test_a_folder_that_cannot_be_written_is_told(backend, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match="cannot be written"):
        build(set_request(), tmp_path / "cache", tmp_path / "file" / "set")


def test_a_failing_write_leaves_the_earlier_folder(tmp_path, monkeypatch):
    target = tmp_path / "set"
    folder.write_folder(target, {"a/x": b"1", "y": b"2"})
    assert everything(target) == ["a", "a/x", "y"]
    with monkeypatch.context() as patch:

        def fail(_handle):
            raise OSError(28, "No space left on device")

        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space"):
            folder.write_folder(target, {"z": b"3"})
    assert everything(tmp_path) == ["set", "set/a", "set/a/x", "set/y"]
    folder.write_folder(target, {"z": b"3"})
    assert everything(tmp_path) == ["set", "set/z"]


_WRITER = """
import os, sys, time
from pathlib import Path
from engines.build import folder
real = os.fsync
count = 0
def slow(handle):
    global count
    real(handle)
    count += 1
    if count == 2:
        print("half", flush=True)
        time.sleep(600)
os.fsync = slow
files = {f"{i}/graph.onnx": b"x" * 1000 for i in range(5)}
folder.write_folder(Path(sys.argv[1]), {**files, "engines.json": b"{}"})
"""


def test_a_killed_build_leaves_nothing_half_made(backend, tmp_path):
    target = tmp_path / "set"
    process = subprocess.Popen([sys.executable, "-c", _WRITER, str(target)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"half\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not target.exists()
    assert list(sets.set_folders(tmp_path)) == []
    (left,) = tmp_path.iterdir()
    build(set_request(), tmp_path, target)
    assert left.exists(), "another process might still be at work there"
    long_ago_s = time.time() - 2 * 3600
    os.utime(left, (long_ago_s, long_ago_s))
    build(set_request(max_batch=3), tmp_path, target)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    open_engines(target).close()
