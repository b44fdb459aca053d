from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from bench.encoder_variants import due
from clients.cli import demo as demo_module
from clients.cli import engine_inputs, engine_options, server_options
from clients.cli import scan as scan_module
from clients.cli.engine_options import engines_folder, set_folder
from clients.cli.main import main
from engines.contracts import CONTRACTS, audio_contract, visual_contract
from engines.errors import EngineError
from engines.loader import load_set
from engines.selection import Selection
from engines.spec import Role
from realtime.config import FaceConfig, MonitorConfig, WindowConfig
from realtime.encoders.scheduler import MAX_BATCH
from realtime.encoders.suite import load_encoders
from realtime.encoders.workload import RoleLoad, live_load
from realtime.errors import ConfigurationError
from realtime.timebase import FRAME_RATE_HZ
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


class GpuBackend(FakeBackend):
    def build(self, request):
        return replace(super().build(request), device="cuda:0")


@pytest.fixture
def backend(monkeypatch):
    fake = FakeBackend()
    use_backends(monkeypatch, fake)
    return fake


@pytest.fixture
def built(backend, tmp_path):
    return build(set_request(), tmp_path).stored.folder


def test_the_encoders_of_a_set_say_what_runs_them(built):
    suite = load_encoders(MonitorConfig(), engines_dir=built)
    assert suite.ids.keys() == {role.value for role in Role}
    for role, engine_id in suite.ids.items():
        assert engine_id.startswith(f"tiny-{role}@")
        assert engine_id.endswith("/onnxruntime-fp32-cpu")
    assert suite.checkpoint.context_ticks == 5
    assert suite.mouth_size_px is not None
    suite.close()
    with pytest.raises(EngineError, match="closed"):
        suite.checkpoint.audio.run({"speech": np.zeros((1, 22, 384), np.float32)})


def test_threads_reach_the_engines_of_a_set(built):
    suite = load_encoders(MonitorConfig(), engines_dir=built, threads=3)
    engines = [*suite.engines.by_role.values(), suite.checkpoint.visual, suite.checkpoint.audio]
    assert [engine.spec.threads for engine in engines] == [3] * len(Role)
    suite.close()


def test_a_set_for_other_windows_is_refused_with_the_command(built):
    config = MonitorConfig(windows=WindowConfig(length_ticks=30))
    with pytest.raises(EngineError, match=r"windows(.|\n)*seamwatch engines build"):
        load_encoders(config, engines_dir=built)


def test_a_set_for_another_host_is_refused_with_the_command(built, backend):
    backend.claimed = "cpu two; library 1"
    with pytest.raises(EngineError, match=r"cpu two(.|\n)*seamwatch engines build"):
        load_encoders(MonitorConfig(), engines_dir=built)


def test_a_set_that_is_not_there_is_refused_with_the_command(tmp_path):
    with pytest.raises(EngineError, match="seamwatch engines build"):
        load_encoders(MonitorConfig(), engines_dir=tmp_path / "nothing")


def test_batches_are_bounded_where_they_are_built_in(monkeypatch, tmp_path):
    use_backends(monkeypatch, FakeBackend(), GpuBackend("tensorrt"))
    on_gpu = build(set_request(plan=plan_for("tensorrt"), max_batch=4), tmp_path).stored.folder
    with pytest.raises(EngineError, match="up to 4, and the monitor runs 5 faces at once"):
        load_set(on_gpu, windows=WINDOWS, rows=5, threads=1)
    load_set(on_gpu, windows=WINDOWS, rows=4, threads=1).engines.close()
    on_cpu = build(set_request(max_batch=4), tmp_path).stored.folder
    load_set(on_cpu, windows=WINDOWS, rows=5, threads=1).engines.close()


@pytest.fixture
def first_use(monkeypatch, tmp_path, backend):
    """The tiny graphs in place of the models, and no clip to scan."""
    monkeypatch.setenv("SEAMWATCH_ENGINES", str(tmp_path))
    monkeypatch.setattr(engine_options, "read_sources", lambda *_: tiny_sources())
    monkeypatch.setattr(engine_options, "chosen_clips", lambda *_: [])
    monkeypatch.setattr(
        engine_options,
        "ReferenceScan",
        lambda *_: type("Scan", (), {"evidence": staticmethod(lambda: recorded({}))}),
    )
    return backend


def test_without_an_option_nothing_is_built_or_measured(monkeypatch):
    monkeypatch.setattr(engine_options, "read_sources", lambda *_: pytest.fail("models were read"))
    assert engines_folder(None, None) is None


def test_both_options_exclude_each_other(tmp_path):
    with pytest.raises(ConfigurationError, match="exclude each other"):
        engines_folder(tmp_path, "auto")


def test_a_backend_is_built_on_first_use_and_found_again(first_use, capsys):
    folder = engines_folder(None, "onnxruntime")
    assert first_use.built == list(Role)
    assert {request.max_batch for request in first_use.requests} == {MAX_BATCH}
    output = capsys.readouterr()
    assert output.out == ""
    assert "onnxruntime runs everything\n" in output.err
    assert "built and compared now" in output.err

    assert engines_folder(None, "onnxruntime") == folder
    assert first_use.built == list(Role)
    assert capsys.readouterr().err == "onnxruntime runs everything\n"
    suite = load_encoders(MonitorConfig(), engines_dir=folder)
    assert suite.ids["audio"].startswith("tiny-audio@")
    suite.close()


