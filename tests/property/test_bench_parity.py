"""The guard that no optimisation changes a verdict."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bench.accuracy.clip_record import ClipRecord, records_from, records_json
from bench.accuracy.parity import parity_of, parity_table
from bench.report.result import BenchResult, new_result

SCORES = st.none() | st.floats(-2, 2).map(lambda value: round(value, 6))
RECORDS = st.builds(
    ClipRecord,
    kind=st.sampled_from(["real", "voice_swapped"]),
    condition=st.just("sentence, clean"),
    verdict=st.sampled_from(["genuine", "fake", "suspicious", "insufficient", ""]),
    intra=SCORES,
    cross=SCORES,
    lowest_margin=SCORES,
)
MEASUREMENTS = st.dictionaries(st.sampled_from("abcdefgh"), RECORDS, max_size=6)


def differs(before: ClipRecord, after: ClipRecord, tolerance: float) -> bool:
    pairs = [
        (before.intra, after.intra),
        (before.cross, after.cross),
        (before.lowest_margin, after.lowest_margin),
    ]
    return before.verdict != after.verdict or any(
        (old is None) != (new is None) or (old is not None and abs(old - new) > tolerance)
        for old, new in pairs
    )


@given(MEASUREMENTS, MEASUREMENTS, st.floats(0, 1))
def test_exactly_the_clips_that_differ_are_named(before, after, tolerance) -> None:
    parity = parity_of(before, after, tolerance)
    both = before.keys() & after.keys()
    named = {change.key for change in parity.beyond}
    assert named == {key for key in both if differs(before[key], after[key], tolerance)}
    assert (parity.compared, parity.missing, parity.new) == (
        len(both),
        len(before) - len(both),
        len(after) - len(both),
    )
    assert parity.holds == (bool(both) and not named)
    assert len(parity_table(parity, tolerance).rows) == len(named)


@given(MEASUREMENTS, st.sampled_from(["genuine", "fake"]))
def test_a_verdict_may_not_change_however_wide_the_tolerance(records, verdict) -> None:
    changed = {key: replace(record, verdict=verdict) for key, record in records.items()}
    expected = sum(record.verdict != verdict for record in records.values())
    assert len(parity_of(records, changed, 1e9).beyond) == expected


@given(MEASUREMENTS)
def test_records_survive_the_file_of_a_result(records) -> None:
    result = new_result(
        "accuracy", "t", command="c", configuration={}, figures=(), details=records_json(records)
    )
    assert records_from(BenchResult.from_json(result.to_json())) == records
