from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the training extra")
pytest.importorskip("safetensors", reason="needs the training extra")

from training.checkpoint import (
    CheckpointInfo,
    load_weights,
    random_state,
    read_checkpoint,
    read_run,
    restore_random_state,
    save_checkpoint,
    save_run,
)
from training.errors import TrainingError
from training.models.identity import IdentityAggregator
from training.models.visual import VisualEncoder

INFO = CheckpointInfo(
    task="cross",
    config={"family": "compact", "seed": 1},
    data_sha256="ab" * 32,
    train_speakers=60,
    step=300,
    metrics={"auc": 0.97},
)


def test_weights_come_back_as_they_were(tmp_path: Path) -> None:
    module = VisualEncoder()
    save_checkpoint(tmp_path / "best.safetensors", module, INFO)
    tensors, info = read_checkpoint(tmp_path / "best.safetensors")
    assert info == INFO
    other = VisualEncoder()
    load_weights(other, tensors, tmp_path)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize("damage", ["missing", "tensors", "facts", "format"])
def test_damaged_checkpoints_are_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "best.safetensors"
    save_checkpoint(path, IdentityAggregator(), INFO)
    facts = path.with_suffix(".json")
    if damage == "missing":
        facts.unlink()
    elif damage == "tensors":
        path.write_bytes(path.read_bytes()[:100])
    elif damage == "facts":
        facts.write_text("{")
    else:
        facts.write_text(facts.read_text().replace('"format": 1', '"format": 9'))
    with pytest.raises(TrainingError):
        read_checkpoint(path)


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="does not fit"):
        load_weights(VisualEncoder(), IdentityAggregator().state_dict(), tmp_path)


def draws() -> tuple[list[float], list[float], list[float]]:
    numpy_draws = np.random.standard_normal(3).tolist()  # noqa: NPY002
    return torch.rand(3).tolist(), numpy_draws, [random.gauss(0, 1) for _ in range(3)]


def test_every_source_of_chance_goes_on_where_it_was(tmp_path: Path) -> None:
    draws()
    save_run(tmp_path / "run.pt", {"random": random_state()})
    expected = draws()
    draws()
    restore_random_state(read_run(tmp_path / "run.pt")["random"])
    assert draws() == expected


@pytest.mark.parametrize("content", [b"", b"not a run", b"PK\x03\x04"])
def test_damaged_runs_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.pt").write_bytes(content)
    with pytest.raises(TrainingError):
        read_run(tmp_path / "run.pt")
