"""A scripted call for looking at the page: every message is made from the models of the wire schema."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from realtime.server.wire import (
    AlertMessage,
    Call,
    EncoderInfo,
    Hello,
    Matrices,
    Participant,
    ReceptionUpdate,
    RoleName,
    ScoreUpdate,
    SeamInfo,
    TestState,
    TrackCounters,
    Tracks,
)

CALL = "standup"
HOP_S = 0.4
WINDOW_S = 1.0
THRESHOLD_NATS = 6.4
WARM_UP_S = 4.0
MEMORY_WINDOWS = 256
MATRICES_EVERY_HOPS = 3

RECEPTION_EVERY_HOPS = 5

Fault = Literal["none", "identity", "voice", "no_face"]
Verdict = Literal["genuine", "suspicious", "fake", "insufficient"]
State = Literal["clear", "suspicious", "alert"]
Array = npt.NDArray[np.float32]

VERDICTS: dict[State, Verdict] = {"clear": "genuine", "suspicious": "suspicious", "alert": "fake"}
ENGINES = {
    "mu": EncoderInfo(engine="sface"),
    "gamma": EncoderInfo(engine="lip-opening", baseline=True),
    "alpha": EncoderInfo(engine="speech-envelope", baseline=True),
}


@dataclass(frozen=True)
class Actor:
    """A scripted participant.

    Attributes:
        name: As in the call.
        joins_s: Call time at which the participant appears.
        fault: What goes wrong.
        fault_s: When it does, in call time.
        ends_as: Last state of the alert state machine.
        loss: Share of the packets that is lost on the way, in [0, 1).
        fps: Pictures a second.
    """

    name: str
    joins_s: float = 0.0
    fault: Fault = "none"
    fault_s: float = 0.0
    ends_as: State = "clear"
    loss: float = 0.001
    fps: float = 25.0


CAST = (
    Actor("alice"),
    Actor("bob", fault="identity", fault_s=42.0, ends_as="alert"),
    Actor("carol", fault="voice", fault_s=57.0, ends_as="suspicious"),
    Actor("dave", joins_s=20.0, fault="no_face", loss=0.06, fps=7.0),
)


def _unit(rows: Array) -> Array:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), dtype=np.float32)


def _encoded(values: Array) -> str:
    cells = np.round((np.clip(values, -1, 1) + 1) * 127)
    return base64.b64encode(np.where(np.isnan(values), 255, cells).astype(np.uint8).tobytes()).decode()


def _worst(values: Array) -> tuple[int, int] | None:
    if np.isnan(values).all():
        return None
    row, column = np.unravel_index(int(np.nanargmin(values)), values.shape)
    return int(row), int(column)


class ScriptedActor:
    """Similarity matrices of one actor over the whole script, and the messages cut out of them."""

    def __init__(self, actor: Actor, *, hops: int, started: datetime) -> None:
        self.actor = actor
        self._started = started
        rng = np.random.default_rng(len(actor.name) * 7919 + ord(actor.name[0]))
        self.starts_s = np.arange(hops) * HOP_S
        broken = self.starts_s >= actor.fault_s
        person, stranger = rng.normal(size=(2, 128))
        changed = broken & (actor.fault == "identity")
        identity = np.where(changed[:, None], 0.55 * person + stranger, person)
        identity += (
            0.42 * rng.normal(size=identity.shape) + 0.25 * np.sin(self.starts_s / 9)[:, None] * stranger
        )
        rows = _unit(np.asarray(identity, dtype=np.float32))
        self.intra: Array = rows @ rows.T
        voice = rng.normal(size=(hops, 24))
        lips = np.where((broken & (actor.fault == "voice"))[:, None], 0.0, voice) + rng.normal(
            size=voice.shape
        )
        self.cross: Array = (
            _unit(np.asarray(lips, dtype=np.float32)) @ _unit(np.asarray(voice, dtype=np.float32)).T
        )
        silent = (self.starts_s % 31) > 29
        self.cross[:, silent] = np.nan
        if actor.fault == "no_face":
            self.intra[:] = self.cross[:] = np.nan

    def score(self, hop: int) -> ScoreUpdate | None:
        """The score after a hop, None before the actor joins."""
        actor, time_s = self.actor, hop * HOP_S + WINDOW_S
        if time_s < actor.joins_s:
            return None
        seen = slice(max(0, hop - MEMORY_WINDOWS), hop + 1)
        enough = time_s - actor.joins_s >= WARM_UP_S and actor.fault != "no_face"
        intra = float(np.nanpercentile(self.intra[seen, seen], 5)) if enough else None
        cross = float(np.nanmean(np.diag(self.cross)[seen])) if enough else None
        recent_intra = float(self.intra[hop, : min(60, hop)].mean()) if enough else None
        newest = np.diag(self.cross)[max(0, hop - 12) : hop + 1]
        recent_cross = float(np.nanmean(newest)) if enough else None
        state = self.state_at(time_s)
        verdict = VERDICTS[state]
        status: Literal["ok", "warming_up", "insufficient"] = "ok"
        reasons: list[str] = []
        if not enough:
            verdict = "insufficient"
            warming = time_s - actor.joins_s < WARM_UP_S
            status, reasons = ("warming_up", ["warming_up"]) if warming else ("insufficient", ["no_face"])
        swing = 0.02 * np.sin(time_s * 1.3)
        return ScoreUpdate(
            call=CALL,
            participant=actor.name,
            time_s=round(time_s, 3),
            status=status,
            reasons=reasons,
            verdict=verdict,
            state=state,
            score=None if intra is None or cross is None else intra + cross,
            intra=intra,
            cross=cross,
            recent_intra=recent_intra,
            recent_cross=recent_cross,
            margin={"clear": 1.0, "suspicious": 0.12, "alert": -0.6}[state] + swing if enough else None,
            lag_ms=40.0 if enough else None,
            face_coverage=0.0 if actor.fault == "no_face" else 0.97 + swing,
            speech_coverage=0.61 + 5 * swing,
            intra_windows=hop + 1 if enough else 0,
            cross_windows=int((~np.isnan(np.diag(self.cross)[seen])).sum()) if enough else 0,
            latency_ms=184 + 600 * abs(swing),
            tracks=Tracks(
                video="live",
                audio="gap" if actor.fault == "no_face" else "live",
                width=640,
                height=480,
                face=None if actor.fault == "no_face" else (0.34 + swing, 0.18, 0.32, 0.56),
                video_dropped=12 if actor.fault == "no_face" else 0,
            ),
            test=self.test_at(time_s),
        )

    def test_at(self, time_s: float) -> TestState:
        """The sequential test at a call time; what dave lacks is calibration as well."""
        progress = {"clear": 0.07, "suspicious": 0.35, "alert": 1.0}[self.state_at(time_s)]
        face, lips = (0.92, 0.08) if self.actor.fault == "identity" else (0.2, 0.8)
        blind = self.actor.fault == "no_face"
        nats = 0.0 if blind else progress * THRESHOLD_NATS
        return TestState(
            evidence=nats,
            threshold=THRESHOLD_NATS,
            progress=nats / THRESHOLD_NATS,
            channels={"identity_changed": face * nats, "lips_do_not_fit_voice": lips * nats},
            false_alarms_per_hour=1 / 24,
            supported=not blind,
            reasons=["no_face"] if blind else [],
        )

    def matrices(self, hop: int) -> Matrices:
        """Both matrices after a hop."""
        seen = slice(max(0, hop + 1 - MEMORY_WINDOWS), hop + 1)
        starts = [] if self.actor.fault == "no_face" else [round(float(s), 3) for s in self.starts_s[seen]]
        intra, cross = self.intra[seen, seen], self.cross[seen, seen]
        return Matrices(
            call=CALL,
            participant=self.actor.name,
            window_s=WINDOW_S,
            intra_starts_s=starts,
            intra=_encoded(intra) if starts else "",
            intra_worst=_worst(intra) if starts else None,
            cross_starts_s=starts,
            cross=_encoded(cross) if starts else "",
            cross_worst=_worst(np.where(np.eye(len(starts)) > 0, cross, np.nan)) if starts else None,
        )

    def reception(self, hop: int, seat: int) -> ReceptionUpdate | None:
        """How the media comes in at a hop, None before the actor joins."""
        seconds = hop * HOP_S + WINDOW_S - self.actor.joins_s
        if seconds < 0:
            return None

        def track(packets_hz: float, frames_hz: float, *, video: bool) -> TrackCounters:
            sent = seconds * packets_hz
            lost = round(sent * self.actor.loss)
            return TrackCounters(
                packets=round(sent) - lost,
                lost=lost,
                recovered=2 * lost,
                nacks=3 * lost,
                key_frame_requests=lost // 40 if video else 0,
                frames=round(seconds * frames_hz),
                damaged=lost // 60 if video else 0,
                freezes=lost // 60 if video else 0,
                missing_ms=5 * lost,
                jitter_ms=3.2 + 100 * self.actor.loss,
                rate_hz=frames_hz,
            )

        return ReceptionUpdate(
            call=CALL,
            participant=self.actor.name,
            seat=seat,
            audio=track(50, 50, video=False),
            video=track(110, self.actor.fps, video=True),
            width=640,
            height=480,
            sync="reports" if seconds > 3 else "arrival",
            skew_ms=14.0,
            uncertainty_ms=6.0 + 1000 * self.actor.loss,
        )

    def transitions(self) -> list[tuple[float, State, State]]:
        """When the state changes: call time, state before, state after."""
        actor = self.actor
        first: list[tuple[float, State, State]] = [(actor.fault_s + 1.2, "clear", "suspicious")]
        second: list[tuple[float, State, State]] = [(actor.fault_s + 3.2, "suspicious", "alert")]
        return {"clear": [], "suspicious": first, "alert": first + second}[actor.ends_as]

    def state_at(self, time_s: float) -> State:
        """State of the alert state machine at a call time."""
        states: list[State] = ["clear", *(after for at, _, after in self.transitions() if at <= time_s)]
        return states[-1]

    def alert(self, seq: int, time_s: float, previous: State, state: State) -> AlertMessage:
        """The message of a transition."""
        kind: Literal["intra", "cross"] = "intra" if self.actor.fault == "identity" else "cross"
        here, before = time_s - 1.0, max(0.0, time_s - 24.6) if kind == "intra" else time_s - 1.0
        return AlertMessage(
            seq=seq,
            call=CALL,
            participant=self.actor.name,
            time_s=round(time_s, 3),
            raised_at=(self._started + timedelta(seconds=time_s)).isoformat(),
            previous=previous,
            state=state,
            margin={"clear": 0.9, "suspicious": 0.12, "alert": -0.6}[state],
            reasons=["identity_changed" if kind == "intra" else "lips_do_not_fit_voice"],
            seams=[
                SeamInfo(kind=kind, a=(before, before + 1), b=(here, here + 1), value=0.21),
                SeamInfo(kind=kind, a=(before + 2, before + 3), b=(here, here + 1), value=0.26),
            ],
            values={"recent_intra": 0.31, "recent_cross": 0.44, "margin": 0.12, "score": None},
            engines=ENGINES,
        )


def hello(*, last_seq: int, after: int, role: RoleName = "operator") -> Hello:
    """First message of a connection."""
    return Hello(
        server="seamwatch stub",
        encoders=ENGINES,
        last_seq=last_seq,
        after=after,
        oldest_seq=min(1, last_seq),
        role=role,
    )


def joined(name: str, call: str = CALL) -> Participant:
    """A participant appears."""
    return Participant(call=call, participant=name, state="joined")


def attended(state: Literal["joining", "joined", "reconnecting", "ended"], reason: str = "") -> Call:
    """Where the monitor stands with the call."""
    return Call(call=CALL, state=state, reason=reason)


def left(name: str, call: str = CALL) -> Participant:
    """A participant leaves."""
    return Participant(call=call, participant=name, state="left", reason="ended")


def drawn_thumbnail(name: str, phase: float) -> bytes:
    """A JPEG of a cartoon face, 320 x 240; nobody's likeness."""
    seed = sum(name.encode())
    hue = (seed * 37) % 180
    canvas = np.full((240, 320, 3), (hue, 60, 90), np.uint8)
    canvas[:, :, 2] += np.linspace(0, 70, 240).astype(np.uint8)[:, None]
    image = cv2.cvtColor(canvas, cv2.COLOR_HSV2BGR)
    if name != "dave":
        x = int(160 + 320 * 0.02 * np.sin(phase * 1.3))
        cv2.ellipse(image, (x, 260), (90, 80), 0, 180, 360, (90, 80, 70), -1, cv2.LINE_AA)
        cv2.ellipse(image, (x, 112), (46, 62), 0, 0, 360, (150, 185, 225), -1, cv2.LINE_AA)
        cv2.ellipse(image, (x, 82), (50, 42), 0, 180, 360, (40, 50, 70 + seed % 60), -1, cv2.LINE_AA)
        for eye in (-18, 18):
            cv2.circle(image, (x + eye, 105), 5, (40, 30, 30), -1, cv2.LINE_AA)
        opening = int(3 + 7 * abs(np.sin(phase * 4)))
        cv2.ellipse(image, (x, 143), (16, opening), 0, 0, 360, (70, 60, 150), -1, cv2.LINE_AA)
    return bytes(cv2.imencode(".jpg", image)[1].tobytes())
