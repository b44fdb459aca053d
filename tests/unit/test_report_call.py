"""The report on a live call: store and evidence joined; damaged evidence is told, not shown."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from clients.cli.main import main
from realtime.alerts.store import AlertStore
from realtime.evidence.bundle import bundle_files, read_arrays
from realtime.evidence.contents import call_matrices, call_seams, call_trace
from realtime.evidence.folder import EvidenceFolder
from realtime.evidence.record import ARRAYS_NAME, RECORD_NAME, TRACE_NAME, EvidenceRecord
from realtime.server.records import to_record
from realtime.server.wire import AlertDraft, SeamInfo
from realtime.types import AlertState
from tests.support.evidence_bundles import Stream, item_of, provenance_for
from tests.support.evidence_media import with_media

CALL = "standup"
BEGAN = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
OFFSET_NS = 1_234_567_890
SHORT, LONG = Stream(seed=3, windows=14, memory=16), Stream(seed=3, windows=40, memory=16)


def draft(
    state: str,
    time_s: float,
    *,
    participant: str = "ann",
    previous: str = "clear",
    call: str = CALL,
    began: datetime = BEGAN,
    reasons: Sequence[str] = ("identity_changed",),
) -> AlertDraft:
    return AlertDraft(
        call=call,
        participant=participant,
        time_s=time_s,
        raised_at=(began + timedelta(seconds=time_s + 0.5)).isoformat(timespec="milliseconds"),
        previous=previous,
        state=state,
        margin=-0.2,
        reasons=list(reasons),
        seams=[SeamInfo(kind="intra", a=(1.0, 2.0), b=(5.0, 6.0), value=0.1)] if state != "clear" else [],
        values={"recent_intra": 0.2, "recent_cross": 0.5},
        engines={},
    )


def stored(path: Path, *drafts: AlertDraft, words: dict[int, str] | None = None) -> Path:
    async def fill() -> None:
        async with AlertStore(path, clock=BEGAN.timestamp) as store:
            for one in drafts:
                await store.append(to_record(one))
            for seq, word in (words or {}).items():
                await store.set_feedback(seq, word, "2026-03-01T09:05:00Z")

    asyncio.run(fill())
    return path


def kept(root: Path, *streams: Stream, media: bool = False) -> list[Path]:
    """Keep one transition of ann's a stream; streams of one seed are moments of one call."""
    places = []
    with EvidenceFolder(root) as folder:
        for number, stream in enumerate(streams):
            state = AlertState.ALERT if number == len(streams) - 1 else AlertState.SUSPICIOUS
            item = item_of(stream, call=CALL, state=state)
            time_s = item.alert["time_s"]
            raised_at = (BEGAN + timedelta(seconds=time_s + 0.5)).isoformat(timespec="milliseconds")
            item = replace(item, alert={**item.alert, "raised_at": raised_at})
            files = bundle_files(with_media(item) if media else item, provenance_for(stream))
            places.append(folder.add(files, call=CALL, state=state.value))
    return places


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["report", *map(str, arguments)])


def facts(*arguments: str | Path) -> dict:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_store_alone_gives_transitions_and_says_what_is_missing(tmp_path: Path) -> None:
    store = stored(
        tmp_path / "alerts.sqlite3",
        draft("suspicious", 40.0),
        draft("suspicious", 41.0, participant="bob", reasons=["lips_do_not_fit_voice"]),
        draft("alert", 42.0, previous="suspicious"),
        draft("clear", 60.0, previous="alert", reasons=["consistent_again"]),
    )
    told = facts(CALL, "--store", store)
    assert told["title"] == "Call standup, begun 2026-03-01 09:00 UTC"
    ann, bob = told["subjects"]
    assert (ann["name"], ann["verdict"], ann["verified"]) == ("ann", "fake", None)
    assert (bob["name"], bob["verdict"]) == ("bob", "suspicious")
    assert [one["time_s"] for one in ann["transitions"]] == [40.0, 42.0, 60.0]
    assert "The alert came at 0:42.0 of the call and was lifted at 1:00.0" in ann["sentence"]
    assert "The suspicion came at 0:41.0" in bob["sentence"]
    assert [seam["value"] for seam in ann["grounds"][0]["seams"]] == [0.1]
    assert ann["grounds"][0]["intra_windows"] is ann["config_sha256"] is None
    assert any("--keep-evidence" in missing for missing in ann["not_kept"])
    assert any("--keep-media" in missing for missing in ann["not_kept"])


