"""Made-up messages of a monitor."""

from __future__ import annotations

from typing import Any

from realtime.server.wire import (
    AlertMessage,
    Call,
    EncoderInfo,
    Hello,
    Participant,
    ReceptionUpdate,
    ScoreUpdate,
    SeamInfo,
    TrackCounters,
)


def hello() -> Hello:
    return Hello(
        server="seamwatch 0",
        encoders={"identity": EncoderInfo(engine="x")},
        last_seq=0,
        after=0,
        oldest_seq=0,
    )


def score(participant: str, **changes: Any) -> ScoreUpdate:
    values: dict[str, Any] = {
        "call": "stream",
        "participant": participant,
        "time_s": 65.2,
        "status": "ok",
        "reasons": [],
        "verdict": "genuine",
        "state": "clear",
        "score": 1.25,
        "intra": 0.8,
        "cross": 0.45,
        "recent_intra": 0.8,
        "recent_cross": 0.45,
        "margin": 1.0,
        "lag_ms": 40.0,
        "face_coverage": 1.0,
        "speech_coverage": 1.0,
        "intra_windows": 10,
        "cross_windows": 10,
    }
    return ScoreUpdate(**(values | changes))


def alert(participant: str, **changes: Any) -> AlertMessage:
    values: dict[str, Any] = {
        "seq": 7,
        "call": "stream",
        "participant": participant,
        "time_s": 12.0,
        "raised_at": "2026-01-02T03:04:05Z",
        "previous": "suspicious",
        "state": "alert",
        "margin": -0.1,
        "reasons": ["identity_changed"],
        "seams": [SeamInfo(kind="intra", a=(1.0, 2.0), b=(10.0, 11.0), value=0.2)],
        "values": {},
        "engines": {},
    }
    return AlertMessage(**(values | changes))


def joined(participant: str) -> Participant:
    return Participant(call="stream", participant=participant, state="joined")


def left(participant: str) -> Participant:
    return Participant(call="stream", participant=participant, state="left", reason="done")


def call(state: Any, reason: str = "") -> Call:
    return Call(call="stream", state=state, reason=reason)


def reception(participant: str) -> ReceptionUpdate:
    return ReceptionUpdate(
        call="stream",
        participant=participant,
        seat=1,
        audio=TrackCounters(packets=100),
        video=None,
        sync="single",
        skew_ms=0.0,
        uncertainty_ms=0.0,
    )
