"""The peers bench: the protocol of adapters with a test double, and what is made of their answers."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

from bench.cli.command import relative_argument
from bench.peers.process import load_adapter
from bench.peers.protocol import Peer
from bench.peers.registry import ADAPTERS, OTHERS, OWN, PeerChoice, chosen_peers
from bench.peers.running import ClipScore, PeerUnavailableError, clip_scores
from bench.peers.summary import PeerRun, common_clips, cost, missing, ranking, table
from realtime.errors import ConfigurationError
from training.data.clip import Clip

DOUBLE = """
import sys, time
import summary_of_the_peer

class Adapter:
    name = "double"

    def __init__(self, options):
        self.options = options

    def why_unavailable(self):
        return self.options.get("missing")

    def prepare(self):
        print("loading models")
        self.factor = float(self.options["factor"])

    def score(self, clip):
        print("a program that talks on stdout")
        if clip.stem == "broken":
            raise RuntimeError("no face")
        if clip.stem == "leaves":
            sys.exit(3)
        if clip.stem == "burns":
            end = time.process_time() + 0.2
            while time.process_time() < end:
                pass
        return None if clip.stem == "silent" else self.factor * len(clip.stem)
"""


@pytest.fixture
def double(tmp_path, monkeypatch) -> Path:
    """An adapter whose Python has a module of its own on its path."""
    (tmp_path / "summary_of_the_peer.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    path = tmp_path / "double.py"
    path.write_text(DOUBLE)
    return path


def choice(path: Path, **options: str) -> PeerChoice:
    return PeerChoice(key="double", adapter=path, options={"factor": "2", **options})


def test_scores_come_back_in_order_and_a_failure_costs_one_clip(double):
    clips = [Path(f"{name}.mp4") for name in ("a", "broken", "silent", "abc")]
    found = list(clip_scores(choice(double), clips))
    assert [each.score for each in found] == [2.0, None, None, 6.0]
    assert [each.error for each in found] == [None, "RuntimeError: no face", None, None]


def test_the_processor_time_of_a_clip_is_counted(double):
    quiet, busy = clip_scores(choice(double), [Path("a.mp4"), Path("burns.mp4")])
    assert busy.cpu_s >= 0.19
    assert busy.cpu_s > quiet.cpu_s


def test_what_is_missing_is_told(double):
    with pytest.raises(PeerUnavailableError, match="the weights are not there"):
        list(clip_scores(choice(double, missing="the weights are not there"), [Path("a.mp4")]))


def test_an_adapter_that_does_not_start_is_unavailable_with_its_error(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text("import a_module_that_is_nowhere\n")
    with pytest.raises(PeerUnavailableError, match="a_module_that_is_nowhere"):
        list(clip_scores(choice(path), []))


def test_a_python_that_is_not_there_is_told(double, tmp_path):
    absent = PeerChoice(key="double", adapter=double, python=tmp_path / "python", options={"factor": "1"})
    with pytest.raises(PeerUnavailableError, match="Python does not start"):
        list(clip_scores(absent, []))


def test_a_program_that_ends_early_keeps_the_scores_before(double):
    answers = clip_scores(choice(double), [Path("a.mp4"), Path("leaves.mp4"), Path("b.mp4")])
    assert next(answers).score == 2.0
    with pytest.raises(PeerUnavailableError, match="ended"):
        list(answers)


@pytest.mark.parametrize("key", OTHERS)
def test_other_programs_say_what_is_missing_without_importing_ours(key, tmp_path):
    absent = PeerChoice(
        key=key, adapter=ADAPTERS / f"{key}.py", options={"checkout": str(tmp_path), "weights": str(tmp_path)}
    )
    with pytest.raises(PeerUnavailableError) as told:
        list(clip_scores(absent, [Path("a.mp4")]))
    assert "does not start" not in str(told.value)


@pytest.mark.parametrize("key", [*OWN, *OTHERS])
def test_every_adapter_keeps_to_the_protocol(key):
    adapter: Peer = load_adapter(ADAPTERS / f"{key}.py", {})
    assert adapter.name
    assert all(callable(getattr(adapter, name)) for name in ("why_unavailable", "prepare", "score"))


def test_an_owner_says_where_programs_are():
    found = {
        each.key: each
        for each in chosen_peers(
            ["syncnet=envs/s/bin/python"],
            ["syncnet.checkout=s", "syncnet.weights=a=b", "deepface.model=SFace"],
        )
    }
    assert list(found) == [*OWN, *OTHERS]
    assert found["syncnet"].python == Path("envs/s/bin/python")
    assert found["syncnet"].options == {"checkout": "s", "weights": "a=b"}
    assert found["deepface"].options == {"model": "SFace"}
    assert found["seamwatch"].python == Path(sys.executable)


@pytest.mark.parametrize("entry", ["syncnet", "nobody=path", "=path", "syncnet="])
def test_a_python_for_nobody_is_refused(entry):
    with pytest.raises(ConfigurationError, match="does not say where"):
        chosen_peers([entry], [])


@pytest.mark.parametrize(
    "entry", ["syncnet=path", "syncnet.=path", "seamwatch.checkout=x", "syncnet.checkout="]
)
def test_an_option_for_nobody_is_refused(entry):
    with pytest.raises(ConfigurationError, match="does not say where"):
        chosen_peers([], [entry])


def clip(name: str, speaker: str, *, real: bool, seconds: float = 4.0) -> Clip:
    return Clip(
        path=Path(name),
        audio_path=None,
        name=name,
        corpus="made up",
        speaker=speaker,
        source=name,
        label="real" if real else "fake",
        kind="",
        generator="",
        quality="good",
        source_repository="",
        licence_repository="",
        licence_corpus="",
        duration_s=seconds,
        fps=25.0,
        width=64,
        height=64,
    )


CLIPS = [clip(f"{index}.mp4", f"speaker {index}", real=index < 4) for index in range(8)]


def scored(*values: float | None) -> list[ClipScore]:
    return [ClipScore(score=value, cpu_s=2.0, wall_s=1.0, error=None) for value in values]


def test_cost_is_processor_time_for_media_time_of_what_did_not_fail():
    failed = ClipScore(score=None, cpu_s=100.0, wall_s=1.0, error="broke")
    run = PeerRun(name="p", unavailable=None, scores=[*scored(0.0, 0.0), failed])
    assert cost(run, CLIPS) == pytest.approx(0.5)
    assert cost(PeerRun(name="p", unavailable="no", scores=[]), CLIPS) is None


def test_ranking_counts_clips_with_a_score_and_common_ones_only():
    good = PeerRun(name="good", unavailable=None, scores=scored(0, 1, 2, 3, 4, 5, 6, 7))
    shy = PeerRun(name="shy", unavailable=None, scores=scored(9, None, 0, None, 1, 2, 3, None))
    absent = PeerRun(name="absent", unavailable="not there", scores=[])
    every = {each.name for each in CLIPS}
    assert ranking(good, CLIPS, every)[0] == 1.0
    assert ranking(shy, CLIPS, every)[0] == 0.5
    common = common_clips([good, shy, absent], CLIPS)
    assert common == {"0.mp4", "2.mp4", "4.mp4", "5.mp4", "6.mp4"}
    rows = {row[0]: row for row in table([good, shy, absent], CLIPS).rows}
    assert "absent" not in rows
    assert missing([good, shy, absent]).rows == (("absent", "not there"),)
    assert rows["shy"][2] == 5
    assert math.isclose(rows["good"][1], 500.0)


def test_one_class_alone_has_no_ranking():
    run = PeerRun(name="p", unavailable=None, scores=scored(1, 2, None, None, None, None, None, None))
    assert ranking(run, CLIPS, {each.name for each in CLIPS}) == (None, "-")


def test_a_stated_command_names_no_folder_of_the_host():
    assert relative_argument("syncnet=/somewhere/else/bin/python") == "syncnet=python"
    assert relative_argument("syncnet.checkout=syncnet") == "syncnet.checkout=syncnet"
    assert relative_argument("--python=/somewhere/else/python") == "--python=python"
    assert relative_argument("/somewhere/else/a=b") == "a=b"
