"""The sequential test in a bundle can be run again, and whoever changes anything in it is found out."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import pytest

from realtime.evidence.bundle import EvidenceItem, bundle_files, manifest_of
from realtime.evidence.decision_run import DecisionMemory
from realtime.evidence.record import (
    CALIBRATION_NAME,
    MANIFEST_NAME,
    OBSERVATIONS_NAME,
    RECORD_NAME,
    Source,
    readable_json,
)
from realtime.evidence.verify import StoredBundle, check_bundle
from realtime.judge import Judge
from realtime.messages import Narrator
from realtime.types import AlertState
from tests.support.decision import observed
from tests.support.evidence_bundles import provenance_for
from tests.support.judged_calls import CONFIG, Shown, calibration, call, face_of, judged, shown_for

ANNA, BERT = face_of(0), face_of(1)


@cache
def item(state: AlertState = AlertState.ALERT) -> EvidenceItem:
    """Return the evidence of a transition about a face that is exchanged after 20 s."""
    windows = call(shown_for(20.0, Shown(ANNA)), shown_for(20.0, Shown(BERT)))
    results = judged(Judge(CONFIG, keep_evidence=True, calibration=calibration()), windows)
    alarm = next(each for each in results if each.alert is not None and each.alert.state is state)
    draft = Narrator("standup", "ann", {}, 0).alert(alarm.alert, datetime(2026, 3, 1, tzinfo=UTC), alarm.test)
    return EvidenceItem(
        snapshot=alarm.evidence, alert=draft.model_dump(mode="json"), source=Source(kind="call")
    )


def files_of(made: EvidenceItem) -> dict[str, bytes]:
    return bundle_files(made, provenance_for())


def faults(files: dict[str, bytes]) -> list[str]:
    """Return what is found about the test in a bundle whose manifest fits its files."""
    manifest = manifest_of(files, chain="c", n=1, previous="0" * 64, written_at="now", lost_before=0)
    stored = {**files, MANIFEST_NAME: readable_json(manifest)}
    checked = check_bundle(StoredBundle(call=None, name="x", files=stored))
    return [one.fault for one in checked.findings if one.file in (OBSERVATIONS_NAME, CALIBRATION_NAME)]


def with_record(files: dict[str, bytes], **changes: object) -> dict[str, bytes]:
    record = json.loads(files[RECORD_NAME])
    record["test"] |= changes
    return {**files, RECORD_NAME: json.dumps(record).encode()}


def test_the_test_is_in_the_bundle_and_leads_to_the_same_evidence() -> None:
    files = files_of(item())
    record = json.loads(files[RECORD_NAME])["test"]
    assert record["alarm"] is True
    assert record["complete"] is True
    assert record["combined"] >= record["threshold"]
    assert record["observations"] > 60
    assert faults(files) == []


@pytest.mark.parametrize("name", ["combined", "threshold"])
@pytest.mark.parametrize("by", [2e-6, -2e-6])
def test_evidence_is_recomputed_to_a_millionth(name: str, by: float) -> None:
    files = files_of(item())
    stated = json.loads(files[RECORD_NAME])["test"][name]
    assert any(name in fault for fault in faults(with_record(files, **{name: stated + by})))
    assert faults(with_record(files, **{name: stated + by / 4})) == []


def test_other_evidence_of_a_channel_or_another_state_is_found() -> None:
    files = files_of(item())
    evidence = json.loads(files[RECORD_NAME])["test"]["evidence"]
    assert faults(with_record(files, evidence={**evidence, "intra": evidence["intra"] - 1e-3}))
    assert faults(with_record(files, evidence={"intra": evidence["intra"]}))
    assert faults(with_record(files, alarm=False))
    assert faults(with_record(files, question="from_start"))
    decision = json.loads(files[RECORD_NAME])["test"]["decision"]
    assert faults(with_record(files, decision={**decision, "false_alarms_per_hour": 1.0}))


def with_faces_changed(files: dict[str, bytes], newest: int, by: float) -> dict[str, bytes]:
    """Change the newest similarities of the face."""
    head, *rows = files[OBSERVATIONS_NAME].decode().splitlines()
    for number in [row for row, text in enumerate(rows) if ",intra," in text][-newest:]:
        cells = rows[number].split(",")
        cells[3] = repr(float(cells[3]) + by)
        rows[number] = ",".join(cells)
    return {**files, OBSERVATIONS_NAME: "\n".join([head, *rows, ""]).encode()}


def test_an_alarm_cannot_stand_on_other_observations() -> None:
    """Raised, it stands at its ceiling, whatever small change there was before."""
    files = files_of(item())
    assert "the test does not lead to this state" in faults(with_faces_changed(files, 4, 0.6))


def test_a_suspicion_stands_on_every_similarity_that_led_to_it() -> None:
    files = files_of(item(AlertState.SUSPICIOUS))
    assert json.loads(files[RECORD_NAME])["test"]["alarm"] is False
    assert faults(files) == []
    assert any("evidence" in fault for fault in faults(with_faces_changed(files, 2, 0.01)))


def test_an_observation_that_was_taken_out_is_missed() -> None:
    files = files_of(item())
    rows = files[OBSERVATIONS_NAME].decode().splitlines(keepends=True)
    assert faults({**files, OBSERVATIONS_NAME: "".join(rows[:-1]).encode()})


@pytest.mark.parametrize("name", [OBSERVATIONS_NAME, CALIBRATION_NAME])
def test_any_changed_byte_is_found(name: str) -> None:
    files = files_of(item())
    manifest = manifest_of(files, chain="c", n=1, previous="0" * 64, written_at="now", lost_before=0)
    for place in range(0, len(files[name]), 499):
        changed = bytearray(files[name])
        changed[place] ^= 1
        stored = {**files, name: bytes(changed), MANIFEST_NAME: readable_json(manifest)}
        checked = check_bundle(StoredBundle(call=None, name="x", files=stored))
        assert name in {one.file for one in checked.findings}


def test_observations_are_kept_as_they_were_taken() -> None:
    windows = call(shown_for(20.0, Shown(ANNA)), shown_for(20.0, Shown(BERT)))
    results = judged(Judge(CONFIG, keep_evidence=True, calibration=calibration()), windows)
    taken = [each for result in results for each in result.observations]
    kept = item().snapshot.test.observations
    assert list(kept) == taken[: len(kept)]


@pytest.mark.parametrize("content", [b"", b"\xff", b"window\n1\n", b"nonsense"])
def test_observations_that_no_monitor_writes_are_a_stated_fault(content: bytes) -> None:
    assert faults({**files_of(item()), OBSERVATIONS_NAME: content})


def test_another_calibration_or_none_is_found() -> None:
    files = files_of(item())
    other = json.loads(files[CALIBRATION_NAME])
    other["channels"]["intra"]["discount"] /= 2
    assert faults({**files, CALIBRATION_NAME: json.dumps(other).encode()})
    assert faults({**files, CALIBRATION_NAME: b"{}"})
    for name in (CALIBRATION_NAME, OBSERVATIONS_NAME):
        assert faults({each: data for each, data in files.items() if each != name}) == ["is missing"]


def test_a_message_that_says_something_else_is_found() -> None:
    made = item()
    told = {**made.alert, "values": {**made.alert["values"], "evidence": 99.0}}
    assert any("message's evidence" in fault for fault in faults(files_of(replace(made, alert=told))))


def test_what_is_longer_than_the_memory_is_stored_and_not_run_again() -> None:
    snapshot = item().snapshot
    memory = DecisionMemory(calibration(), CONFIG.decision, capacity=10)
    for each in observed([0.3] * 12):
        memory.take([each])
    run = memory.snapshot(snapshot.test.state)
    assert (len(run.observations), run.complete) == (10, False)
    files = files_of(replace(item(), snapshot=replace(snapshot, test=run)))
    assert json.loads(files[RECORD_NAME])["test"]["complete"] is False
    assert faults(files) == []


def test_without_a_test_there_are_no_files_of_one() -> None:
    files = files_of(replace(item(), snapshot=replace(item().snapshot, test=None)))
    assert OBSERVATIONS_NAME not in files
    assert CALIBRATION_NAME not in files
    assert json.loads(files[RECORD_NAME])["test"] is None
