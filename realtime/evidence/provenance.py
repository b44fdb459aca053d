"""What made the evidence: program, settings, engines and the hashes of their models."""

from __future__ import annotations

import importlib.metadata
from dataclasses import asdict

from engines.base import Engine
from realtime.config import MonitorConfig
from realtime.encoders.suite import EncoderSuite
from realtime.evidence.record import EngineInfo, Provenance, canonical_json, sha256


def provenance_of(encoders: EncoderSuite, config: MonitorConfig) -> Provenance:
    """Return what scores of these encoders under these settings come from."""
    settings = asdict(config)
    engines: dict[str, Engine] = {role.value: engine for role, engine in encoders.engines.by_role.items()}
    if encoders.checkpoint is not None:
        engines |= {"visual": encoders.checkpoint.visual, "audio": encoders.checkpoint.audio}
    return Provenance(
        program=program_version(),
        config=settings,
        config_sha256=sha256(canonical_json(settings)),
        engines={
            role: EngineInfo(id=name) if role not in engines else _info(name, engines[role])
            for role, name in encoders.ids.items()
        },
    )


def _info(name: str, engine: Engine) -> EngineInfo:
    spec = engine.spec
    return EngineInfo(
        id=name,
        model=spec.model,
        source_sha256=spec.source_sha256,
        frontend=spec.frontend,
        backend=spec.backend,
        precision=spec.precision,
        device=spec.device,
    )


def program_version() -> str:
    """Return name and version of this program; the name alone where it is not installed."""
    try:
        return f"seamwatch {importlib.metadata.version('seamwatch')}"
    except importlib.metadata.PackageNotFoundError:
        return "seamwatch"
