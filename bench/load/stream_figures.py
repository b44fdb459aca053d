"""What became of streamed files, against what is true of them. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.load.judgement import HOP_S, quantile
from bench.load.streaming import Heard
from bench.load.truth import FAKE, REAL, Truth
from bench.network.verdicts import verdicts_of
from bench.report.figure import Figure
from bench.report.table import Table
from realtime.server.wire import AlertMessage, Participant, ReceptionUpdate, ScoreUpdate

_S_PER_H = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOutcome:
    """What became of one file.

    Attributes:
        name: Of the participant.
        truth: What is true of it.
        verdict: On the whole file.
        reasons: Why.
        alarm_s: From the moment the monitor let the participant in to the first alert; None without one.
        scored_s: Scored time.
        overloaded: Scores that say "overload".
        dropped: Pictures and decoded frames that the monitor dropped because it was too slow.
        lost: Packets that never came.
    """

    name: str
    truth: Truth
    verdict: str
    reasons: tuple[str, ...]
    alarm_s: float | None
    scored_s: float
    overloaded: int
    dropped: int
    lost: int

    @property
    def detection_s(self) -> float | None:
        """From the beginning of the tampering to the alert; None where there is no such alert."""
        if self.truth.label != FAKE or self.alarm_s is None or self.alarm_s < self.truth.from_s:
            return None
        return self.alarm_s - self.truth.from_s

    @property
    def false_alarm(self) -> bool:
        """Whether an alert came where nothing was tampered with, or before it was."""
        if self.alarm_s is None or not self.truth.label:
            return False
        return self.truth.label == REAL or self.alarm_s < self.truth.from_s


def finished(heard: Sequence[Heard], truths: Mapping[str, Truth]) -> dict[str, Truth]:
    """Return the truths of the participants that have left again."""
    left = {
        one.message.participant
        for one in heard
        if isinstance(one.message, Participant) and one.message.state == "left"
    }
    return {name: truth for name, truth in truths.items() if name in left}


def outcomes_of(heard: Sequence[Heard], truths: Mapping[str, Truth]) -> list[FileOutcome]:
    """Return what became of each file, from all that was heard.

    Args:
        heard: In order.
        truths: By participant.
    """
    verdicts = verdicts_of([one.message for one in heard], list(truths))
    return [
        _outcome(name, truth, verdicts[name].verdict, verdicts[name].reasons, heard)
        for name, truth in truths.items()
    ]


def _outcome(
    name: str, truth: Truth, verdict: str, reasons: tuple[str, ...], heard: Sequence[Heard]
) -> FileOutcome:
    joined_s: float | None = None
    alarm_s: float | None = None
    scores = overloaded = pictures_dropped = frames_dropped = lost = 0
    for one in heard:
        message = one.message
        if getattr(message, "participant", None) != name:
            continue
        if isinstance(message, Participant) and message.state == "joined" and joined_s is None:
            joined_s = one.seen_s
        elif isinstance(message, AlertMessage) and message.state == "alert" and alarm_s is None:
            alarm_s = one.seen_s
        elif isinstance(message, ScoreUpdate):
            scores += 1
            overloaded += "overload" in message.reasons
            pictures_dropped = message.tracks.video_dropped
        elif isinstance(message, ReceptionUpdate):
            tracks = [track for track in (message.audio, message.video) if track is not None]
            frames_dropped, lost = sum(track.dropped for track in tracks), sum(track.lost for track in tracks)
    return FileOutcome(
        name=name,
        truth=truth,
        verdict=verdict,
        reasons=reasons,
        alarm_s=None if alarm_s is None or joined_s is None else alarm_s - joined_s,
        scored_s=scores * HOP_S,
        overloaded=overloaded,
        dropped=pictures_dropped + frames_dropped,
        lost=lost,
    )


def stream_figures(network: str, outcomes: Sequence[FileOutcome]) -> Iterator[Figure]:
    """Yield the figures of one network; those of fakes or genuine files only where there are some."""
    fakes = [outcome for outcome in outcomes if outcome.truth.label == FAKE]
    genuine = [outcome for outcome in outcomes if outcome.truth.label == REAL]
    delays_s = sorted(outcome.detection_s for outcome in fakes if outcome.detection_s is not None)
    if fakes:
        yield _figure(f"{network}: fakes detected", "%", 100 * len(delays_s) / len(fakes), "higher")
    if delays_s:
        yield _figure(f"{network}: detection delay, median", "s", statistics.median(delays_s), "lower")
        yield _figure(f"{network}: detection delay, 90 %", "s", quantile(delays_s, 0.9), "lower")
    if genuine:
        called = sum(outcome.verdict == "genuine" for outcome in genuine)
        yield _figure(f"{network}: genuine called genuine", "%", 100 * called / len(genuine), "higher")
    if fakes or genuine:
        alarms = sum(outcome.false_alarm for outcome in outcomes)
        yield _figure(f"{network}: false alarms", "", alarms, "lower")
    hours = sum(outcome.scored_s for outcome in genuine) / _S_PER_H
    if hours > 0:
        alarms = sum(outcome.false_alarm for outcome in genuine)
        yield _figure(f"{network}: false alarms per genuine hour", "", alarms / hours, "lower")
    yield _figure(
        f"{network}: dropped by the monitor", "", sum(outcome.dropped for outcome in outcomes), "lower"
    )
    yield _figure(
        f"{network}: scores overloaded", "", sum(outcome.overloaded for outcome in outcomes), "lower"
    )


def _figure(name: str, unit: str, value: float, better: str) -> Figure:
    return Figure(
        name=name, unit=unit, values=(float(value),), better="higher" if better == "higher" else "lower"
    )


def outcomes_table(network: str, outcomes: Sequence[FileOutcome]) -> Table:
    """Return a row a file."""
    return Table(
        title=f"Files, network {network}",
        columns=(
            "file",
            "truth",
            "from s",
            "verdict",
            "reasons",
            "alert after s",
            "scored s",
            "dropped",
            "lost",
        ),
        rows=tuple(
            (
                outcome.name,
                outcome.truth.kind or outcome.truth.label or "unknown",
                outcome.truth.from_s if outcome.truth.label == FAKE else "",
                outcome.verdict,
                ", ".join(outcome.reasons),
                "" if outcome.alarm_s is None else round(outcome.alarm_s - outcome.truth.from_s, 1),
                round(outcome.scored_s, 1),
                outcome.dropped,
                outcome.lost,
            )
            for outcome in outcomes
        ),
        note="Alert after: from the beginning of the tampering, or of the file; counted from the moment at "
        "which the monitor let the participant in.",
    )