def test_evidence_brings_scores_matrices_hashes_and_the_outcome_of_its_check(tmp_path: Path) -> None:
    store = stored(tmp_path / "alerts.sqlite3", draft("suspicious", 41.0, participant="bob"))
    kept(tmp_path / "evidence", SHORT, LONG, media=True)
    out = tmp_path / "report.html"
    told = facts(CALL, "--store", store, "--evidence", tmp_path / "evidence", "--out", out)
    ann, bob = told["subjects"]
    assert ann["verified"] is True
    assert bob["verified"] is None
    assert told["evidence"]["faults"] == []
    assert [bundle["faults"] for bundle in ann["bundles"]] == [[], []]
    (ground,) = ann["grounds"]
    assert ground["intra_windows"] == ground["cross_windows"] == 16
    assert ground["pictures"] > 0
    assert ground["loudness_s"] == 12.0
    assert len(ann["config_sha256"]) == 64
    document = out.read_text(encoding="utf-8")
    assert "2 of 2 bundles of evidence were unchanged" in document
    assert f"--head {told['evidence']['head']}" in document
    assert "Evidence verified" in document
    assert document.count("<img ") > 0
    assert "The folder holds no evidence here" in document


def test_traces_of_several_bundles_are_one_timeline(tmp_path: Path) -> None:
    """The memory of 16 windows ends with window 13 in one bundle and begins with window 24 in the other."""
    kept(tmp_path / "evidence", SHORT, LONG)
    (ann,) = facts(CALL, "--evidence", tmp_path / "evidence", "--store", tmp_path / "none")["subjects"]
    first, last = 0.4 * 0 + 1.0, 0.4 * 39 + 1.0
    assert ann["span_s"][1] == pytest.approx(last + OFFSET_NS / 1e9, abs=2e-3)
    assert ann["span_s"][0] == pytest.approx(first - 1.0 + OFFSET_NS / 1e9, abs=2e-3)
    hops = 13 + 15
    assert ann["recorded_s"] == pytest.approx(0.4 * hops + 2 * 1.0, abs=2e-3)


def test_overlapping_traces_count_once(tmp_path: Path) -> None:
    kept(tmp_path / "evidence", replace(LONG, windows=30), replace(LONG, windows=36))
    (ann,) = facts(CALL, "--evidence", tmp_path / "evidence", "--store", tmp_path / "none")["subjects"]
    assert ann["recorded_s"] == pytest.approx(0.4 * (35 - 14) + 1.0, abs=2e-3)


def test_a_store_and_its_evidence_tell_of_a_transition_once(tmp_path: Path) -> None:
    kept(tmp_path / "evidence", LONG)
    alone = facts(CALL, "--evidence", tmp_path / "evidence", "--store", tmp_path / "none")
    (transition,) = alone["subjects"][0]["transitions"]
    message = json.loads((tmp_path / "evidence" / CALL / "000001-alert" / RECORD_NAME).read_text())["alert"]
    store = stored(tmp_path / "alerts.sqlite3", AlertDraft.model_validate(message))
    both = facts(CALL, "--evidence", tmp_path / "evidence", "--store", store)
    assert both["subjects"][0]["transitions"] == [transition]
    assert any("alert store could not be read" in note for note in alone["notes"])
    assert not any("alert store could not be read" in note for note in both["notes"])


@pytest.mark.parametrize(
    ("name", "lost"),
    [(TRACE_NAME, "recorded_s"), (ARRAYS_NAME, "matrices"), (RECORD_NAME, "participant"), ("jpg", "picture")],
)
def test_what_was_changed_is_told_and_left_out_and_the_rest_goes_on(
    tmp_path: Path, name: str, lost: str
) -> None:
    _, second = kept(tmp_path / "evidence", SHORT, LONG, media=True)
    before = facts(CALL, "--evidence", tmp_path / "evidence", "--store", tmp_path / "none")["subjects"][0]
    path = next(path for path in sorted(second.iterdir()) if path.name.endswith(name))
    path.write_bytes(path.read_bytes().replace(b"0", b"1", 1) + b"\n")
    out = tmp_path / "report.html"
    told = facts(CALL, "--evidence", tmp_path / "evidence", "--store", tmp_path / "none", "--out", out)
    document = out.read_text(encoding="utf-8")
    assert "The evidence is not as it was written" in document
    (ann,) = told["subjects"]
    if lost == "participant":
        assert [one["state"] for one in ann["transitions"]] == ["suspicious"]
        assert any(f"{CALL}/{second.name} cannot be shown" in note for note in told["notes"])
        assert f"{RECORD_NAME} was changed" in document
        return
    assert ann["verified"] is False
    assert "Not verified" in document
    assert ann["bundles"][0]["faults"] == []
    assert f"{path.name} was changed" in ann["bundles"][1]["faults"]
    (ground,), (ground_before,) = ann["grounds"], before["grounds"]
    assert (ann["recorded_s"] < before["recorded_s"]) == (lost == "recorded_s")
    assert (ground["intra_windows"] is None) == (lost == "matrices")
    assert ("what was kept of them was changed" in document) == (lost == "matrices")
    assert (ground_before["pictures"] - ground["pictures"]) == (1 if lost == "picture" else 0)


