"""The folder of a run to the folder that ships: ONNX graphs, weights, and a record of what they are."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from engines.checkpoint import CONTRACT_NAME
from engines.contracts import audio_contract, visual_contract
from engines.store.files import write_atomically
from realtime.timebase import FRAME_RATE_HZ
from training.checkpoint import CheckpointInfo, load_weights, read_checkpoint
from training.config import CrossLoss, TrainConfig
from training.data.clip import Clip
from training.data.listing import read_listing
from training.data.shards import ShardIndex
from training.data.splits import clips_by_split
from training.errors import TrainingError
from training.loop import BEST_FILE
from training.models.temporal import CONTEXT_TICKS
from training.objectives import CompactCross, CompactIntra, count_parameters
from training.onnx_export import INTERFACES, ExportedGraph, Interface, export_graph

FORMAT: Final = 1
MAX_FILE_BYTES: Final = 3_000_000
PARTS: Final[Mapping[str, str]] = {"visual": "cross", "audio": "cross", "identity": "intra"}
"""Training that an encoder comes from."""

IDENTITY_FRONTEND: Final = "sface-2021dec-unit-norm"
LICENCE_NOTE: Final = (
    "The weights were learnt from recordings of real people whose licences are listed under data; where that "
    "list is empty they are not recorded. Much of such material is for research only: whoever uses the "
    "weights for anything else has to clear that first. No recording is contained."
)
_PACKAGES: Final = ("seamwatch", "torch", "onnx", "onnxscript", "onnxruntime", "safetensors", "numpy")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedModel:
    """One encoder of the folder.

    Attributes:
        name: ``visual``, ``audio`` or ``identity``.
        path: The ONNX file.
        size_bytes: Its length.
        difference: Largest difference between torch and ONNX Runtime, in any component of an embedding.
    """

    name: str
    path: Path
    size_bytes: int
    difference: float


@dataclass(frozen=True, slots=True)
class _Training:
    info: CheckpointInfo
    config: TrainConfig
    objective: nn.Module


def export_run(run: Path, out: Path, data: Path | None = None) -> list[ExportedModel]:
    """Export the best checkpoints of a run of the compact family.

    The folder receives ``NAME.onnx`` and ``NAME.safetensors`` for every encoder that was trained, and
    ``checkpoint.json``, which carries their SHA-256 and is written last.

    Args:
        run: Folder of the run; ``intra`` in it may be missing.
        out: Folder to write; an older export in it is replaced.
        data: Folder of the prepared clips that the run was trained on, for the record of their licences.

    Returns:
        The encoders.

    Raises:
        TrainingError: If the run has no compact checkpoint, a graph does not give what its module gives, a
            file is too large to ship, or the data are not those of the run.
        DatasetError: If the data cannot be read.
    """
    trainings = _trainings(run)
    licences = [] if data is None else _data_record(data, trainings["cross"])
    graphs: dict[str, ExportedGraph] = {}
    files: dict[str, bytes] = {}
    models: dict[str, Any] = {}
    for name, task in PARTS.items():
        if task in trainings:
            module = trainings[task].objective.get_submodule(name)
            graphs[name] = export_graph(name, module)
            files[f"{name}.onnx"] = graphs[name].content
            files[f"{name}.safetensors"] = _weights(module)
            models[name] = {
                "file": f"{name}.onnx",
                "weights": f"{name}.safetensors",
                "training": task,
                "parameters": count_parameters(module),
                "dimension": graphs[name].dimension,
                "difference_to_torch": graphs[name].difference,
                **_interface_record(INTERFACES[name], graphs[name].dimension),
            }
    for name, content in files.items():
        if len(content) >= MAX_FILE_BYTES:
            raise TrainingError(f"{name} would have {len(content)} bytes.", fix="Make the encoder smaller.")
    config = trainings["cross"].config
    record = {
        "format": FORMAT,
        "family": config.family,
        "dimension": graphs["visual"].dimension,
        "context_ticks": CONTEXT_TICKS,
        "tick_rate_hz": FRAME_RATE_HZ,
        "split_seed": config.split_seed,
        "models": models,
        "frontends": {
            "visual": visual_contract(graphs["visual"].dimension).frontend,
            "audio": audio_contract(graphs["audio"].dimension).frontend,
            "identity": IDENTITY_FRONTEND,
        },
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
        "trainings": {task: training.info.to_json() for task, training in trainings.items()},
        "data": licences,
        "licence_note": LICENCE_NOTE,
        "versions": _versions(),
    }
    _write(out, files, record)
    return [
        ExportedModel(
            name=name,
            path=out / f"{name}.onnx",
            size_bytes=len(graph.content),
            difference=graph.difference,
        )
        for name, graph in graphs.items()
    ]


def _trainings(run: Path) -> dict[str, _Training]:
    """Read the best checkpoint of every training of a run; ``cross`` is always there."""
    objectives: dict[str, Callable[[], nn.Module]] = {
        "cross": lambda: CompactCross(CrossLoss()),
        "intra": lambda: CompactIntra(1.0),
    }
    found: dict[str, _Training] = {}
    for task, make in objectives.items():
        path = run / task / BEST_FILE
        if task != "cross" and not path.exists():
            continue
        tensors, info = read_checkpoint(path)
        family = info.config.get("family")
        if family != "compact" or info.task != task:
            raise TrainingError(
                f"{path} is of the family {family} and the training {info.task}.",
                fix=f"Name a run whose folder {task} holds that training of the family compact.",
            )
        try:
            config = TrainConfig.model_validate(info.config)
        except ValidationError as error:
            raise TrainingError(
                f"{path.with_suffix('.json')} does not tell how it was trained.", fix="Train it again."
            ) from error
        objective = make()
        load_weights(objective, tensors, path)
        found[task] = _Training(info, config, objective)
    seeds = {training.config.split_seed for training in found.values()}
    if len(seeds) > 1:
        raise TrainingError(
            f"The trainings of {run} were split by speaker with different seeds.",
            fix="Train them with one configuration.",
        )
    return found


def _weights(module: nn.Module) -> bytes:
    tensors: dict[str, Tensor] = {name: value.contiguous() for name, value in module.state_dict().items()}
    return save_tensors(tensors)


def _interface_record(interface: Interface, dimension: int) -> dict[str, Any]:
    inputs = {name: {"shape": interface.input_shape(name), "dtype": "float32"} for name in interface.inputs}
    outputs = {interface.output: {"shape": interface.output_shape(dimension), "dtype": "float32"}}
    return {"inputs": inputs, "outputs": outputs, f"min_{interface.length}": interface.min_length}


def _data_record(data: Path, training: _Training) -> list[dict[str, Any]]:
    """Return corpora and licences of the clips that were trained on."""
    prepared = ShardIndex.read(data).clips
    split = clips_by_split(read_listing(data), training.config.split_seed)["train"]
    clips = [clip for clip in split if clip.key in prepared]
    speakers = len({clip.speaker for clip in clips})
    if speakers != training.info.train_speakers:
        raise TrainingError(
            f"{data} has {speakers} people to train on, but the run had {training.info.train_speakers}.",
            fix="Name the folder of prepared clips that the run was trained on.",
        )
    groups: dict[tuple[str, str, str], list[Clip]] = {}
    for clip in clips:
        groups.setdefault((clip.corpus, clip.licence_corpus, clip.licence_repository), []).append(clip)
    return [
        {
            "corpus": corpus,
            "licence_corpus": licence,
            "licence_repository": repository,
            "clips": len(members),
            "speakers": len({clip.speaker for clip in members}),
        }
        for (corpus, licence, repository), members in sorted(groups.items())
    ]


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def _write(out: Path, files: Mapping[str, bytes], record: Mapping[str, Any]) -> None:
    try:
        (out / CONTRACT_NAME).unlink(missing_ok=True)
        for part in PARTS:
            for name in (f"{part}.onnx", f"{part}.safetensors"):
                if name not in files:
                    (out / name).unlink(missing_ok=True)
        for name, content in files.items():
            write_atomically(out / name, content)
        write_atomically(out / CONTRACT_NAME, f"{json.dumps(record, indent=1, sort_keys=True)}\n".encode())
    except OSError as error:
        raise TrainingError(f"{out} cannot be written: {error}.", fix="Choose another folder.") from error
