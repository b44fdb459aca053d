"""Real engines behind the scheduler: company changes nobody's result, and closing closes all."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest

from engines.base import Engine
from engines.checkpoint import CheckpointEngines, load_checkpoint
from engines.errors import EngineError
from engines.loader import EngineSet
from engines.spec import Role
from realtime.config import MonitorConfig
from realtime.encoders.batched_engine import batchable, run_together
from realtime.encoders.scheduler import EngineScheduler
from realtime.encoders.suite import build_encoders
from tests.support.engine_gate import GatedEngine

pytest_plugins = ["tests.support.models"]

BATCHED = (Role.IDENTITY, Role.LANDMARKS, Role.SPEECH, Role.VISUAL, Role.AUDIO)


@pytest.fixture(scope="module")
def checkpoint() -> Iterator[CheckpointEngines]:
    engines = load_checkpoint()
    yield engines
    engines.close()


def engine_of(role: Role, engines: EngineSet, checkpoint: CheckpointEngines) -> Engine:
    return getattr(checkpoint if role in (Role.VISUAL, Role.AUDIO) else engines, role.value)


def participants(role: Role) -> list[dict[str, np.ndarray]]:
    """Three participants' requests, of one, two and one rows."""
    rng = np.random.default_rng(0)

    def noise(low: float, high: float, *shape: int) -> np.ndarray:
        return rng.uniform(low, high, shape).astype(np.float32)

    make = {
        Role.IDENTITY: lambda rows: {"faces": noise(0, 255, rows, 3, 112, 112)},
        Role.LANDMARKS: lambda rows: {"faces": noise(0, 1, rows, 192, 192, 3)},
        Role.SPEECH: lambda rows: {"mel": noise(-1, 1, rows, 156, 80)},
        Role.AUDIO: lambda rows: {"speech": noise(-1, 1, rows, 78, 384)},
        Role.VISUAL: lambda rows: {
            "lips": noise(-1, 1, rows, 25, 40, 2),
            "mouth": noise(0, 255, rows, 25, 64, 64),
        },
    }[role]
    return [make(rows) for rows in (1, 2, 1)]


@pytest.mark.parametrize("role", BATCHED)
def test_company_changes_nobodys_result(
    role: Role, engine_set: EngineSet, checkpoint: CheckpointEngines
) -> None:
    engine = engine_of(role, engine_set, checkpoint)
    requests = participants(role)
    assert batchable(engine.spec)
    for request, together in zip(requests, run_together(engine, requests), strict=True):
        for name, alone in engine.run(request).items():
            scale = max(1.0, float(np.abs(alone).max()))
            np.testing.assert_allclose(together[name] / scale, alone / scale, rtol=0, atol=1e-5)


@pytest.mark.parametrize("role", [Role.DETECTOR, Role.VAD])
def test_what_has_no_batch_axis_is_not_batched(
    role: Role, engine_set: EngineSet, checkpoint: CheckpointEngines
) -> None:
    assert not batchable(engine_of(role, engine_set, checkpoint).spec)


def test_the_suite_puts_every_engine_behind_its_scheduler_and_closes_it(
    engine_set: EngineSet, checkpoint: CheckpointEngines
) -> None:
    class Unclosed(GatedEngine):
        def __init__(self, engine: Engine) -> None:
            super().__init__(engine.spec)
            self._engine = engine

        def run(self, inputs):
            return self._engine.run(inputs)

    def fields_of(engines: EngineSet | CheckpointEngines) -> dict[str, Engine]:
        found = {field.name: getattr(engines, field.name) for field in dataclasses.fields(engines)}
        return {name: value for name, value in found.items() if not isinstance(value, int)}

    inner = {name: Unclosed(engine) for name, engine in fields_of(engine_set).items()}
    trained = {name: Unclosed(engine) for name, engine in fields_of(checkpoint).items()}
    scheduler = EngineScheduler(clock_ns=lambda: 0, cores=2)
    suite = build_encoders(
        dataclasses.replace(engine_set, **inner),
        MonitorConfig(),
        dataclasses.replace(checkpoint, **trained),
        scheduler,
    )
    assert suite.scheduler is scheduler
    assert suite.ids == build_encoders(engine_set, MonitorConfig(), checkpoint).ids
    crops = np.zeros((2, 112, 112, 3), np.uint8)
    direct = build_encoders(engine_set, MonitorConfig(), checkpoint).identity.embed(crops)
    np.testing.assert_array_equal(suite.identity.embed(crops), direct)
    suite.close()
    assert [engine.closed for engine in (*inner.values(), *trained.values())] == [1] * 7
    with pytest.raises(EngineError, match="is closed"):
        suite.identity.embed(crops)
