"""Fixtures that hand out the real models, for ``pytest_plugins = ["tests.support.models"]``."""

from collections.abc import Iterator

import pytest

from engines.loader import EngineSet, load_engines
from engines.store.store import WRONG_HASH, FileState, ModelStore


@pytest.fixture(scope="session")
def model_store() -> ModelStore:
    """The user's model store, filled; a skip where no source answers, a failure for a wrong file."""
    store = ModelStore()
    for result in store.pull():
        if result.state is FileState.PRESENT:
            continue
        reasons = "; ".join(f"{attempt.source}: {attempt.failure}" for attempt in result.attempts)
        message = f"{result.model.name} cannot be had: {reasons}"
        if any(attempt.failure == WRONG_HASH for attempt in result.attempts):
            pytest.fail(message)
        pytest.skip(message)
    return store


@pytest.fixture(scope="session")
def engine_set(model_store: ModelStore) -> Iterator[EngineSet]:
    """The engines of the pinned models."""
    engines = load_engines(model_store)
    yield engines
    engines.close()
