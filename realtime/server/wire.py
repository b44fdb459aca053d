"""The wire schema ``seamwatch.alerts.v1``: every message that the monitor pushes, as pydantic models.

docs/wire-protocol.md is its prose. A field is only ever added in version 1; clients ignore what they do not
know.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

SUBPROTOCOL = "seamwatch.alerts.v1"
VERSION: Final = 1

RoleName = Literal["operator", "viewer"]
FeedbackState = Literal["acknowledged", "false_alarm"]

CLOSE_TOO_FAR_BEHIND = 4008
CLOSE_UNAUTHORISED = 4401


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    v: Literal[1] = VERSION


class EncoderInfo(BaseModel):
    """Which engine runs an encoder; ``baseline`` marks untrained ones."""

    model_config = ConfigDict(frozen=True)

    engine: str
    baseline: bool = False


class Hello(_Message):
    """First message on every connection."""

    type: Literal["hello"] = "hello"
    server: str = Field(description="Name and version of the monitor.")
    encoders: dict[str, EncoderInfo]
    last_seq: int = Field(description="Sequence number of the newest stored alert, 0 if there is none.")
    after: int = Field(description="Alerts with a higher sequence number follow.")
    oldest_seq: int = Field(
        description="Oldest stored alert, 0 if there is none; a gap to `after` means alerts were expired."
    )
    role: RoleName = Field(
        default="operator", description="What this client may do: a viewer looks on and changes nothing."
    )


class Participant(_Message):
    """A participant appears or leaves."""

    type: Literal["participant"] = "participant"
    call: str
    participant: str
    state: Literal["joined", "left"]
    reason: str = ""


class Call(_Message):
    """Where the monitor stands with a call that it joins by itself."""

    type: Literal["call"] = "call"
    call: str
    state: Literal["joining", "joined", "reconnecting", "ended"]
    reason: str = ""


class SeamInfo(BaseModel):
    """Two spans that disagree, in seconds of call time."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["intra", "cross"]
    a: tuple[float, float]
    b: tuple[float, float]
    value: float


class Tracks(BaseModel):
    """Health of a participant's media."""

    model_config = ConfigDict(frozen=True)

    video: Literal["live", "gap", "none"] = "none"
    audio: Literal["live", "gap", "none"] = "none"
    width: int = 0
    height: int = 0
    face: tuple[float, float, float, float] | None = Field(
        default=None, description="Face box x, y, width, height in fractions of the picture."
    )
    video_dropped: int = 0
    audio_dropped_ms: int = 0


class TestState(BaseModel):
    """How far the sequential test is from an alarm; evidence in nats."""

    model_config = ConfigDict(frozen=True)

    evidence: float = Field(ge=0.0, description="Evidence against consistency so far, in nats.")
    threshold: float = Field(gt=0.0, description="Evidence at which an alarm is raised, in nats.")
    progress: float = Field(ge=0.0, le=1.0, description="Share of the way to an alarm.")
    channels: dict[str, float] = Field(
        description="Evidence in nats by the reason of alert that it speaks for: `identity_changed`, "
        "`lips_do_not_fit_voice`."
    )
    false_alarms_per_hour: float = Field(
        gt=0.0, description="Rate that the threshold was chosen for, per participant-hour."
    )
    supported: bool = Field(description="Whether the calibration material is enough to verify that rate.")
    reasons: list[str] = Field(description="Why a channel has no evidence now.")


