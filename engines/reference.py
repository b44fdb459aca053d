"""The fp32 graphs of all roles: what every engine is built from, and held against."""

from __future__ import annotations

from dataclasses import dataclass

from engines.contracts import CONTRACTS, Contract
from engines.onnxruntime_engine import BACKEND
from engines.preparation import PREPARATION_VERSION, prepare
from engines.spec import EngineSpec, Role
from engines.store.catalogue import by_role
from engines.store.store import ModelStore


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceGraph:
    """One prepared graph.

    Attributes:
        graph: Serialised ONNX model, named by the contract, free in batch and length.
        spec: Its contract as it runs in ONNX Runtime on the CPU.
    """

    graph: bytes
    spec: EngineSpec


def pinned_graph(store: ModelStore, role: Role, threads: int) -> ReferenceGraph:
    """Return the graph of a pinned model.

    Args:
        store: Where the models lie.
        role: Which model.
        threads: Threads that one run uses.

    Raises:
        ModelStoreError: If the model is missing or damaged.
        EngineError: If it cannot be prepared.
    """
    model = by_role(role)
    path = store.path(model.name)
    graph = store.prepared.get(model.sha256, PREPARATION_VERSION, lambda: prepare(role, path.read_bytes()))
    return ReferenceGraph(
        graph=graph, spec=reference_spec(model.name, role, CONTRACTS[role], model.sha256, threads)
    )


def reference_spec(
    model: str, role: Role, contract: Contract, source_sha256: str, threads: int
) -> EngineSpec:
    """Return the contract of an fp32 graph as it runs in ONNX Runtime on the CPU.

    Args:
        model: Short name of the model.
        role: What it is used for.
        contract: Inputs, outputs and frontend.
        source_sha256: SHA-256 of its source file.
        threads: Threads that one run uses.
    """
    return EngineSpec(
        model=model,
        role=role,
        inputs=contract.inputs,
        outputs=contract.outputs,
        frontend=contract.frontend,
        source_sha256=source_sha256,
        backend=BACKEND,
        precision="fp32",
        device="cpu",
        threads=threads,
    )