def test_a_fault_of_the_chain_is_told_at_the_top(tmp_path: Path) -> None:
    kept(tmp_path / "evidence", SHORT, LONG)
    chain = tmp_path / "evidence" / "chain.jsonl"
    chain.write_bytes(b"".join(chain.read_bytes().splitlines(keepends=True)[:-1]))
    out = tmp_path / "report.html"
    told = facts(CALL, "--evidence", tmp_path / "evidence", "--store", tmp_path / "none", "--out", out)
    assert told["evidence"]["faults"] == ["standup/000002-alert: is not in the chain"]
    header = out.read_text(encoding="utf-8").partition("<main>")[0]
    assert "The evidence is not as it was written" in header
    assert "is not in the chain" in header


def test_a_call_that_nobody_knows_is_refused_with_those_that_are(tmp_path: Path) -> None:
    store = stored(tmp_path / "alerts.sqlite3", draft("alert", 5.0), draft("alert", 9.0, call="retro"))
    result = run("stand-up", "--store", store, "--json")
    assert result.exit_code == 2
    assert "Known calls: retro, standup." in result.stderr
    nothing = run(CALL, "--store", stored(tmp_path / "empty.sqlite3"), "--json")
    assert nothing.exit_code == 2
    assert "no alert was raised" in nothing.stderr


def test_a_name_that_comes_again_is_another_call(tmp_path: Path) -> None:
    monday, tuesday = BEGAN - timedelta(days=1), BEGAN
    store = stored(
        tmp_path / "alerts.sqlite3",
        draft("suspicious", 300.0, began=monday, participant="eve"),
        draft("alert", 301.0, began=monday, participant="eve", previous="suspicious"),
        draft("suspicious", 7.0, began=tuesday),
    )
    newest = facts(CALL, "--store", store)
    assert [subject["name"] for subject in newest["subjects"]] == ["ann"]
    assert any("2 calls of this name" in note for note in newest["notes"])
    earlier = facts(CALL, "--store", store, "--begun", "2026-02-28")
    assert [subject["name"] for subject in earlier["subjects"]] == ["eve"]
    refused = run(CALL, "--store", store, "--begun", "2020", "--json")
    assert refused.exit_code == 2
    assert "2026-02-28T09:00:00Z, 2026-03-01T09:00:00Z" in refused.stderr


def test_a_store_in_use_is_a_stated_fault_unless_there_is_evidence(tmp_path: Path) -> None:
    store = stored(tmp_path / "alerts.sqlite3", draft("alert", 5.0))
    kept(tmp_path / "evidence", LONG)

    async def while_running() -> tuple[Result, Result]:
        async with AlertStore(store, clock=BEGAN.timestamp):
            alone = await asyncio.to_thread(run, CALL, "--store", store, "--json")
            with_evidence = await asyncio.to_thread(
                run, CALL, "--store", store, "--evidence", tmp_path / "evidence", "--json"
            )
        return alone, with_evidence

    alone, with_evidence = asyncio.run(while_running())
    assert alone.exit_code == 1
    assert "in use by a running monitor" in alone.stderr
    assert with_evidence.exit_code == 0
    assert json.loads(with_evidence.stdout)["subjects"][0]["verdict"] == "fake"


@pytest.mark.parametrize("content", [b"", b"no database", None])
def test_what_is_no_store_is_refused(tmp_path: Path, content: bytes | None) -> None:
    store = tmp_path / "alerts.sqlite3"
    if content is not None:
        store.write_bytes(content)
    result = run(CALL, "--store", store, "--json")
    assert result.exit_code == 1
    assert "fix:" in result.stderr
    assert store.exists() == (content is not None)


