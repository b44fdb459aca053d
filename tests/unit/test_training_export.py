from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch", reason="needs the training extra")
pytest.importorskip("safetensors", reason="needs the training extra")
pytest.importorskip("onnxscript", reason="needs the training extra")

from safetensors.torch import load_file

from engines.checkpoint import load_checkpoint
from tests.support.prepared_clips import prepared_clips
from training import export as exporting
from training import onnx_export
from training.checkpoint import CheckpointInfo, save_checkpoint
from training.cli.export import export
from training.config import CrossLoss, TrainConfig
from training.data.listing import add_to_listing
from training.data.shards import (
    Entry,
    ShardIndex,
    tar_bytes,
    write_shard,
)
from training.data.splits import split_of
from training.errors import TrainingError
from training.export import export_run
from training.models.visual import VisualEncoder
from training.objectives import CompactCross, CompactIntra

# Tracing takes some ten seconds of processor time, which are minutes on a busy machine.
pytestmark = pytest.mark.timeout(900)

CONFIG = TrainConfig.model_validate(
    {
        "family": "compact",
        "cross": {"optimisation": {"steps": 6, "learning_rate": 1e-3}},
        "intra": {"optimisation": {"steps": 6, "learning_rate": 1e-3}},
    }
)
#: Operators that ONNX Runtime and TensorRT both run.
STANDARD = {
    *(
        "Add",
        "BatchNormalization",
        "Sub",
        "Mul",
        "Div",
        "Sqrt",
        "Relu",
        "Softmax",
        "MatMul",
        "Gemm",
        "Conv",
        "ReduceMean",
        "ReduceSum",
    ),
    *("Slice", "Concat", "Reshape", "Transpose", "Unsqueeze", "Squeeze", "Shape", "Gather", "Cast", "Expand"),
}


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def at_random(module: Any, seed: int) -> Any:
    """Give every number of a module, running statistics too, a value that training could have left."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in module.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 2.0, generator=generator)
        elif value.is_floating_point() and value.ndim <= 1:
            value.add_(0.2 * torch.randn(value.shape, generator=generator))
        elif value.is_floating_point() and not value.any():
            value.normal_(0.0, 0.05, generator=generator)
    return module.eval()


def info(task: str, **changes: Any) -> CheckpointInfo:
    config = CONFIG.model_copy(update=changes).model_dump(mode="json")
    metrics = {"auc": 0.9}
    return CheckpointInfo(
        task=task, config=config, data_sha256="ab" * 32, train_speakers=7, step=3, metrics=metrics
    )


@pytest.fixture(scope="module")
def modules() -> dict[str, Any]:
    torch.manual_seed(0)
    return {"cross": at_random(CompactCross(CrossLoss()), 1), "intra": at_random(CompactIntra(0.1), 2)}


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory, modules: dict[str, Any]) -> Path:
    folder = tmp_path_factory.mktemp("run")
    for task, module in modules.items():
        (folder / task).mkdir()
        save_checkpoint(folder / task / "best.safetensors", module, info(task))
    return folder


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory, run_dir: Path) -> Path:
    out = tmp_path_factory.mktemp("exported") / "compact"
    export_run(run_dir, out)
    return out


def record_of(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "checkpoint.json").read_text()))


def answer(path: Path, **feed: Any) -> Any:
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {name: np.asarray(value, np.float32) for name, value in feed.items()})
    return found


@pytest.mark.parametrize(("segments", "ticks"), [(1, 11), (1, 25), (4, 40)])
def test_graphs_give_what_the_modules_give(
    shipped: Path, modules: dict[str, Any], segments: int, ticks: int
) -> None:
    torch.manual_seed(3)
    lips = torch.randn(segments, ticks, 40, 2) * 0.1
    mouth = torch.randint(0, 256, (segments, ticks, 64, 64), dtype=torch.uint8)
    speech = torch.randn(segments, 2 * ticks, 384)
    with torch.no_grad():
        seen, heard = modules["cross"].visual(lips, mouth), modules["cross"].audio(speech)
    assert seen.shape == heard.shape == (segments, ticks - 10, 96)
    np.testing.assert_allclose(answer(shipped / "visual.onnx", lips=lips, mouth=mouth), seen, atol=1e-4)
    np.testing.assert_allclose(answer(shipped / "audio.onnx", speech=speech), heard, atol=1e-4)


def test_the_identity_graph_ignores_filler(shipped: Path, modules: dict[str, Any]) -> None:
    faces = torch.nn.functional.normalize(torch.randn(3, 4, 128), dim=2)
    weight = torch.tensor([[1.0, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 1]])
    with torch.no_grad():
        expected = modules["intra"].identity(faces, weight)
    found = answer(shipped / "identity.onnx", faces=faces, weight=weight)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(
        answer(shipped / "identity.onnx", faces=faces[1:2, :2], weight=weight[1:2, :2]), found[1:2], atol=1e-5
    )


@pytest.mark.parametrize("name", ["visual", "audio", "identity"])
def test_graphs_are_plain(shipped: Path, name: str) -> None:
    content = (shipped / f"{name}.onnx").read_bytes()
    model = onnx.load_from_string(content)
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 18)]
    assert {node.op_type for node in model.graph.node} <= STANDARD
    assert not model.functions
    declared = [
        [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    ]
    shape = record_of(shipped)["models"][name]
    assert declared == [port["shape"] for side in ("inputs", "outputs") for port in shape[side].values()]
    for trace in (str(Path(__file__).parents[2]), ".py", str(Path.home())):
        assert trace.encode() not in content


def test_the_record_describes_every_file(shipped: Path) -> None:
    record = record_of(shipped)
    listed = set(record["files"]) | {"checkpoint.json"}
    assert listed == {path.name for path in shipped.iterdir()}
    for name, sha256 in record["files"].items():
        content = (shipped / name).read_bytes()
        assert sha256 == hashlib.sha256(content).hexdigest()
        assert len(content) < 3_000_000
    assert record["family"] == "compact"
    assert (record["dimension"], record["context_ticks"]) == (96, 5)
    assert record["split_seed"] == CONFIG.split_seed
    assert record["trainings"]["cross"] == info("cross").to_json()
    assert record["trainings"]["intra"] == info("intra").to_json()
    assert record["models"]["visual"]["inputs"]["lips"]["shape"] == ["n", "ticks", 40, 2]
    assert record["models"]["audio"]["outputs"]["frames"]["shape"] == ["n", "ticks - 10", 96]
    assert record["data"] == []


def test_the_engines_accept_what_was_exported(shipped: Path, modules: dict[str, Any]) -> None:
    engines = load_checkpoint(shipped)
    assert engines.context_ticks == 5
    speech = np.random.default_rng(4).normal(0, 1, (2, 60, 384)).astype(np.float32)
    with torch.no_grad():
        expected = modules["cross"].audio(torch.from_numpy(speech))
    np.testing.assert_allclose(engines.audio.run({"speech": speech})["frames"], expected, atol=1e-4)
    engines.close()


def test_weights_load_into_the_module_they_came_from(shipped: Path, modules: dict[str, Any]) -> None:
    module = VisualEncoder()
    module.load_state_dict(load_file(shipped / "visual.safetensors"))
    expected = modules["cross"].visual.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in module.state_dict().items())


def test_a_second_export_writes_the_same_bytes_and_leaves_the_modules_alone(
    shipped: Path, modules: dict[str, Any]
) -> None:
    module = modules["cross"].visual
    before = {name: value.clone() for name, value in module.state_dict().items()}
    assert onnx_export.export_graph("visual", module).content == (shipped / "visual.onnx").read_bytes()
    after = module.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_a_graph_of_other_weights_is_told_apart(shipped: Path, modules: dict[str, Any]) -> None:
    content = (shipped / "identity.onnx").read_bytes()
    other = at_random(CompactIntra(0.1), 9).identity
    assert onnx_export.largest_difference("identity", modules["intra"].identity, content) <= 1e-4
    assert onnx_export.largest_difference("identity", other, content) > 1e-2


def test_a_graph_that_differs_is_refused(modules: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for difference in (2e-4, float("nan")):
        monkeypatch.setattr(onnx_export, "largest_difference", lambda *_, d=difference: d)
        with pytest.raises(TrainingError, match="differs from the module"):
            onnx_export.export_graph("identity", modules["intra"].identity)


def test_a_failed_export_leaves_the_older_one_alone(
    run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_graphs(monkeypatch)
    out = tmp_path / "out"
    export_run(run_dir, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def fail(*_: Any) -> Any:
        raise TrainingError("It differs.", fix="Look.")

    monkeypatch.setattr(exporting, "export_graph", fail)
    with pytest.raises(TrainingError):
        export_run(run_dir, out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def without_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for the slow part where the test is about the folder."""
    graph = onnx_export.ExportedGraph(content=b"graph", dimension=96, difference=0.0)
    monkeypatch.setattr(exporting, "export_graph", lambda *_: graph)


