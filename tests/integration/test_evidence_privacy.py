"""Whole runs: what is on disk and in the logs afterwards, without evidence and with it."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import os
import signal
import sqlite3
import stat
import sys
import weakref
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest

from clients.publisher.whip import WhipPublisher, publish_file
from clients.subscriber import Subscriber
from engines.loader import EngineSet
from realtime.evidence.reading import check_path
from realtime.evidence.record import (
    ARRAYS_NAME,
    CALIBRATION_NAME,
    CHAIN_NAME,
    ENVELOPE_NAME,
    FACES_NAME,
    MANIFEST_NAME,
    OBSERVATIONS_NAME,
    RECORD_NAME,
    TRACE_NAME,
)
from realtime.server.wire import AlertMessage, ScoreUpdate
from tests.support.leaks import leaks_in
from tests.support.live_monitor import live_monitor

WITHOUT_MEDIA = {CHAIN_NAME, MANIFEST_NAME, RECORD_NAME, TRACE_NAME, ARRAYS_NAME}
WITHOUT_MEDIA |= {OBSERVATIONS_NAME, CALIBRATION_NAME}
CALL, PARTICIPANT = "board-of-leakage", "Ann.Leakname"


def environment(folder: Path) -> dict[str, str]:
    """Return an environment in which all that a program may write goes into a folder, but for its models."""
    places = {}
    for name, variable in (("data", "XDG_DATA_HOME"), ("state", "XDG_STATE_HOME"), ("tmp", "TMPDIR")):
        (folder / name).mkdir()
        places[variable] = str(folder / name)
    return {**os.environ, **places, "PYTHONDONTWRITEBYTECODE": "1"}


def work_folder(tmp_path: Path) -> Path:
    work = tmp_path / "work"
    work.mkdir()
    return work


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def written(folder: Path) -> dict[str, bytes]:
    """Return every file under a folder by its path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