def test_reading_leaves_the_store_as_it_is(tmp_path: Path) -> None:
    store = stored(tmp_path / "alerts.sqlite3", draft("alert", 5.0, began=datetime(2020, 1, 1, tzinfo=UTC)))
    store = stored(tmp_path / "old.sqlite3", draft("alert", 5.0))
    before, files = store.read_bytes(), sorted(tmp_path.iterdir())
    assert len(facts(CALL, "--store", store)["subjects"]) == 1
    assert store.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == files


def test_what_the_operator_said_is_told(tmp_path: Path) -> None:
    store = stored(
        tmp_path / "alerts.sqlite3",
        draft("suspicious", 3.0),
        draft("alert", 5.0, previous="suspicious"),
        words={2: "false_alarm"},
    )
    out = tmp_path / "report.html"
    (ann,) = facts(CALL, "--store", store, "--out", out)["subjects"]
    assert [one["operator"] for one in ann["transitions"]] == [None, "marked as a false alarm"]
    assert "The operator marked it as a false alarm." in ann["sentence"]
    assert "<th>Operator</th>" in out.read_text(encoding="utf-8")


def test_nothing_from_outside_is_markup_or_leaves_the_page(tmp_path: Path) -> None:
    nasty = "<img src=x onerror=alert(1)>\u202e"
    store = stored(tmp_path / "alerts.sqlite3", draft("alert", 5.0, participant=nasty, reasons=[nasty]))
    out = tmp_path / "report.html"
    assert run(CALL, "--store", store, "--out", out).exit_code == 0
    document = out.read_text(encoding="utf-8")
    assert "<img" not in document
    assert "\u202e" not in document
    assert "://" not in document
    assert not re.findall(r'(?:href|src)="(?!data:)', document)


def test_without_a_place_to_write_there_is_nothing_to_do(tmp_path: Path) -> None:
    store = stored(tmp_path / "alerts.sqlite3", draft("alert", 5.0))
    assert run(CALL, "--store", store).exit_code == 2
    assert run(CALL, "--store", store, "--out", tmp_path / "absent" / "r.html").exit_code == 2


def test_a_recomputed_matrix_is_the_one_that_was_scored(tmp_path: Path) -> None:
    item = item_of(LONG)
    files = bundle_files(item, provenance_for(LONG))
    record = EvidenceRecord.model_validate_json(files[RECORD_NAME])
    intra, cross = call_matrices(record, read_arrays(files[ARRAYS_NAME]))
    np.testing.assert_array_equal(intra.values, item.snapshot.similarities.values)
    assert intra.worst == item.snapshot.similarities.worst
    assert intra.spans[0].start_ns == item.snapshot.similarities.spans[0].start_ns + OFFSET_NS
    diagonal = np.diagonal(cross.values)
    assert float(np.nanmean(diagonal)) == pytest.approx(item.snapshot.score.cross, abs=1e-6)
    assert call_seams(record)[0].value == item.snapshot.seams[0].value
    trace = call_trace(files[TRACE_NAME])
    assert len(trace) == len(item.snapshot.trace)
    assert trace[-1].recent_intra == pytest.approx(item.snapshot.score.recent_intra, rel=1e-5)
    assert trace[-1].status is item.snapshot.score.status
    for damaged in (b"", b"\xff", files[TRACE_NAME].replace(b",ok,", b",fine,"), b"time_s,status\n1,ok\n"):
        if damaged:
            with pytest.raises(ValueError):
                call_trace(damaged)


def test_what_a_monitor_left_behind_in_a_crash_is_read(tmp_path: Path) -> None:
    crashed = tmp_path / "crashed"
    crashed.mkdir()

    async def run_and_crash() -> None:
        async with AlertStore(tmp_path / "alerts.sqlite3", clock=BEGAN.timestamp) as store:
            await store.append(to_record(draft("alert", 5.0)))
            for name in ("alerts.sqlite3", "alerts.sqlite3-wal"):
                shutil.copy(tmp_path / name, crashed / name)

    asyncio.run(run_and_crash())
    assert (crashed / "alerts.sqlite3-wal").stat().st_size > 0
    (ann,) = facts(CALL, "--store", crashed / "alerts.sqlite3")["subjects"]
    assert ann["verdict"] == "fake"
