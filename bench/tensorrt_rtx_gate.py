"""``python -m bench.tensorrt_rtx_gate``: do the graphs that TensorRT gets parse and build? No GPU needed.

The graphs, the shapes and the code that builds are the product's; only the library is TensorRT-RTX instead of
TensorRT. Each case runs in a process of its own, so that a crash of the library is that case's failure.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from rich.console import Console
from rich.table import Table

from bench.tensorrt_rtx import MODULE, VERSION, fetch
from engines.backends.tensorrt_builder import Messages, build_plan, parse_network
from engines.backends.tensorrt_graph import tensorrt_graph
from engines.backends.tensorrt_memory import CUDA_CALLS, Cuda, CudaError
from engines.backends.tensorrt_profiles import Profile, ShapeRange, profiles
from engines.build.record import Windows
from engines.build.sources import read_sources
from engines.errors import EngineError, SeamwatchError
from engines.spec import Role
from engines.store.store import ModelStore
from realtime.config import WindowConfig

MAX_BATCH: Final = 8
PRECISIONS: Final = ("fp32", "fp16")
CAPABILITY: Final = "SM89"
_CASE_WITHIN_S: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One graph to try.

    Attributes:
        name: Role and precision.
        graph: Serialised ONNX model.
        profiles: Shapes that it is built for.
        must_parse: False for one that proves that the gate can fail, and why int8 is refused.
    """

    name: str
    graph: bytes
    profiles: tuple[Profile, ...]
    must_parse: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a case."""

    name: str
    parsed: bool
    built: bool
    seconds: float
    plan_bytes: int
    reason: str
    passed: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the gate; return 1 if a case failed."""
    parser = argparse.ArgumentParser(prog="python -m bench.tensorrt_rtx_gate", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2, help="cases at the same time")
    parser.add_argument("--output", type=Path, help="also write the outcome as JSON")
    parser.add_argument("--case", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--site", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.case is not None:
        return _try_case(options.case, options.site)
    console = Console()
    try:
        site = fetch(console.print)
        cases = [*_cases(), _quantised()]
    except SeamwatchError as error:
        console.print(str(error), style="red")
        return 1
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.jobs) as pool:
        outcomes = list(pool.map(lambda case: _run_apart(case, site, Path(folder)), cases))
    outcomes.append(_cuda_outcome(site))
    console.print(_table(outcomes))
    for outcome in outcomes:
        if outcome.reason:
            console.print(f"{outcome.name}: {outcome.reason}", soft_wrap=True, markup=False, highlight=False)
    if options.output is not None:
        record = {"tensorrt_rtx": VERSION, "target": CAPABILITY, "cases": [asdict(one) for one in outcomes]}
        options.output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def _cases() -> list[Case]:
    """Return every graph that the product hands to TensorRT, with the shapes of the live path."""
    sources = read_sources(ModelStore(), None, 1)
    windows = Windows(**asdict(WindowConfig()))
    cases = []
    for role in Role:
        source = sources.graphs[role]
        ranges = profiles(role, source.spec.inputs, MAX_BATCH, windows.lengths(role))
        cases += [
            Case(
                name=f"{role.value} {precision}",
                graph=tensorrt_graph(source.graph, source.spec.inputs, half=precision == "fp16").content,
                profiles=ranges,
            )
            for precision in PRECISIONS
        ]
    return cases


