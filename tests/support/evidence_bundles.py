"""Evidence made by the real scorer from random streams, without media."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import numpy as np

from realtime.config import MonitorConfig, ScoringConfig, WindowConfig
from realtime.evidence.bundle import EvidenceItem
from realtime.evidence.memory import (
    Alignment,
    EvidenceMemory,
    EvidenceSnapshot,
    LipsAndVoice,
    TracePoint,
)
from realtime.evidence.record import EngineInfo, Provenance, Source, canonical_json, sha256
from realtime.messages import Narrator
from realtime.scoring.scorer import Scorer
from realtime.types import Alert, AlertState
from tests.support.evidence import embedding, lag_embeddings, window

DIMENSION = 6


@dataclass(frozen=True)
class Stream:
    """How a random stream is made: how many windows, how often a face or speech is missing, the memory."""

    seed: int = 0
    windows: int = 12
    memory: int = 16
    missing: float = 0.0
    lag_ticks: int = 0
    uncertainty_ns: int | None = None


def config_of(stream: Stream) -> MonitorConfig:
    """Return the settings under which a stream is scored."""
    return MonitorConfig(
        windows=WindowConfig(band_ticks=2),
        scoring=ScoringConfig(memory_windows=stream.memory, recent_windows=5, max_silence_windows=8),
    )


def snapshot_of(stream: Stream, state: AlertState = AlertState.ALERT) -> EvidenceSnapshot:
    """Score a stream and return what a transition after its last window rests on."""
    config = config_of(stream)
    rng = np.random.default_rng(stream.seed)
    scorer = Scorer(config.scoring, config.windows)
    if stream.uncertainty_ns is not None:
        scorer.set_sync_uncertainty(stream.uncertainty_ns)
    memory = EvidenceMemory(stream.memory)
    lags = 2 * config.windows.band_ticks + 1
    person = rng.normal(size=DIMENSION)
    score = None
    for index in range(stream.windows):
        identity = lips = voice = None
        if rng.random() >= stream.missing:
            identity = embedding(index, person + rng.normal(size=DIMENSION), config.windows)
        if rng.random() >= stream.missing:
            said = rng.normal(size=DIMENSION)
            rows = rng.normal(size=(lags, DIMENSION))
            rows[config.windows.band_ticks + stream.lag_ticks] += 3 * said
            valid = rng.random(lags) >= stream.missing / 4
            lips = embedding(index, said, config.windows)
            voice = lag_embeddings(index, rows, valid, config.windows)
        score = scorer.update(window(index, config.windows), identity, lips, voice)
        compared = (
            LipsAndVoice(lips=lips, voice=voice)
            if scorer.compared and lips is not None and voice is not None
            else None
        )
        memory.take(
            TracePoint(window_index=index, score=score, face_size_px=90.0 + index), identity, compared
        )
    assert score is not None
    seams = scorer.seams(5)
    alert = Alert(
        time_ns=score.time_ns,
        previous=AlertState.SUSPICIOUS,
        state=state,
        margin=score.margin,
        reasons=("identity_changed",),
        seams=() if state is AlertState.CLEAR else seams,
        values={
            name: getattr(score, name)
            for name in ("score", "intra", "cross", "recent_intra", "recent_cross", "lag_ms")
        },
    )
    lag_ticks, from_window = scorer.alignment
    return memory.snapshot(
        alert,
        seams=seams,
        similarities=scorer.matrices()[0],
        alignment=Alignment(lag_ticks=lag_ticks, from_window=from_window),
    )


def item_of(
    stream: Stream = Stream(),
    *,
    call: str = "standup",
    participant: str = "ann",
    state: AlertState = AlertState.ALERT,
) -> EvidenceItem:
    """Return evidence of a stream as a session hands it on."""
    snapshot = snapshot_of(stream, state)
    narrator = Narrator(call, participant, {}, 1_234_567_890)
    draft = narrator.alert(snapshot.alert, datetime(2026, 3, 1, tzinfo=UTC))
    return EvidenceItem(
        snapshot=snapshot,
        alert={**draft.model_dump(mode="json"), "seq": 7},
        source=Source(kind="call"),
        offset_ns=narrator.offset_ns,
        reception={"sync": "reports"},
    )


def provenance_for(stream: Stream = Stream()) -> Provenance:
    """Return the provenance of a stream's evidence."""
    settings = asdict(config_of(stream))
    return Provenance(
        program="seamwatch test",
        config=settings,
        config_sha256=sha256(canonical_json(settings)),
        engines={"identity": EngineInfo(id="test", model="m", source_sha256="a" * 64)},
    )