async def started(tmp_path: Path, *arguments: str | Path) -> asyncio.subprocess.Process:
    work = work_folder(tmp_path)
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "clients.cli.main",
        "--log-level",
        "debug",
        "--log-format",
        "json",
        *map(str, arguments),
        cwd=work,
        env={**environment(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def served_call(tmp_path: Path, clip: Path, *options: str | Path) -> tuple[str, str]:
    """Run a monitor, publish a clip into it, end it; return its standard output and its logs."""
    server = await started(tmp_path, "serve", "--port", "0", "--threads", "2", *options)
    reading = asyncio.create_task(server.stderr.read())
    try:
        line = (await asyncio.wait_for(server.stdout.readline(), 90)).decode()
        assert "http://" in line, (await reading).decode()
        url = next(word for word in line.split() if word.startswith("http://"))
        await publish_file(f"{url}/whip/{CALL}/{PARTICIPANT}", clip)
        async with aclosing(Subscriber(url, after=0).messages()) as messages:
            async for message in messages:
                if isinstance(message, AlertMessage) and message.state == "alert":
                    break
        server.send_signal(signal.SIGTERM)
        rest = await asyncio.wait_for(server.stdout.read(), 60)
        assert await server.wait() == 0
        return line + rest.decode(), (await reading).decode()
    finally:
        if server.returncode is None:
            server.kill()
            await server.wait()


async def test_a_live_call_leaves_its_alerts_and_nothing_else(
    model_store: object, tmp_path: Path, exchanged_clip: Path
) -> None:
    output, logs = await served_call(tmp_path, exchanged_clip)

    files = written(tmp_path)
    store = tmp_path / "data" / "seamwatch" / "alerts.sqlite3"
    assert list(files) == [store.relative_to(tmp_path).as_posix()]
    assert stat.S_IMODE(store.stat().st_mode) == 0o600
    assert leaks_in(files[store.relative_to(tmp_path).as_posix()]) == []
    with sqlite3.connect(store) as connection:
        bodies = [json.loads(body) for (body,) in connection.execute("SELECT body FROM alerts")]
    assert bodies[-1]["state"] == "alert"
    assert all(body.keys() <= AlertMessage.model_fields.keys() for body in bodies)

    assert "participant_joined" in logs
    assert leaks_in(logs.encode()) == []
    for name in (CALL, PARTICIPANT, exchanged_clip.stem):
        assert name not in logs
        assert name not in output


async def test_a_live_call_with_evidence_can_be_checked_by_a_colleague(
    model_store: object, tmp_path: Path, exchanged_clip: Path
) -> None:
    root = tmp_path / "evidence"
    output, logs = await served_call(tmp_path, exchanged_clip, "--keep-evidence", root)

    checked = check_path(root)
    assert checked.good, list(checked.findings())
    assert [(one.record.alert["previous"], one.record.alert["state"]) for one in checked.bundles] == [
        ("clear", "suspicious"),
        ("suspicious", "alert"),
    ]
    newest = checked.bundles[-1]
    assert newest.record.alert["seq"] == 2
    assert newest.record.scores.intra is not None
    assert newest.record.reception is not None
    assert newest.record.provenance.engines["identity"].source_sha256 is not None
    assert checked.chain.head in logs
    assert {stat.S_IMODE(path.stat().st_mode) for path in root.rglob("*")} == {0o600, 0o700}
    assert stat.S_IMODE(root.stat().st_mode) == 0o700

    assert all(path.startswith(("evidence/", "data/seamwatch/")) for path in written(tmp_path))
    for name in (CALL, PARTICIPANT):
        assert name not in logs
        assert name not in output
    assert {path.name for path in root.rglob("*") if path.is_file()} == WITHOUT_MEDIA
    vectors = _identity_vectors(root / newest.name / ARRAYS_NAME)
    assert leaks_in(vectors) == ["a unit vector of 128 numbers"]


async def test_a_scan_leaves_nothing_and_with_evidence_only_that(
    model_store: object, tmp_path: Path, exchanged_clip: Path
) -> None:
    evidence, with_media = tmp_path / "evidence", tmp_path / "with-media"
    for name, options in (
        ("off", ()),
        ("on", ("--keep-evidence", evidence)),
        ("media", ("--keep-evidence", with_media, "--keep-media")),
    ):
        folder = tmp_path / name
        folder.mkdir()
        scan = await started(folder, "scan", exchanged_clip, "--json", "--threads", "2", *options)
        output, logs = await asyncio.wait_for(scan.communicate(), 150)
        assert scan.returncode == 0, logs.decode()
        assert json.loads(output)["verdict"] == "fake"
        assert written(folder) == {}
        assert leaks_in(logs) == []
        assert exchanged_clip.stem not in logs.decode()
    for root in (evidence, with_media):
        checked = check_path(root)
        assert checked.good, list(checked.findings())
        assert checked.bundles[-1].record.alert["state"] == "alert"
        for bundle in checked.bundles:
            source = bundle.record.source
            assert source.sha256 == sha256_of(exchanged_clip)
    assert {Path(path).name for path in written(evidence)} == WITHOUT_MEDIA
    media = {Path(path).name for path in written(with_media)} - WITHOUT_MEDIA
    pictures = {name for name in media if name.endswith(".jpg")}
    assert pictures
    assert media - pictures == {FACES_NAME, ENVELOPE_NAME}
    # The calibration lists similarities of other people.
    assert not any(
        leaks_in(data)
        for path, data in written(evidence).items()
        if not path.endswith((ARRAYS_NAME, CALIBRATION_NAME))
    )


async def test_embeddings_go_when_the_participant_has_gone(
    engine_set: EngineSet, tmp_path: Path, genuine_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.seat.KEEP_STATE_S", 0.0)
    async with live_monitor(engine_set, tmp_path / "alerts.sqlite3") as live:
        async with WhipPublisher(live.whip("ann")) as ann:
            await ann.start(genuine_clip, loop=True)
            async with aclosing(Subscriber(live.url, after=0).messages()) as messages:
                async for message in messages:
                    if isinstance(message, ScoreUpdate) and message.intra_windows > 2:
                        break
            (seat,) = live.monitor._seats.values()
            judge = weakref.ref(seat.session._pipeline._judge)
            assert judge() is not None
            del seat
        await asyncio.gather(*live.monitor._tasks.values())
        gc.collect()
        assert judge() is None


def _identity_vectors(path: Path) -> bytes:
    with np.load(path) as arrays:
        return bytes(arrays["identity"].tobytes())