def _quantised() -> Case:
    """Return a product of matrices as ONNX Runtime quantises it."""
    weight = numpy_helper.from_array(np.ones((4, 4), np.int8), "weight")
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["whole", "scale", "zero"]),
        helper.make_node("MatMulInteger", ["whole", "weight", "zero"], ["product"]),
        helper.make_node("Cast", ["product"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["y"]),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xy"]
    graph = helper.make_graph(nodes, "int8", values[:1], values[1:], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    shape = ShapeRange((1, 4), (1, 4), (1, 4))
    return Case(
        name="int8 of ONNX Runtime",
        graph=bytes(model.SerializeToString()),
        profiles=({"x": shape},),
        must_parse=False,
    )


def _run_apart(case: Case, site: Path, folder: Path) -> Outcome:
    stem = folder / case.name.replace(" ", "-")
    stem.with_suffix(".onnx").write_bytes(case.graph)
    shapes = [{name: asdict(wanted) for name, wanted in profile.items()} for profile in case.profiles]
    stem.with_suffix(".json").write_text(json.dumps(shapes), encoding="utf-8")
    command = [sys.executable, "-m", "bench.tensorrt_rtx_gate", "--case", str(stem), "--site", str(site)]
    started = time.monotonic()
    try:
        process = subprocess.run(command, capture_output=True, text=True, timeout=_CASE_WITHIN_S, check=False)
        found = json.loads(process.stdout.splitlines()[-1]) if process.returncode == 0 else {}
        crash = "" if process.returncode == 0 else f"the process ended with {process.returncode}"
    except subprocess.TimeoutExpired:
        found, crash = {}, f"no answer within {_CASE_WITHIN_S:.0f} s"
    parsed, built = bool(found.get("parsed")), bool(found.get("built"))
    return Outcome(
        name=case.name,
        parsed=parsed,
        built=built,
        seconds=round(time.monotonic() - started, 1),
        plan_bytes=int(found.get("plan_bytes", 0)),
        reason=crash or str(found.get("reason", "")),
        passed=not crash and (built if case.must_parse else not parsed),
    )


def _try_case(stem: Path, site: Path) -> int:
    """Parse and build one case in this process, and print what became of it as one line of JSON."""
    library = _import(MODULE, site)
    graph = stem.with_suffix(".onnx").read_bytes()
    shapes = json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))
    ranges = [
        {
            name: ShapeRange(*(tuple(wanted[bound]) for bound in ("minimum", "optimum", "maximum")))
            for name, wanted in profile.items()
        }
        for profile in shapes
    ]
    found: dict[str, Any] = {"parsed": False, "built": False, "reason": ""}
    try:
        messages = Messages(library)
        parse_network(library, library.Builder(messages.logger), messages, graph)
        found["parsed"] = True
        plan = build_plan(library, graph, ranges, configure=lambda config: _aim(library, config))
        found |= {"built": True, "plan_bytes": len(plan.content)}
    except EngineError as error:
        found["reason"] = error.message
    sys.stdout.write(f"\n{json.dumps(found)}\n")
    return 0


def _aim(library: Any, config: Any) -> None:
    config.num_compute_capabilities = 1
    config.set_compute_capability(getattr(library.ComputeCapability, CAPABILITY), 0)


def _cuda_outcome(site: Path) -> Outcome:
    """Check that every CUDA function that the runtime calls is there, and that no GPU is a readable error."""
    started = time.monotonic()
    runtime = _import("cuda.bindings.runtime", site)
    missing = [name for name in CUDA_CALLS if not hasattr(runtime, name)]
    reason = f"missing: {', '.join(missing)}" if missing else ""
    try:
        found = f"{Cuda(runtime).device_count()} GPU"
    except CudaError as error:
        found = error.message
    return Outcome(
        name=f"{len(CUDA_CALLS)} functions of CUDA",
        parsed=not missing,
        built=not missing,
        seconds=round(time.monotonic() - started, 1),
        plan_bytes=0,
        reason=reason or f"all there; asked for GPUs: {found}",
        passed=not missing,
    )


def _import(name: str, site: Path) -> Any:
    sys.path.insert(0, str(site))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(site))


def _table(outcomes: Sequence[Outcome]) -> Table:
    table = Table(title=f"TensorRT-RTX {VERSION}, strongly typed, built ahead of time for {CAPABILITY}")
    for column in ("graph", "parsed", "built", "plan", "seconds", "verdict"):
        table.add_column(column, no_wrap=True)
    for one in outcomes:
        table.add_row(
            one.name,
            "yes" if one.parsed else "no",
            "yes" if one.built else "no",
            f"{one.plan_bytes / 1e6:.1f} MB" if one.plan_bytes else "",
            f"{one.seconds:.1f}",
            "[green]as it must[/]" if one.passed else "[red]FAILED[/]",
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
