from __future__ import annotations

import csv
import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch", reason="needs the training extra")
pytest.importorskip("safetensors", reason="needs the training extra")

from tests.support.prepared_clips import prepared_clip, prepared_clips
from tests.support.speech import made_up_features
from training.averaging import WeightAverage
from training.batches import batches_ahead
from training.cli.train import train
from training.config import CrossConfig, IntraConfig, TrainConfig, load_config
from training.device import Placement
from training.errors import TrainingError
from training.loop import Outcome, Progress, TrainingRun
from training.pool import Pool
from training.tasks import Task, cross_task, intra_task
from training.validation import CrossValidation, IntraValidation, area_under_curve, sections_of

PLACE = Placement(device=torch.device("cpu"), precision="fp32")
CONFIG = TrainConfig.model_validate(
    {
        "family": "compact",
        "cross": {
            "optimisation": {"steps": 6, "learning_rate": 1e-3, "validate_every": 3, "average": 0.9},
            "sampling": {"segments": 3, "min_ticks": 25, "max_ticks": 28, "short_ticks": 25},
        },
        "intra": {"optimisation": {"steps": 12, "learning_rate": 1e-3, "validate_every": 4}},
    }
)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def cross(seed: int = 1) -> Task:
    clips = prepared_clips(16, 4)
    config = CONFIG.model_copy(update={"seed": seed})
    assert config.cross is not None
    return cross_task(config, config.cross, Pool.of(clips), Pool.of(clips[:8]), speech=made_up_features)


def intra(**optimisation: Any) -> Task:
    clips = prepared_clips(16, 4)
    assert CONFIG.intra is not None
    changed = CONFIG.intra.optimisation.model_copy(update=optimisation)
    return intra_task(
        CONFIG, CONFIG.intra.model_copy(update={"optimisation": changed}), Pool.of(clips), Pool.of(clips)
    )


def start(task: Task, folder: Path, *, resume: bool = False, config: Any = None) -> TrainingRun:
    return TrainingRun(task, config or {"seed": 1}, folder, PLACE, resume=resume)


def state(folder: Path) -> dict[str, Any]:
    return dict(torch.load(folder / "run.pt", weights_only=True))


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)


def rows(folder: Path) -> list[list[str]]:
    with (folder / "curves.csv").open(newline="") as stream:
        return list(csv.reader(stream))


def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(tmp_path: Path) -> None:
    start(cross(), tmp_path / "whole").run()
    first = start(cross(), tmp_path / "parts").run(stop_after=2)
    assert (first.step, first.interrupted) == (2, True)
    torch.rand(7)
    second = start(cross(), tmp_path / "parts", resume=True).run(stop_after=4)
    assert second.step == 4
    last = start(cross(), tmp_path / "parts", resume=True).run()
    assert (last.step, last.interrupted) == (6, False)
    whole, parts = state(tmp_path / "whole"), state(tmp_path / "parts")
    assert all(
        equal(whole[name], parts[name])
        for name in ("objective", "average", "optimiser", "schedule", "position")
    )
    for name in ("best.safetensors", "best.json", "curves.csv"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


def test_the_average_of_weights_is_kept_apart_from_them() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(2, 1, bias=False), torch.nn.BatchNorm1d(1))
    average = WeightAverage(module, 0.5)
    weight = module[0].weight
    expected = float(weight.detach()[0, 0])
    for step in range(1, 30):
        with torch.no_grad():
            weight[0, 0] = step
            module[1].num_batches_tracked.fill_(step)
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    with average.applied():
        assert float(weight.detach()[0, 0]) == pytest.approx(expected, rel=1e-5)
        assert int(module[1].num_batches_tracked) == 29
    assert float(weight.detach()[0, 0]) == 29.0


