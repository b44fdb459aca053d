"""One line of the feedback file, and the run of observations that it may hold."""

from __future__ import annotations

import itertools
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from realtime.alerts.alert_runs import AlertRun, Origin
from realtime.decision.observation import Observation, Quality
from realtime.decision.recent import MAX_OBSERVATIONS
from realtime.types import Modality

#: Similarities and qualities are kept to so many decimals.
DECIMALS = 6

_Measured = Annotated[float, Field(allow_inf_nan=False)] | None


class ObservationRow(BaseModel):
    """One observation: a similarity and how good the media was; no embedding, no media, no date.

    Attributes:
        window: Index of the window.
        time_ns: End of the window, on the participant's own timeline.
        channel: "intra" (the face with what is remembered of it) or "cross" (lips with the voice).
        value: Cosine similarity.
        face_px: Size of the face in the picture, px.
        sharpness: Variance of the Laplacian of the face.
        speech_ratio: Fraction of the window with speech.
        picture_ratio: Fraction of the window with lips.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    window: int = Field(ge=0)
    time_ns: int
    channel: Modality
    value: float = Field(ge=-1.001, le=1.001, allow_inf_nan=False)
    face_px: _Measured
    sharpness: _Measured
    speech_ratio: _Measured
    picture_ratio: _Measured

    @classmethod
    def of(cls, observation: Observation) -> Self:
        """Return the row of an observation."""
        quality = observation.quality
        return cls(
            window=observation.window_index,
            time_ns=observation.time_ns,
            channel=observation.channel,
            value=round(observation.value, DECIMALS),
            face_px=_rounded(quality.face_px),
            sharpness=_rounded(quality.sharpness),
            speech_ratio=_rounded(quality.speech_ratio),
            picture_ratio=_rounded(quality.picture_ratio),
        )

    def observation(self) -> Observation:
        """Return the observation of the row."""
        return Observation(
            window_index=self.window,
            time_ns=self.time_ns,
            channel=self.channel,
            value=self.value,
            quality=Quality(
                face_px=self.face_px,
                sharpness=self.sharpness,
                speech_ratio=self.speech_ratio,
                picture_ratio=self.picture_ratio,
            ),
        )


class RunRecord(BaseModel):
    """What a participant brought to the sequential test until an alert.

    Attributes:
        person: Random name of the participant in its call, made for this file; it tells runs of one
            participant from those of another and nothing else.
        models: Model per encoder that made the values.
        configuration_sha256: Digest of the settings that the values depend on.
        observations: Of both channels, oldest first.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    person: str = Field(pattern=r"^[0-9a-f]{16}$")
    models: dict[str, str]
    configuration_sha256: str
    observations: list[ObservationRow] = Field(max_length=MAX_OBSERVATIONS)

    @classmethod
    def of(cls, run: AlertRun, origin: Origin) -> Self:
        """Return the record of a run."""
        return cls(
            person=run.person,
            models=dict(origin.models),
            configuration_sha256=origin.configuration_sha256,
            observations=[ObservationRow.of(each) for each in run.observations],
        )

    @model_validator(mode="after")
    def _rises(self) -> Self:
        for channel in Modality:
            rows = [row for row in self.observations if row.channel is channel]
            if any(b.window <= a.window or b.time_ns <= a.time_ns for a, b in itertools.pairwise(rows)):
                raise ValueError("the windows of a channel do not rise")
        return self


class FeedbackLine(BaseModel):
    """One line of the file. Of several lines on one alert of one store the last counts.

    Attributes:
        v: Version of the line; 1 had no run.
        store: Identity of the alert store, which tells alerts of the same number apart.
        seq: Number of the alert.
        at: When the operator said so, RFC 3339, UTC.
        state: "false_alarm", or "acknowledged" to take an earlier "false_alarm" back.
        alert_state: The state that the alert raised: "suspicious" or "alert".
        margin: Decision value at the alert, None without one.
        reasons: Channels that caused it.
        values: Scores at the alert, by name.
        evidence: Evidence in nats per channel at the alert; empty where no test ran.
        threshold: Evidence in nats at which an alarm is raised; None where no test ran.
        engines: Engine per encoder; values of different engines do not compare.
        run: What led to the alert; None where the monitor no longer had it, or the word is a withdrawal.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    v: Literal[1, 2] = 2
    store: str
    seq: int
    at: str
    state: Literal["false_alarm", "acknowledged"]
    alert_state: str
    margin: float | None
    reasons: list[str]
    values: dict[str, float | None]
    evidence: dict[str, float]
    threshold: float | None
    engines: dict[str, str]
    run: RunRecord | None = None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DECIMALS)
