"""A measured call of two participants for some seconds: real processes, real WebRTC."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bench.cli.capacity import capacity
from bench.cli.floor import floor
from bench.cli.stream import stream
from bench.load.call import CallSetup, run_call
from bench.load.people import LISTEN_S, TALK_S, People
from bench.load.profile import profile_between
from bench.load.schedule import Schedule
from bench.load.streams import Codec, prepare_streams
from bench.monitor.process import available_cores, divide_cores, pin
from bench.report.result import BenchResult
from engines.store.store import ModelStore
from realtime.timebase import FRAME_RATE_HZ, SAMPLES_PER_TICK
from tests.support.media import write_clip

SIZE = (64, 48)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes(People):
    """People without faces, which are made at once."""

    def talk(self, person: int):
        generator = np.random.default_rng(person)
        picture = generator.integers(0, 255, (24, 32, 3), dtype=np.uint8)
        sound = (0.1 * generator.standard_normal(SAMPLES_PER_TICK)).astype(np.float32)
        return [(picture, sound)] * (TALK_S * FRAME_RATE_HZ)


SHAPES = Shapes(description="shapes", key=("shapes",), talkers=2, clips_dir=None)


@pytest.fixture(autouse=True)
def all_cores():
    before = available_cores()
    yield
    pin(0, before)


@pytest.fixture
def shapes(monkeypatch):
    for command in ("capacity", "floor"):
        monkeypatch.setattr(f"bench.cli.{command}.people", lambda _: SHAPES)


def _prepare(tmp_path: Path, codec: Codec) -> Path:
    return prepare_streams(SHAPES, SIZE, codec, tmp_path, lambda _: None)


def _result(stdout: str) -> BenchResult:
    return BenchResult.from_json(stdout[stdout.index("{") :])


def test_streams_are_made_once(tmp_path):
    folder = _prepare(tmp_path, "vp8")
    made = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert set(made) == {f"{person}-{what}.npz" for person in range(3) for what in ("talk", "listen")}
    assert _prepare(tmp_path, "vp8") == folder
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == made
    assert LISTEN_S < TALK_S


@pytest.mark.parametrize("codec", ["vp8", "h264"])
async def test_two_participants_are_scored_and_all_cpu_time_is_found(
    codec, tmp_path, model_store: ModelStore
):
    setup = CallSetup(
        streams=_prepare(tmp_path, codec),
        codec=codec,
        schedule=Schedule(participants=2, talk="turns", talkers=2, intruder=2),
        cores=divide_cores(available_cores(), 1),
        seconds=3.0,
        settle_s=2.0,
        profiled=True,
    )
    record = await run_call(setup, tmp_path, lambda _: None)

    assert set(record.observations.scores) == {"p0", "p1"}
    assert all(
        score.verdict == "insufficient" for own in record.observations.scores.values() for score in own
    )
    assert all(report["video_packets"] > 3 * FRAME_RATE_HZ for report in record.published)
    assert record.monitor_cpu_s > 0
    assert record.publisher_cpu_s > 0
    assert record.profile is not None
    before, after = record.profile
    profile = profile_between(before, after, 2 * record.seconds)
    spent = {line.stage: line.cpu_ms for line in profile.lines}
    assert profile.missing == ()
    assert profile.total_ms == pytest.approx(1000 * record.monitor_cpu_s / (2 * record.seconds), rel=0.3)
    for stage in (
        "video decoding",
        "audio decoding",
        "RTP",
        "SRTP",
        "engine detector",
        "similarity and scoring",
    ):
        assert spent[stage] > 0, stage
    assert min(spent.values()) > -1.0


def test_the_floor_is_printed_and_written(shapes, tmp_path):
    arguments = ["--quick", "--json", "--size", "64x48", "--codec", "h264", "--out", str(tmp_path / "out")]
    said = CliRunner().invoke(floor, [*arguments, "--streams", str(tmp_path / "cache")])
    assert said.exit_code == 0, said.output
    result = _result(said.stdout)
    assert result.quick
    assert [figure.name for figure in result.figures] == [
        "64x48 h264: decoding",
        "64x48 h264: colour conversion",
        "64x48 h264: both",
    ]
    assert all(figure.median > 0 for figure in result.figures)
    assert json.loads((tmp_path / "out" / "floor.json").read_text())["bench"] == "floor"


def test_a_capacity_is_searched_for(shapes, tmp_path, model_store: ModelStore):
    arguments = ["--quick", "--json", "--size", "64x48", "--codec", "vp8", "--most", "1", "--no-profile"]
    said = CliRunner().invoke(capacity, [*arguments, "--streams", str(tmp_path / "cache")])
    assert said.exit_code == 0, said.output
    result = _result(said.stdout)
    measured = result.details["calls"][0]
    assert [trial["participants"] for trial in measured["trials"]] == [1]
    assert measured["half"]["participants"] == 1
    assert measured["floor"]["decoding_ms"] > 0
    names = {figure.name for figure in result.figures}
    assert "64x48 vp8, talk all: participants per core" in names
    assert "64x48 vp8, talk all: whole cost by that floor" in names


def test_files_are_streamed_and_held_against_the_truth(tmp_path, model_store: ModelStore):
    folder = tmp_path / "clips"
    folder.mkdir()
    clip = write_clip(folder / "one.mp4", seconds=4)
    clip.with_suffix(".json").write_text(json.dumps({"label": "fake", "kind": "face_swapped", "from_s": 1.0}))
    said = CliRunner().invoke(stream, [str(clip.parent), "--network", "direct", "--json"])
    assert said.exit_code == 0, said.output
    result = _result(said.stdout)
    figures = {figure.name: figure.values[0] for figure in result.figures}
    assert figures["direct: fakes detected"] == 0
    assert result.details["direct"][0]["verdict"] == "insufficient"
    assert result.details["direct"][0]["scored_s"] > 0
