"""The sequential test in a bundle: its files, and whether its evidence follows from them. Bytes only."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict

from realtime.config import DecisionConfig
from realtime.decision.observation import Observation, Quality
from realtime.decision.portable import from_dict, to_dict
from realtime.decision.sequential import SequentialTest
from realtime.errors import SeamwatchError
from realtime.evidence.decision_run import MAX_OBSERVATIONS, DecisionRun
from realtime.evidence.record import (
    CALIBRATION_NAME,
    OBSERVATIONS_NAME,
    TOLERANCE,
    WIRE_TOLERANCE,
    DecisionRecord,
    EvidenceRecord,
    canonical_json,
)
from realtime.types import Modality

_QUALITIES = ("face_px", "sharpness", "speech_ratio", "picture_ratio")
_COLUMNS = ("window", "time_ns", "channel", "value", *_QUALITIES)


def decision_record(run: DecisionRun) -> DecisionRecord:
    """Return where the test stood, for ``evidence.json``."""
    state = run.state
    return DecisionRecord(
        question=state.question.value,
        evidence={channel.value: evidence for channel, evidence in state.evidence.items()},
        combined=state.combined,
        threshold=state.threshold,
        alarm=state.alarm,
        observations=len(run.observations),
        complete=run.complete,
        decision=asdict(run.config),
    )


def decision_files(run: DecisionRun) -> dict[str, bytes]:
    """Return the files that the test can be run again from, by name."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for each in run.observations:
        measured = (getattr(each.quality, name) for name in _QUALITIES)
        writer.writerow(
            [
                each.window_index,
                each.time_ns,
                each.channel.value,
                repr(each.value),
                *("" if value is None else repr(float(value)) for value in measured),
            ]
        )
    return {
        CALIBRATION_NAME: canonical_json(to_dict(run.calibration)) + b"\n",
        OBSERVATIONS_NAME: text.getvalue().encode(),
    }


def decision_faults(record: EvidenceRecord, files: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    """Yield file and fault in words for everything that the observations do not bear out.

    The whole test is run again, observation by observation. Where the bundle does not hold all since the
    participant came, only the message is compared with the record.
    """
    test = record.test
    if test is None:
        return
    missing = [name for name in (CALIBRATION_NAME, OBSERVATIONS_NAME) if name not in files]
    yield from ((name, "is missing") for name in missing)
    yield from _message_faults(record, test)
    if missing:
        return
    try:
        observations = _read(files[OBSERVATIONS_NAME])
        if len(observations) != test.observations:
            yield OBSERVATIONS_NAME, f"holds {len(observations)} observations, not {test.observations}"
        elif test.complete:
            yield from _evidence_faults(test, observations, files[CALIBRATION_NAME])
    except (SeamwatchError, ValueError, KeyError, TypeError, OverflowError, csv.Error) as error:
        yield OBSERVATIONS_NAME, f"the test cannot be run again from it ({error})"


def _evidence_faults(
    test: DecisionRecord, observations: list[Observation], calibration: bytes
) -> Iterator[tuple[str, str]]:
    again = SequentialTest(from_dict(json.loads(calibration)), DecisionConfig(**test.decision))
    state = None
    for time_ns, together in itertools.groupby(observations, key=lambda each: each.time_ns):
        state = again.update(time_ns, list(together))
    if state is None:
        return
    evidence = {channel.value: value for channel, value in state.evidence.items()}
    found = {"combined": state.combined, "threshold": state.threshold, **evidence}
    stated = {"combined": test.combined, "threshold": test.threshold, **test.evidence}
    for name in sorted(found.keys() | stated.keys()):
        if name not in found or name not in stated or not abs(found[name] - stated[name]) <= TOLERANCE:
            yield OBSERVATIONS_NAME, f"evidence {name} is {stated.get(name)}, recomputed {found.get(name)}"
    if (state.alarm, state.question.value) != (test.alarm, test.question):
        yield OBSERVATIONS_NAME, "the test does not lead to this state"


def _message_faults(record: EvidenceRecord, test: DecisionRecord) -> Iterator[tuple[str, str]]:
    values = record.alert.get("values")
    stated = values if isinstance(values, dict) else {}
    for name, exact in (("evidence", max(0.0, test.combined)), ("threshold", test.threshold)):
        told = stated.get(name)
        if not isinstance(told, float | int) or not abs(told - exact) <= WIRE_TOLERANCE:
            yield OBSERVATIONS_NAME, f"the message's {name} is {told}, the record's {exact}"


def _read(content: bytes) -> list[Observation]:
    rows = csv.DictReader(io.StringIO(content.decode("ascii")), strict=True)
    found: list[Observation] = []
    for row in itertools.islice(rows, MAX_OBSERVATIONS + 1):
        quality = {name: float(row[name]) if row[name] else None for name in _QUALITIES}
        found.append(
            Observation(
                window_index=int(row["window"]),
                time_ns=int(row["time_ns"]),
                channel=Modality(row["channel"]),
                value=float(row["value"]),
                quality=Quality(**quality),
            )
        )
    return found