def test_seeds_tell_runs_apart(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        start(cross(seed), tmp_path / name).run(stop_after=2)
    a, b, c = (state(tmp_path / name)["objective"] for name in "abc")
    assert equal(a, b)
    assert not equal(a, c)


def test_training_learns(tmp_path: Path) -> None:
    steps: list[Progress] = []
    task = intra(steps=40, validate_every=20)
    start(task, tmp_path).run(steps.append)
    assert [state.step for state in steps] == list(range(1, 41))
    assert np.mean([state.loss for state in steps[-8:]]) < 0.8 * np.mean([state.loss for state in steps[:8]])


def test_the_best_weights_are_kept_and_a_stalled_run_ends(tmp_path: Path) -> None:
    figures = iter([0.5, 0.9, 0.7, 0.9, 0.6, 0.99])
    task = intra(steps=40, validate_every=2, patience=3)
    task = Task(
        **{
            **{name: getattr(task, name) for name in Task.__slots__},
            "validate": lambda _device: {"auc": next(figures)},
        }
    )
    outcome = start(task, tmp_path).run()
    assert outcome == Outcome(step=8, best_step=2, metrics={"auc": 0.9}, interrupted=False)
    assert json.loads((tmp_path / "best.json").read_text())["step"] == 2
    again = start(intra(steps=40, validate_every=2, patience=3), tmp_path, resume=True).run()
    assert again.step == 8


def test_a_signal_ends_the_run_with_a_checkpoint_and_handlers_come_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def kill(state: Progress) -> None:
        if state.step == 5:
            os.kill(os.getpid(), signal.SIGTERM)

    outcome = start(intra(), tmp_path).run(kill)
    assert (outcome.step, outcome.interrupted) == (5, True)
    assert signal.getsignal(signal.SIGTERM) is before
    assert start(intra(), tmp_path, resume=True).run().step == 12


def test_curves_of_a_killed_run_are_cut_back_to_its_checkpoint(tmp_path: Path) -> None:
    start(intra(), tmp_path).run(stop_after=4)
    with (tmp_path / "curves.csv").open("a") as stream:
        stream.write("9,train/loss,1.0\n10,tra")
    start(intra(), tmp_path, resume=True).run()
    steps = [int(row[0]) for row in rows(tmp_path)[1:]]
    assert steps == sorted(steps)
    assert 9 not in steps
    assert {0, 4, 8, 12} <= set(steps)


def test_a_run_is_not_overwritten_nor_resumed_with_other_settings(tmp_path: Path) -> None:
    start(intra(), tmp_path).run(stop_after=4)
    with pytest.raises(TrainingError, match="already holds a run"):
        start(intra(), tmp_path)
    with pytest.raises(TrainingError, match="another config"):
        start(intra(), tmp_path, resume=True, config={"seed": 2})
    (tmp_path / "run.pt").write_bytes(b"damaged")
    with pytest.raises(TrainingError, match="no state"):
        start(intra(), tmp_path, resume=True)


def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    task = intra()
    with torch.no_grad():
        task.objective.identity.widen.bias.fill_(float("nan"))
    with pytest.raises(TrainingError, match="not finite"):
        start(task, tmp_path).run()


@pytest.mark.parametrize("workers", [1, 3])
def test_batches_come_in_order_and_only_a_few_ahead(workers: int) -> None:
    made: list[int] = []

    def make(step: int) -> dict[str, torch.Tensor]:
        made.append(step)
        return {"step": torch.tensor(step)}

    ahead = batches_ahead(make, 4, 40, workers)
    taken = [int(next(ahead)["step"]) for _ in range(5)]
    assert taken == [4, 5, 6, 7, 8]
    assert max(made) <= 8 + 2 * workers
    assert [int(batch["step"]) for batch in ahead] == list(range(9, 40))


def test_a_batch_that_fails_fails_the_run() -> None:
    def make(step: int) -> dict[str, torch.Tensor]:
        raise TrainingError("no clip", fix="")

    with pytest.raises(TrainingError, match="no clip"):
        next(batches_ahead(make, 0, 5, 1))


def test_auc_counts_pairs() -> None:
    rng = np.random.default_rng(0)
    high, low = rng.integers(0, 6, 30), rng.integers(0, 5, 20)
    pairs = [1.0 if h > l else 0.5 if h == l else 0.0 for h in high for l in low]  # noqa: E741
    assert area_under_curve(high, low) == pytest.approx(float(np.mean(pairs)))
    with pytest.raises(ValueError, match="both kinds"):
        area_under_curve([], [1.0])


class _Loudness(torch.nn.Module):
    """Tells the opening mouth from its lips, or from the loudness of the voice: a detector that works."""

    def forward(self, first: torch.Tensor, mouth: torch.Tensor | None = None) -> torch.Tensor:
        if mouth is None:
            value = first.mean(dim=2).unflatten(1, (-1, 2)).mean(dim=2)
        else:
            value = first[:, :, -1].mean(dim=2) - first[:, :, 0].mean(dim=2)
        curve = value - torch.nn.functional.avg_pool1d(value[:, None], 9, 1, 4)[:, 0]
        inner = curve[:, 5:-5]
        angle = torch.atan(inner / inner.std())
        return torch.stack([torch.sin(angle), torch.cos(angle)], dim=2)


def _pairs(mel: np.ndarray) -> np.ndarray:
    """Two features a tick that keep the loudness of log-mel."""
    return mel.reshape(len(mel), -1, 2, mel.shape[2]).mean(axis=2)


def test_validation_tells_a_detector_that_works_from_one_that_does_not() -> None:
    assert CONFIG.windows.length_ticks == 25
    pool = Pool.of(prepared_clips(24, 6))
    validator = CrossValidation(pool, CONFIG.windows, _pairs, seed=1)
    figures = validator(_Loudness(), _Loudness(), torch.device("cpu"))
    assert set(figures) == {"auc", "auc_swapped", "auc_shifted", "auc_swapped_word"}
    assert figures["auc_swapped"] > 0.9
    assert figures["auc_shifted"] > 0.9
    blind = CrossValidation(pool, CONFIG.windows, _pairs, seed=1)(_Blind(), _Blind(), torch.device("cpu"))
    assert blind["auc"] == pytest.approx(0.5)


class _Blind(torch.nn.Module):
    def forward(self, first: torch.Tensor, mouth: torch.Tensor | None = None) -> torch.Tensor:
        frames = (first.shape[1] if mouth is not None else first.shape[1] // 2) - 10
        return torch.ones(first.shape[0], frames, 1)


def test_sections_hold_windows_that_a_call_would_have() -> None:
    clips = Pool.of(
        [prepared_clip(1, ticks=120), prepared_clip(2, ticks=30), prepared_clip(3, ticks=20)]
    ).clips
    by_ticks = {clips[section.clip].prepared.ticks: section for section in sections_of(clips, CONFIG.windows)}
    assert set(by_ticks) == {120, 30}
    assert by_ticks[120].starts == (1, 11, 21, 31) or by_ticks[120].starts == (41, 51, 61, 71)
    assert by_ticks[30].one_word
    assert len(by_ticks[30].starts) == 1


def test_identity_validation_counts_people_alike() -> None:
    clips = [prepared_clip(i, speaker=f"p{i % 3}") for i in range(9)]
    validator = IntraValidation(Pool.of(clips), CONFIG.windows, windows=4, seed=1)
    task = intra()
    assert len(validator) == 3
    assert validator(task.objective.identity, torch.device("cpu"))["auc"] == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["compact"])
def test_shipped_configurations_are_valid(name: str) -> None:
    config = load_config(name)
    assert isinstance(config.cross, CrossConfig)
    assert isinstance(config.intra, IntraConfig)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("family = 'compact'", "one of cross and intra"),
        ("family = 'huge'\n[intra.optimisation]\nsteps = 1\nlearning_rate = 1", "family"),
        ("family = 'compact'\n[intra.optimisation]\nstep = 1\nlearning_rate = 1", "intra.optimisation"),
        ("family = ", "not TOML"),
    ],
)
def test_wrong_configurations_are_refused(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(TrainingError, match=complaint):
        load_config(str(path))
    with pytest.raises(TrainingError, match="no configuration nothing"):
        load_config("nothing")


def test_the_command_refuses_a_folder_without_clips(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        train, ["--config", "compact", "--data", str(tmp_path), "--out", str(tmp_path / "run")]
    )
    assert isinstance(result.exception, TrainingError)
    assert "no prepared clips" in str(result.exception)
