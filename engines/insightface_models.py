"""Face recognisers of insightface model packs (ArcFace; Deng et al. 2019), for those who may use them.

The packs are licensed for non-commercial research only, so Seamwatch neither pins nor downloads them. A pack
that lies on the disk can take the place of the pinned recogniser.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

from engines import graphs
from engines.base import Engine
from engines.contracts import identity_contract
from engines.errors import EngineError
from engines.onnxruntime_engine import BACKEND, OnnxRuntimeEngine
from engines.preparation import parse, prepare_identity
from engines.spec import EngineSpec, Role

RECOGNISERS = ("w600k_r50.onnx", "w600k_mbf.onnx")
"""File names of the recognition models in the packs buffalo_l and buffalo_s, the more accurate one first."""

DIMENSION = 512
_PIXEL_MEAN = 127.5
_PIXEL_SCALE = 1 / 127.5


def default_packs() -> Path:
    """Return the folder into which insightface downloads its packs."""
    return Path.home() / ".insightface" / "models"


def find_recogniser(folder: Path | None = None) -> Path:
    """Return the recognition model of an insightface pack.

    Args:
        folder: A pack, or a folder of packs; None for the one that insightface uses.

    Raises:
        EngineError: If there is none.
    """
    root = default_packs() if folder is None else folder
    for name in RECOGNISERS:
        found = sorted(path for path in (root / name, *root.glob(f"*/{name}")) if path.is_file())
        if found:
            return found[0]
    install = (
        "" if importlib.util.find_spec("insightface") else "install the extra `seamwatch[insightface]`, then "
    )
    fix = (
        f"{install}download a pack with insightface's own downloader; "
        "mind that the packs are licensed for non-commercial research only."
    )
    raise EngineError(
        f"There is no insightface recognition model ({' or '.join(RECOGNISERS)}) under {root}.",
        fix=fix[0].upper() + fix[1:],
    )


def load_insightface_identity(folder: Path | None = None, *, threads: int = 1) -> Engine:
    """Load the recognition model of an insightface pack.

    Args:
        folder: A pack, or a folder of packs; None for the one that insightface uses.
        threads: Threads that one run uses.

    Returns:
        An engine that keeps to ``engines.contracts.identity_contract(512)``; it takes the place of
        ``EngineSet.identity``.

    Raises:
        EngineError: If there is no pack, or its model is not a recogniser of the known form.
    """
    path = find_recogniser(folder)
    source = path.read_bytes()
    model = parse(source)
    graph = model.graph
    prepare_identity(graph, DIMENSION)
    graphs.normalise_input(graph, "faces", mean=_PIXEL_MEAN, scale=_PIXEL_SCALE)
    contract = identity_contract(DIMENSION)
    spec = EngineSpec(
        model=f"insightface-{path.stem.replace('_', '-')}",
        role=Role.IDENTITY,
        inputs=contract.inputs,
        outputs=contract.outputs,
        frontend=contract.frontend,
        source_sha256=hashlib.sha256(source).hexdigest(),
        backend=BACKEND,
        precision="fp32",
        device="cpu",
        threads=threads,
    )
    return OnnxRuntimeEngine(model.SerializeToString(), spec)
