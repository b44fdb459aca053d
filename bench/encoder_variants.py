"""One way to run all encoders, in a process of its own, played in real time."""

from __future__ import annotations

import math
import multiprocessing
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.naive_encoders import Run, naive_runs
from engines.backends.registry import get_backend
from engines.base import Array, Engine
from engines.build.evidence import no_evidence
from engines.build.opening import open_engines
from engines.build.record import Windows
from engines.build.sources import build_request, read_sources
from engines.checkpoint import load_checkpoint
from engines.loader import load_engines
from engines.spec import Role
from engines.store.store import ModelStore
from realtime.config import MonitorConfig
from realtime.encoders.workload import RoleLoad, live_load
from realtime.timebase import FRAME_RATE_HZ, NS_PER_MS, NS_PER_S

NAIVE, DEFAULT, OPENVINO = "naive", "default", "openvino"

TURN_S = 2
"""Seconds of call in one turn; in one second some roles run twice and in the next three times."""

_START_WITHIN_S = 120.0
_ANSWER_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnCost:
    """CPU time of a turn, in ms for one second of call.

    Attributes:
        total_ms: Of the process.
        by_role_ms: Of the calls of a role; what threads burn between calls is in no role.
    """

    total_ms: float
    by_role_ms: Mapping[Role, float]


class Variant:
    """The parent's end of a variant's process.

    Attributes:
        ids: What runs each role.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.ids: dict[Role, str] = self._receive(_START_WITHIN_S)

    def play(self, turn: int) -> TurnCost:
        """Run what falls on one turn; takes ``TURN_S``."""
        self._connection.send(turn)
        cost: TurnCost = self._receive(_ANSWER_WITHIN_S)
        return cost

    def _receive(self, within_s: float) -> Any:
        if not self._connection.poll(within_s):
            raise TimeoutError(f"a variant gave no answer within {within_s:g} s")
        return self._connection.recv()


@contextmanager
def running_variant(kind: str, folder: Path | None = None) -> Iterator[Variant]:
    """Start a variant and end it.

    Args:
        kind: ``naive``, ``default``, or the name of a backend.
        folder: A set of engines to run instead.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, kind, folder), daemon=True)
    process.start()
    there.close()
    try:
        yield Variant(here)
    finally:
        here.close()
        process.join(_ANSWER_WITHIN_S)
        if process.is_alive():
            process.terminate()


def due(load: RoleLoad, tick: int) -> int:
    """Return how many runs of a role fall on a tick."""
    return _runs_before(load, tick + 1) - _runs_before(load, tick)


def _runs_before(load: RoleLoad, tick: int) -> int:
    bursts = math.floor(tick * load.runs_per_s / load.together / FRAME_RATE_HZ)
    return math.floor(bursts * load.together)


def _serve(connection: Connection, kind: str, folder: Path | None) -> None:
    load = live_load(MonitorConfig())
    if kind == NAIVE:
        runs, ids = naive_runs(ModelStore()), dict.fromkeys(load, "/onnxruntime-as-it-comes")
    else:
        engines = _engines(kind, folder)
        runs = {role: _run_of(engine) for role, engine in engines.items()}
        ids = {role: engine.spec.id for role, engine in engines.items()}
    for role, role_load in load.items():
        runs[role](role_load.inputs)
    connection.send(ids)
    while True:
        try:
            turn = connection.recv()
        except EOFError:
            return
        connection.send(_play(runs, load, turn))


def _play(runs: Mapping[Role, Run], load: Mapping[Role, RoleLoad], turn: int) -> TurnCost:
    by_role_ns = dict.fromkeys(load, 0)
    started_ns, cpu_before_ns = time.monotonic_ns(), time.process_time_ns()
    ticks = TURN_S * FRAME_RATE_HZ
    for index in range(ticks):
        for role, role_load in load.items():
            for _ in range(due(role_load, turn * ticks + index)):
                before_ns = time.process_time_ns()
                runs[role](role_load.inputs)
                by_role_ns[role] += time.process_time_ns() - before_ns
        next_tick_ns = started_ns + (index + 1) * NS_PER_S // FRAME_RATE_HZ
        time.sleep(max(0, next_tick_ns - time.monotonic_ns()) / NS_PER_S)
    return TurnCost(
        total_ms=(time.process_time_ns() - cpu_before_ns) / NS_PER_MS / TURN_S,
        by_role_ms={role: spent_ns / NS_PER_MS / TURN_S for role, spent_ns in by_role_ns.items()},
    )


def _run_of(engine: Engine) -> Run:
    def run(inputs: Mapping[str, Array]) -> None:
        engine.run(inputs)

    return run


def _engines(kind: str, folder: Path | None) -> Mapping[Role, Engine]:
    if folder is not None:
        return open_engines(folder).engines
    if kind == DEFAULT:
        trained = load_checkpoint()
        pinned = load_engines(ModelStore()).by_role
        return {**pinned, Role.VISUAL: trained.visual, Role.AUDIO: trained.audio}
    backend, sources = get_backend(kind), read_sources(ModelStore(), None, 1)
    windows = Windows(**asdict(MonitorConfig().windows))
    engines: dict[Role, Engine] = {}
    for role in Role:
        request = build_request(sources, role, "fp32", windows, no_evidence(), max_batch=1, threads=1)
        built = backend.build(request)
        engines[role] = backend.load(
            built.files, replace(request.spec, backend=backend.name, device=built.device)
        )
    return engines