def test_a_run_without_identity_replaces_one_with_it(
    run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_graphs(monkeypatch)
    run, out = tmp_path / "run", tmp_path / "out"
    shutil.copytree(run_dir, run)
    assert [model.name for model in export_run(run, out)] == ["visual", "audio", "identity"]
    shutil.rmtree(run / "intra")
    assert [model.name for model in export_run(run, out)] == ["visual", "audio"]
    names = {f"{part}.{kind}" for part in ("visual", "audio") for kind in ("onnx", "safetensors")}
    assert {path.name for path in out.iterdir()} == {*names, "checkpoint.json"}
    assert set(record_of(out)["models"]) == {"visual", "audio"}


def test_a_file_too_large_to_ship_is_refused(
    run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_graphs(monkeypatch)
    monkeypatch.setattr(exporting, "MAX_FILE_BYTES", 1_000_000)
    with pytest.raises(TrainingError, match="bytes"):
        export_run(run_dir, tmp_path / "out")
    assert not (tmp_path / "out").exists()


MESSAGES = {
    "nothing": "no checkpoint",
    "family": "of the family paper",
    "task": "the training intra",
    "config": "does not tell how",
    "seed": "different seeds",
}


@pytest.mark.parametrize("wrong", MESSAGES)
def test_what_is_no_compact_run_is_refused(
    modules: dict[str, Any], run_dir: Path, tmp_path: Path, wrong: str
) -> None:
    run = tmp_path / "run"
    shutil.copytree(run_dir, run)
    of_cross = info("cross")
    facts = {
        "family": dataclasses.replace(of_cross, config={**of_cross.config, "family": "paper"}),
        "task": info("intra"),
        "config": dataclasses.replace(of_cross, config={"family": "compact"}),
        "seed": info("cross", split_seed=5),
    }
    if wrong == "nothing":
        shutil.rmtree(run / "cross")
    else:
        save_checkpoint(run / "cross" / "best.safetensors", modules["cross"], facts[wrong])
    with pytest.raises(TrainingError, match=MESSAGES[wrong]):
        export_run(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def prepared_folder(folder: Path) -> int:
    """Write a folder of prepared clips; return the number of people to train on."""
    clips = prepared_clips(24, 12)
    folder.mkdir()
    add_to_listing(folder, [clip.clip for clip in clips])
    parts = []
    for clip in clips:
        part = folder / f"{clip.key}.part.tar"
        part.write_bytes(tar_bytes(clip.members("state")))
        parts.append(part)
    digest = write_shard(folder / "shard-000000.tar", parts)
    entries = {clip.key: Entry(shard="shard-000000.tar", fingerprint="state") for clip in clips}
    ShardIndex(shards={"shard-000000.tar": digest}, clips=entries).write(folder)
    split = split_of([clip.clip for clip in clips], CONFIG.split_seed)
    return sum(name == "train" for name in split.values())


def test_the_record_lists_corpora_and_licences_of_the_data(
    modules: dict[str, Any], run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_graphs(monkeypatch)
    people = prepared_folder(tmp_path / "data")
    run = tmp_path / "run"
    shutil.copytree(run_dir, run)
    facts = dataclasses.replace(info("cross"), train_speakers=people)
    save_checkpoint(run / "cross" / "best.safetensors", modules["cross"], facts)
    export_run(run, tmp_path / "out", tmp_path / "data")
    rows = record_of(tmp_path / "out")["data"]
    assert [row["corpus"] for row in rows] == ["sentences", "words"]
    assert [row["speakers"] for row in rows] == [people, people]
    more = dataclasses.replace(facts, train_speakers=people + 1)
    save_checkpoint(run / "cross" / "best.safetensors", modules["cross"], more)
    with pytest.raises(TrainingError, match="people to train on"):
        export_run(run, tmp_path / "other", tmp_path / "data")


def test_the_command_says_what_it_wrote(
    run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_graphs(monkeypatch)
    result = CliRunner().invoke(export, [str(run_dir), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith(str(tmp_path / "out" / "visual.onnx"))
    assert "largest difference to torch 0" in lines[0]
    assert lines[-1] == str(tmp_path / "out" / "checkpoint.json")
