"""Rising load before the real engines, in real time: participants that send what a live call sends."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import mean

from bench.batching_virtual import spread
from engines.base import Engine
from engines.checkpoint import load_checkpoint
from engines.loader import load_engines
from engines.processors import usable_processors
from engines.spec import Role
from engines.store.store import ModelStore
from realtime.config import MonitorConfig
from realtime.encoders.batched_engine import BatchedEngine, batchable
from realtime.encoders.batching import BatchPolicy
from realtime.encoders.deadline import wanted_by
from realtime.encoders.scheduler import MAX_BATCH, MAX_CALLERS, MAX_WAIT_NS, policy_for
from realtime.encoders.workload import RoleLoad, live_load
from realtime.errors import OverloadError
from realtime.load import MAX_AGE_NS
from realtime.timebase import FRAME_RATE_HZ, NS_PER_MS, NS_PER_S

#: How the engines are called, and by how many threads.
WAYS = ("directly", "scheduler, CPU policy", "scheduler, one owner and batches")
ORDER = (
    *(Role.DETECTOR, Role.LANDMARKS, Role.IDENTITY, Role.VAD),
    *(Role.VISUAL, Role.SPEECH, Role.AUDIO),
)


def real_engines() -> dict[Role, Engine]:
    """Load the default engines."""
    checkpoint = load_checkpoint()
    return {
        **load_engines(ModelStore()).by_role,
        Role.VISUAL: checkpoint.visual,
        Role.AUDIO: checkpoint.audio,
    }


@dataclass(slots=True)
class Heard:
    """What the engines did; takes note from any thread."""

    waits_ms: list[float] = field(default_factory=list)
    batches: Counter[int] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def engine_ran(self, role: str, waits_s: Sequence[float]) -> None:
        """Count a run; only roles that can be batched."""
        if role in {Role.DETECTOR.value, Role.VAD.value}:
            return
        with self.lock:
            self.waits_ms += (wait_s * 1000 for wait_s in waits_s)
            self.batches[len(waits_s)] += 1

    def engine_dropped(self, role: str, reason: str, count: int) -> None:
        """Count drops."""
        with self.lock:
            self.dropped[reason] += count


class Unowned:
    """Keeps an engine open when the scheduler before it closes."""

    def __init__(self, engine: Engine) -> None:
        self.spec = engine.spec
        self.run = engine.run

    def close(self) -> None:
        """Leave the engine open."""


def drive(engines: Mapping[Role, Engine], way: str, heard: Heard) -> dict[Role, Engine]:
    """Put engines behind the scheduler in one of ``WAYS``."""
    if way == WAYS[0]:
        return dict(engines)
    cores = usable_processors()
    accelerator = BatchPolicy(max_batch=MAX_BATCH, max_wait_ns=MAX_WAIT_NS, max_waiting=MAX_CALLERS)
    driven: dict[Role, Engine] = {}
    for role, engine in engines.items():
        owned = way == WAYS[2] and batchable(engine.spec)
        driven[role] = BatchedEngine(
            Unowned(engine),
            accelerator if owned else policy_for(engine.spec, cores=cores),
            callers_run=not owned,
            clock_ns=time.monotonic_ns,
            observer=heard,
        )
    return driven


def window_calls(load: Mapping[Role, RoleLoad], config: MonitorConfig) -> list[Role]:
    """Return the engine calls of one hop of call, in the order of the live path."""
    hop_s = config.windows.hop_ticks / FRAME_RATE_HZ
    return [role for role in ORDER for _ in range(round(load[role].runs_per_s * hop_s))]


def measure_engines(
    engines: Mapping[Role, Engine], way: str, participants: int, threads: int, seconds: float
) -> dict[str, object]:
    """Let participants send their windows at the rate of a call, and return what became of them."""
    config, heard = MonitorConfig(), Heard()
    load = live_load(config)
    roles = window_calls(load, config)
    driven = drive(engines, way, heard)
    hop_ns = config.windows.hop_ticks * NS_PER_S // FRAME_RATE_HZ
    latencies_ms: list[float] = []
    dropped_windows = 0
    noted = threading.Lock()

    def window(due_ns: int) -> None:
        nonlocal dropped_windows
        try:
            with wanted_by(due_ns + MAX_AGE_NS):
                for role in roles:
                    driven[role].run(load[role].inputs)
        except OverloadError:
            with noted:
                dropped_windows += 1
            return
        with noted:
            latencies_ms.append((time.monotonic_ns() - due_ns) / NS_PER_MS)

    callers = max(threads, min(participants, MAX_CALLERS)) if way == WAYS[2] else threads
    started_ns, started_cpu_s = time.monotonic_ns(), time.process_time()
    due = sorted(
        started_ns + hop_ns * hop + hop_ns * participant // participants
        for participant in range(participants)
        for hop in range(round(seconds * NS_PER_S / hop_ns))
    )
    with ThreadPoolExecutor(callers) as executor:
        for due_ns in due:
            time.sleep(max(0, due_ns - time.monotonic_ns()) / NS_PER_S)
            executor.submit(window, due_ns)
    elapsed_s = (time.monotonic_ns() - started_ns) / NS_PER_S
    cpu_s = time.process_time() - started_cpu_s
    if way != WAYS[0]:
        for engine in driven.values():
            engine.close()
    done = max(1, len(latencies_ms))
    sizes = list(heard.batches.elements())
    return {
        "participants": participants,
        "policy": way,
        "windows": len(due),
        **spread("latency", latencies_ms),
        **spread("wait", heard.waits_ms),
        "requests_a_run": round(mean(sizes), 2) if sizes else 1.0,
        "most_a_run": max(sizes, default=1),
        "batches": dict(sorted(heard.batches.items())),
        "dropped_windows": dropped_windows,
        "dropped": dict(heard.dropped),
        "finished_late": sum(value > MAX_AGE_NS / NS_PER_MS for value in latencies_ms),
        "cpu_ms_a_window": round(1000 * cpu_s / done, 1),
        "seconds": round(elapsed_s, 1),
    }
