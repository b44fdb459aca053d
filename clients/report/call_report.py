"""A report on a live call, from what was kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from clients.report.call_records import CallRecords, Transition, bundle_contents
from clients.report.scan_report import of_media
from clients.report.subject import Ground, Loudness, Origin, Report, Subject
from clients.report.verification import evidence_check, kept_bundles
from clients.wording import alert_history, clock, number, participant_sentence
from realtime.evidence.bundle import read_arrays
from realtime.evidence.contents import call_matrices, call_seams, call_trace, kept_media
from realtime.evidence.reading import CheckedEvidence
from realtime.evidence.record import ARRAYS_NAME, TRACE_NAME, EngineInfo
from realtime.evidence.verify import CheckedBundle
from realtime.server.wire import AlertDraft, SeamInfo
from realtime.timebase import NS_PER_S, TICK_NS
from realtime.types import Alert, AlertState, Modality, Score, Seam, SimilarityMatrix, TimeSpan, Verdict

#: Moments that are shown with their matrices; a report with more is no longer read.
MOST_GROUNDS = 3

_SEVERITY = (AlertState.CLEAR, AlertState.SUSPICIOUS, AlertState.ALERT)
_VERDICTS = {
    AlertState.CLEAR: Verdict.INSUFFICIENT,
    AlertState.SUSPICIOUS: Verdict.SUSPICIOUS,
    AlertState.ALERT: Verdict.FAKE,
}
#: What an operator may say of an alert, in words.
WORDS = {"acknowledged": "acknowledged", "false_alarm": "marked as a false alarm"}
_KEEP = "seamwatch serve --keep-evidence DIR"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """A bundle and what could be read of it."""

    bundle: CheckedBundle
    alert: Alert
    trace: tuple[Score, ...]
    ground: Ground


def call_report(records: CallRecords, made_at: datetime, *, program: str) -> Report:
    """Return the report on a call.

    Args:
        records: What was kept of it.
        made_at: The date that the report bears, with its time zone.
        program: Name and version of this program.
    """
    names = dict.fromkeys(transition.message.participant for transition in records.transitions)
    subjects = [
        _subject(name, [one for one in records.transitions if one.message.participant == name], records)
        for name in names
    ]
    order = list(_VERDICTS.values())
    subjects.sort(key=lambda subject: -order.index(subject.verdict))
    return Report(
        kind="participant",
        title=f"Call {records.call}, begun {records.began_at:%Y-%m-%d %H:%M} UTC",
        made_at=made_at,
        program=program,
        subjects=tuple(subjects),
        check=None if records.evidence is None else evidence_check(records.evidence, records.nameless),
        notes=tuple(_notes(records)),
    )


def _subject(name: str, transitions: Sequence[Transition], records: CallRecords) -> Subject:
    alerts = tuple(_alert(transition.message) for transition in transitions)
    opened = _opened(transitions, records.evidence)
    timeline = _merged(opened)
    worst = max((state for alert in alerts for state in (alert.previous, alert.state)), key=_SEVERITY.index)
    causes = dict.fromkeys(reason for alert in alerts if alert.state is worst for reason in alert.reasons)
    grounds = _grounds(opened, alerts)
    known = [alert.time_ns for alert in alerts] + [score.time_ns for score in timeline]
    heard = _without_overlap([ground.loudness for ground in (one.ground for one in opened)])
    starts = [timeline[0].time_ns - NS_PER_S if timeline else 0] + [one.start_ns for one in heard]
    verdict = _VERDICTS[worst]
    return Subject(
        name=name,
        verdict=verdict,
        reasons=tuple(causes),
        sentence=" ".join(
            (participant_sentence(verdict, tuple(causes)), alert_history(alerts), *_said(transitions))
        ),
        figures=_figures(alerts, timeline),
        span=TimeSpan(start_ns=max(0, min([*starts, *known])), end_ns=max(known)),
        timeline=timeline,
        alerts=alerts,
        words={
            alert.time_ns: WORDS.get(one.word, one.word)
            for alert, one in zip(alerts, transitions, strict=True)
            if one.word is not None
        },
        grounds=grounds,
        loudness=heard,
        origin=_origin(transitions),
        bundles=kept_bundles(one.bundle for one in transitions if one.bundle is not None),
        not_kept=tuple(_not_kept(transitions, opened, timeline)),
    )


def _said(transitions: Sequence[Transition]) -> list[str]:
    if any(one.word == "false_alarm" for one in transitions):
        return ["The operator marked it as a false alarm."]
    return []


def _opened(transitions: Sequence[Transition], evidence: CheckedEvidence | None) -> list[_Opened]:
    opened: list[_Opened] = []
    for transition in transitions:
        bundle = transition.bundle
        if evidence is None or bundle is None or bundle.record is None:
            continue
        alert = _alert(transition.message)
        record, files = bundle.record, bundle_contents(evidence, bundle)
        intra: SimilarityMatrix | None = None
        cross: SimilarityMatrix | None = None
        trace: tuple[Score, ...] = ()
        try:
            trace = call_trace(files[TRACE_NAME])
        except (KeyError, ValueError):
            trace = ()
        try:
            intra, cross = call_matrices(record, read_arrays(files[ARRAYS_NAME]))
        except (KeyError, ValueError):
            intra = cross = None
        portraits, loudness = of_media(kept_media(files), record.offset_ns)
        ground = Ground(
            title=f"What the {_named(alert.state)} at {clock(alert.time_ns / NS_PER_S)} rests on",
            first=1,
            seams=call_seams(record),
            intra=intra,
            cross=cross,
            portraits=portraits,
            loudness=loudness,
        )
        opened.append(_Opened(bundle=bundle, alert=alert, trace=trace, ground=ground))
    return opened


def _grounds(opened: Sequence[_Opened], alerts: Sequence[Alert]) -> tuple[Ground, ...]:
    """Return what the gravest transitions rest on; of those without evidence the pairs are known."""
    raised = [one for one in opened if one.alert.state is not AlertState.CLEAR]
    gravest = max((one.alert.state for one in raised), key=_SEVERITY.index, default=None)
    chosen = [one.ground for one in raised if one.alert.state is gravest][:MOST_GROUNDS]
    if not chosen:
        told = max((a for a in alerts if a.seams), key=lambda a: _SEVERITY.index(a.state), default=None)
        if told is None:
            return ()
        title = f"What the {_named(told.state)} at {clock(told.time_ns / NS_PER_S)} rests on"
        chosen = [Ground(title=title, first=1, seams=told.seams, intra=None, cross=None)]
    numbered: list[Ground] = []
    first = 1
    for ground in chosen:
        numbered.append(
            Ground(
                title=ground.title,
                first=first,
                seams=ground.seams,
                intra=ground.intra,
                cross=ground.cross,
                portraits=ground.portraits,
                loudness=ground.loudness,
            )
        )
        first += len(ground.seams)
    return tuple(numbered)


def _merged(opened: Sequence[_Opened]) -> tuple[Score, ...]:
    """Join the traces of several bundles; where they overlap they say the same."""
    by_time = {score.time_ns: score for one in opened for score in one.trace}
    return tuple(by_time[time_ns] for time_ns in sorted(by_time))


def _without_overlap(parts: Sequence[Loudness | None]) -> tuple[Loudness, ...]:
    joined: list[Loudness] = []
    end_ns = 0
    for part in sorted((part for part in parts if part is not None), key=lambda part: part.start_ns):
        known = max(0, -(-(end_ns - part.start_ns) // TICK_NS)) if joined else 0
        if known < len(part.rms):
            start_ns = part.start_ns + known * TICK_NS
            joined.append(Loudness(start_ns=start_ns, rms=part.rms[known:]))
            end_ns = part.start_ns + len(part.rms) * TICK_NS
    return tuple(joined)


def _alert(message: AlertDraft) -> Alert:
    return Alert(
        time_ns=round(message.time_s * NS_PER_S),
        previous=AlertState(message.previous),
        state=AlertState(message.state),
        margin=message.margin,
        reasons=tuple(message.reasons),
        seams=tuple(_seam(seam) for seam in message.seams),
        values=dict(message.values),
    )


def _seam(seam: SeamInfo) -> Seam:
    def span(seconds: tuple[float, float]) -> TimeSpan:
        start_ns, end_ns = (round(second * NS_PER_S) for second in seconds)
        return TimeSpan(start_ns=start_ns, end_ns=end_ns)

    return Seam(kind=Modality(seam.kind), a=span(seam.a), b=span(seam.b), value=seam.value)


def _figures(alerts: Sequence[Alert], timeline: Sequence[Score]) -> tuple[tuple[str, str], ...]:
    raised = [alert for alert in alerts if alert.state is AlertState.ALERT]
    last = alerts[-1]
    values = (raised[0] if raised else alerts[0]).values
    at = "first alert" if raised else "first suspicion"
    return (
        ("First alert", clock(raised[0].time_ns / NS_PER_S) if raised else "none"),
        ("Last known state", f"{last.state.value}, {clock(last.time_ns / NS_PER_S)}"),
        (f"Face with itself, {at}", number(values.get("recent_intra"))),
        (f"Lips with voice, {at}", number(values.get("recent_cross"))),
        ("Scores on record", str(len(timeline)) if timeline else "none"),
    )


def _origin(transitions: Sequence[Transition]) -> Origin:
    records = [t.bundle.record for t in transitions if t.bundle is not None and t.bundle.record is not None]
    if records:
        made = records[-1].provenance
        return Origin(program=made.program, config_sha256=made.config_sha256, engines=made.engines)
    engines = transitions[-1].message.engines
    return Origin(
        program=None,
        config_sha256=None,
        engines={role: EngineInfo(id=engine.engine) for role, engine in engines.items()},
    )


def _notes(records: CallRecords) -> list[str]:
    notes = [
        "Only participants whose state changed leave a trace. Somebody who is not listed here was never "
        "suspicious, or could never be judged; which of the two is not kept."
    ]
    if records.sittings > 1:
        notes.append(
            f"{records.sittings} calls of this name are on record; this is the one begun "
            f"{records.began_at:%Y-%m-%dT%H:%M:%SZ}. Choose another with --begun."
        )
    if not records.store:
        notes.append(
            "The alert store could not be read, or is in use by a running monitor; transitions without "
            "evidence are missing here."
        )
    notes += [
        f"{bundle.name} cannot be shown, because it was changed: "
        f"{', '.join(f'{finding.file} {finding.fault}' for finding in bundle.findings)}."
        for bundle in records.nameless
    ]
    return notes


def _not_kept(
    transitions: Sequence[Transition], opened: Sequence[_Opened], timeline: Sequence[Score]
) -> list[str]:
    missing = []
    without = sum(1 for transition in transitions if transition.bundle is None)
    if without == len(transitions):
        missing.append(
            "The scores between the transitions, both matrices and what verification needs, because no "
            f"evidence was kept or none was named. Next time: {_KEEP}; then name it here with --evidence DIR."
        )
    elif without:
        missing.append(f"Evidence of {without} of {len(transitions)} transitions.")
    if timeline:
        missing.append(
            "Scores outside the stretches that are drawn: evidence reaches back as far as the monitor's "
            "memory at each transition, about 100 seconds of talking."
        )
    if not any(one.ground.portraits or one.ground.loudness for one in opened):
        missing.append(
            "Pictures of the face and the loudness of the voice, because media was not kept. Next time, "
            f"where the people concerned and the law allow it: {_KEEP} --keep-media"
        )
    missing.append("The call itself: neither picture nor sound is ever recorded.")
    return missing


def _named(state: AlertState) -> str:
    return {AlertState.ALERT: "alert", AlertState.SUSPICIOUS: "suspicion"}.get(state, "return to clear")