def test_a_set_of_another_host_or_a_damaged_one_is_built_again(first_use):
    folder = engines_folder(None, "onnxruntime")
    first_use.claimed = "cpu two; library 1"
    assert engines_folder(None, "onnxruntime") != folder
    assert first_use.built == [*Role, *Role]
    first_use.claimed = "cpu one; library 1"
    (folder / "engines.json").write_text("{}")
    assert engines_folder(None, "onnxruntime") == folder
    load_encoders(MonitorConfig(), engines_dir=folder).close()


def test_an_engine_that_is_not_what_its_model_is_is_not_run(first_use):
    first_use.spoil = lambda array: array[..., ::-1].copy()
    with pytest.raises(EngineError, match=r"audio|identity|detector"):
        engines_folder(None, "onnxruntime")
    assert not list(engine_options.default_root().glob("onnxruntime*"))


def test_a_missing_backend_names_what_to_install(monkeypatch, first_use):
    use_backends(monkeypatch, first_use, MissingBackend("openvino"))
    with pytest.raises(EngineError, match="Install openvino"):
        engines_folder(None, "openvino")
    assert first_use.built == []


def test_auto_tells_in_one_line_what_it_took(monkeypatch, first_use, capsys):
    use_backends(monkeypatch, first_use, FakeBackend("openvino"))

    def chosen(trials, **_):
        assert trials.keys() == set(Role)
        backends = {role: "openvino" if role is Role.VAD else "onnxruntime" for role in Role}
        return Selection(backends=backends, reason="auto: because")

    monkeypatch.setattr(engine_inputs, "choose_backends", chosen)
    suite = load_encoders(MonitorConfig(), engines_dir=engines_folder(None, "auto"))
    assert suite.ids["vad"].endswith("/openvino-fp32-cpu")
    assert suite.ids["audio"].endswith("/onnxruntime-fp32-cpu")
    suite.close()
    assert capsys.readouterr().err.startswith("auto: because\n")


def test_a_set_may_be_named_by_its_name_in_the_cache(monkeypatch, tmp_path, built):
    monkeypatch.setenv("SEAMWATCH_ENGINES", str(built.parent))
    assert set_folder(type(built)(built.name)) == built
    assert set_folder(built) == built


@pytest.mark.parametrize("command", ["scan", "serve", "demo"])
def test_the_commands_pass_the_set_on(monkeypatch, tmp_path, command):
    passed = {}

    def stop(*_arguments, **options):
        passed.update(options)
        raise EngineError("Stopped.", fix="Go on.")

    monkeypatch.setattr(scan_module, "load_encoders", stop)
    monkeypatch.setattr(server_options, "run_server", stop)
    monkeypatch.setattr(demo_module, "run_demo", stop)
    monkeypatch.setattr(demo_module, "fetch_models", lambda _store: None)
    monkeypatch.setattr(
        demo_module,
        "prepare_call",
        lambda *_: demo_module.DemoCall(genuine=tmp_path, tampered=tmp_path, about="a call"),
    )
    arguments = {"scan": ["clip.mp4"], "serve": ["--store", str(tmp_path / "alerts")], "demo": []}[command]
    result = CliRunner().invoke(main, [command, *arguments, "--engines", str(tmp_path)])
    assert result.exit_code == 1, result.output
    assert passed["engines_dir"] == tmp_path

    passed.clear()
    result = CliRunner().invoke(main, [command, *arguments, "--backend", "torch"])
    assert result.exit_code == 2
    assert "'torch' is not one of" in result.stderr
    assert passed == {}


def test_the_load_keeps_to_the_contracts():
    contracts = {**CONTRACTS, Role.VISUAL: visual_contract(96), Role.AUDIO: audio_contract(96)}
    load = live_load(MonitorConfig())
    assert load.keys() == set(Role)
    for role, found in load.items():
        tensors = contracts[role].inputs
        assert found.inputs.keys() == tensors.keys()
        for name, array in found.inputs.items():
            assert tensors[name].fits(array.shape)
            assert array.dtype.name == tensors[name].dtype


def test_the_load_follows_the_settings():
    config = MonitorConfig(
        faces=FaceConfig(detection_interval_ticks=2, identity_interval_ticks=4),
        windows=WindowConfig(length_ticks=20, hop_ticks=5, band_ticks=3),
    )
    load = live_load(config)
    assert load[Role.DETECTOR].runs_per_s == 12.5
    assert len(load[Role.LANDMARKS].inputs["faces"]) == 2
    assert load[Role.IDENTITY].runs_per_s == 6.25
    assert load[Role.VISUAL].runs_per_s == load[Role.SPEECH].runs_per_s == 5
    assert load[Role.VISUAL].inputs["lips"].shape[1] == 20
    assert load[Role.SPEECH].inputs["mel"].shape[1] == 4 * 26
    assert load[Role.AUDIO].inputs["speech"].shape[1] == 2 * 26


@pytest.mark.parametrize(
    ("runs_per_s", "together"), [(2.5, 1.0), (5.0, 1.0), (31.25, 1.0), (25.0, 1.0), (31.25, 12.5)]
)
def test_the_bench_plays_every_run_of_a_call(runs_per_s, together):
    seconds = 8
    load = RoleLoad(runs_per_s=runs_per_s, together=together, inputs={})
    runs = [due(load, tick) for tick in range(seconds * FRAME_RATE_HZ)]
    assert sum(runs) == runs_per_s * seconds
    played = [count for count in runs if count]
    assert max(played) - min(played) <= 1
    assert len(played) == min(len(runs), runs_per_s * seconds / together)
