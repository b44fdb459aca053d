"""Stored embeddings bear out what an alert says, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.evidence.bundle import bundle_files, read_arrays
from realtime.evidence.recompute import TOLERANCE, disagreements
from realtime.evidence.record import ARRAYS_NAME, RECORD_NAME, EvidenceRecord
from realtime.types import AlertState
from tests.support.evidence_bundles import Stream, item_of, provenance_for

STREAMS = st.builds(
    Stream,
    seed=st.integers(0, 10_000),
    windows=st.integers(1, 40),
    memory=st.integers(2, 20),
    missing=st.sampled_from([0.0, 0.2, 0.6, 1.0]),
    lag_ticks=st.integers(-1, 1),
    uncertainty_ns=st.sampled_from([None, 5_000_000, 500_000_000]),
)


def stored(stream: Stream, state: AlertState = AlertState.ALERT):
    files = bundle_files(item_of(stream, state=state), provenance_for(stream))
    return EvidenceRecord.model_validate_json(files[RECORD_NAME]), read_arrays(files[ARRAYS_NAME])


@settings(max_examples=60)
@given(STREAMS, st.sampled_from([AlertState.CLEAR, AlertState.ALERT]))
def test_every_score_follows_from_what_is_stored(stream: Stream, state: AlertState) -> None:
    record, arrays = stored(stream, state)
    assert list(disagreements(record, arrays)) == []


@settings(max_examples=40)
@given(
    STREAMS,
    st.sampled_from(["intra", "cross", "recent_intra", "recent_cross", "score"]),
    st.sampled_from([-1, 1]),
    st.floats(5 * TOLERANCE, 0.5),
)
def test_a_score_that_was_moved_is_found(stream: Stream, name: str, sign: int, by: float) -> None:
    record, arrays = stored(stream)
    value = getattr(record.scores, name)
    if value is None:
        return
    scores = record.scores.model_copy(update={name: value + sign * by})
    assert any(name in fault for fault in disagreements(record.model_copy(update={"scores": scores}), arrays))


@pytest.mark.parametrize("name", ["identity", "lips", "voice", "similarities"])
@given(seed=st.integers(0, 1000))
@settings(max_examples=15)
def test_an_embedding_that_was_replaced_is_found(name: str, seed: int) -> None:
    stream = Stream(seed=seed, windows=30, memory=20)
    record, arrays = stored(stream)
    changed = getattr(arrays, name).copy()
    if name == "similarities":
        changed[seed % len(changed)] -= 0.01
    elif name == "voice":
        changed[-1, :] = -changed[-1, :]
    else:
        changed[-1] = -changed[-1]
    assert list(disagreements(record, replace(arrays, **{name: changed})))


def test_pairs_and_message_must_be_those_of_the_record() -> None:
    record, arrays = stored(Stream(windows=30, memory=20))
    assert record.seams
    other = json.loads(record.model_dump_json())
    other["seams"][0]["value"] += 0.01
    faults = list(disagreements(EvidenceRecord.model_validate(other), arrays))
    assert any("the pair" in fault for fault in faults)
    assert any("pair 1 of the message" in fault for fault in faults)

    other = json.loads(record.model_dump_json())
    other["alert"]["values"]["intra"] += 0.001
    faults = list(disagreements(EvidenceRecord.model_validate(other), arrays))
    assert [fault.partition(" is ")[0] for fault in faults] == ["the message's intra"]

    other = json.loads(record.model_dump_json())
    kind = other["seams"][0]["kind"]
    other["seams"] = [seam for seam in other["seams"] if seam["kind"] == kind][1:]
    other["alert"]["seams"] = []
    faults = list(disagreements(EvidenceRecord.model_validate(other), arrays))
    assert any("is not the lowest" in fault for fault in faults)


def test_another_processors_last_bit_changes_no_percentile() -> None:
    """The histogram sorts into bins, so the verifier's own products must not decide on which side."""
    stream = Stream(windows=30, memory=20)
    record, arrays = stored(stream)
    nudged = np.nextafter(arrays.identity, np.float32(2))
    assert list(disagreements(record, replace(arrays, identity=nudged))) == []


def test_arrays_that_no_monitor_writes_are_refused() -> None:
    files = bundle_files(item_of(), provenance_for())
    for content in (b"", b"PK", files[ARRAYS_NAME][:-40], files[RECORD_NAME]):
        with pytest.raises(ValueError):
            read_arrays(content)