class ScoreUpdate(_Message):
    """Running scores after one window; a slow subscriber gets the newest only."""

    type: Literal["score"] = "score"
    call: str
    participant: str
    time_s: float
    status: Literal["ok", "warming_up", "insufficient", "degraded"]
    reasons: list[str]
    verdict: Literal["genuine", "suspicious", "fake", "insufficient"]
    state: Literal["clear", "suspicious", "alert"]
    score: float | None
    intra: float | None
    cross: float | None
    recent_intra: float | None
    recent_cross: float | None
    reference: float | None = Field(
        default=None,
        description="Similarity to the operator's reference; null without a reference or without a face.",
    )
    margin: float | None
    lag_ms: float | None
    face_coverage: float
    speech_coverage: float
    intra_windows: int
    cross_windows: int
    latency_ms: float | None = Field(
        default=None, description="Arrival of the window's newest media to the moment of publishing."
    )
    tracks: Tracks = Tracks()
    test: TestState | None = Field(default=None, description="The sequential test; null where none runs.")


class TrackCounters(BaseModel):
    """One track's reception since its connection began (realtime.ingest.reception.TrackReception)."""

    model_config = ConfigDict(frozen=True)

    packets: int = 0
    lost: int = 0
    recovered: int = 0
    nacks: int = 0
    key_frame_requests: int = 0
    frames: int = 0
    damaged: int = 0
    freezes: int = 0
    missing_ms: int = 0
    dropped: int = 0
    jitter_ms: float = 0.0
    rate_hz: float | None = Field(
        default=None, description="Decoded frames a second since the message before; null in the first one."
    )


class ReceptionUpdate(_Message):
    """How well a participant's media comes in, about every two seconds; only the newest one waits."""

    type: Literal["reception"] = "reception"
    call: str
    participant: str
    seat: int = Field(description="The participant's number at the monitor, as on /metrics.")
    audio: TrackCounters | None
    video: TrackCounters | None
    width: int = 0
    height: int = 0
    sync: Literal["single", "arrival", "reports"]
    skew_ms: float
    uncertainty_ms: float


class Matrices(_Message):
    """Both similarity matrices of a participant; sent about once a second where `matrices=1` was asked for.

    `intra` and `cross` are base64 of size * size bytes, row by row: 0 stands for -1, 254 for +1, 255 for a
    cell without a value. Row and column k is the window starting at `starts_s[k]`. In `cross` the rows are
    lips, the columns voice. `intra_worst` and `cross_worst` are [row, column].
    """

    type: Literal["matrices"] = "matrices"
    call: str
    participant: str
    window_s: float
    intra_starts_s: list[float]
    intra: str
    intra_worst: tuple[int, int] | None
    cross_starts_s: list[float]
    cross: str
    cross_worst: tuple[int, int] | None


class AlertDraft(_Message):
    """An alert before the store has given it a sequence number; it never travels."""

    type: Literal["alert"] = "alert"
    call: str
    participant: str
    time_s: float
    raised_at: str = Field(description="Wall-clock time, RFC 3339, UTC.")
    previous: Literal["clear", "suspicious", "alert"]
    state: Literal["clear", "suspicious", "alert"]
    margin: float | None
    reasons: list[str]
    seams: list[SeamInfo]
    values: dict[str, float | None]
    engines: dict[str, EncoderInfo]
    test: TestState | None = Field(default=None, description="The sequential test at that moment.")


class AlertMessage(AlertDraft):
    """A transition of a participant's state, with evidence. Never dropped; resumable by `seq`."""

    seq: int


class Feedback(_Message):
    """What an operator said about a stored alert; of several words on one alert the newest counts."""

    type: Literal["feedback"] = "feedback"
    call: str
    seq: int = Field(description="The alert.")
    state: FeedbackState
    at: str = Field(description="Wall-clock time, RFC 3339, UTC.")


class ErrorMessage(_Message):
    """Something the subscriber should know; the connection may close after it."""

    type: Literal["error"] = "error"
    code: str
    message: str
    fix: str


Message = Annotated[
    Hello
    | Participant
    | Call
    | ScoreUpdate
    | ReceptionUpdate
    | Matrices
    | AlertMessage
    | Feedback
    | ErrorMessage,
    Field(discriminator="type"),
]
MESSAGE: TypeAdapter[Message] = TypeAdapter(Message)
