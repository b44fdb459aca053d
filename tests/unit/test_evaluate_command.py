from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import training.cli.evaluate as command_module

pytest.importorskip("matplotlib", reason="needs the training extra")

from realtime.errors import ConfigurationError, MediaError
from tests.unit.test_evaluate_datasets import fakeavceleb_folder, manifest_folder
from tests.unit.test_evaluate_scorer import LAGS, measurement
from training.data.manifest import read_manifest
from training.evaluate.clip_statistics import ClipTrace
from training.evaluate.clips import ClipScore, ClipStatus, EvaluationClip
from training.evaluate.evaluation import limited
from training.evaluate.measurement import Measurement
from training.evaluate.metrics import auc
from training.evaluate.tables import ALL_FAKES, UNSEEN_FAKES, metric_rows, verdict_rows


def scored(
    index: int,
    value: float | None,
    *,
    kind: str = "real",
    condition: str = "",
    generator: str = "",
    trained: bool = False,
) -> ClipScore:
    clip = EvaluationClip(
        path=Path(f"{kind}{index}.mp4"),
        is_fake=kind != "real",
        kind=kind,
        generator=generator,
        speaker=f"s{index}",
        condition=condition,
        trained_on_speaker=trained,
    )
    return ClipScore(
        clip=clip,
        status=ClipStatus.INSUFFICIENT if value is None else ClipStatus.SCORED,
        verdict="insufficient" if value is None else "genuine",
        intra=value,
        cross=value,
        score=value,
        windows=10,
        alert_windows=1,
    )


def rows_of(scores: list[ClipScore], **changes):
    options = {"seed": 1, "resamples": 100, "means": {}, "draws": None} | changes
    return {
        (row.kind, row.generator, row.condition, row.channel): row for row in metric_rows(scores, **options)
    }


def test_fakes_meet_the_genuine_clips_of_their_condition() -> None:
    scores = [scored(index, 1.0 + index, condition="hq") for index in range(3)]
    scores += [scored(index, -5.0, condition="lq") for index in range(3)]
    scores += [scored(index, 0.0, kind="swap", condition="hq") for index in range(3)]
    scores += [scored(index, 0.0, kind="swap", condition="lq") for index in range(3)]
    rows = rows_of(scores)
    assert rows["swap", "", "hq", "combined"].auc == 1.0
    assert rows["swap", "", "lq", "combined"].auc == 0.0
    assert rows["swap", "", "lq", "combined"].genuine == 3


def test_clips_without_a_value_are_counted_both_ways() -> None:
    scores = [scored(0, 3.0), scored(1, 4.0), scored(2, None), scored(3, 1.0, kind="swap")]
    scores.append(scored(4, None, kind="swap"))
    row = rows_of(scores)["swap", "", "", "combined"]
    assert (row.coverage, row.fake_coverage, row.auc) == (0.6, 0.5, 1.0)
    evidence = [-3.0, -4.0, -3.0, -1.0, -3.0]
    assert row.auc_missing_at_median == auc([False, False, False, True, True], evidence)
    assert row.auc_missing_at_worst == auc([False, False, False, True, True], [-3, -4, 9, -1, -9])


def test_a_channel_without_any_value_has_no_metrics() -> None:
    row = rows_of([scored(0, None), scored(1, None, kind="swap")])["swap", "", "", "intra"]
    assert (row.coverage, row.auc, row.average_precision, row.auc_missing_at_worst) == (0.0, None, None, None)


def test_generators_means_and_unseen_people_have_rows() -> None:
    scores = [scored(index, 2.0) for index in range(4)]
    scores += [scored(index, 1.0, kind="a", generator="one", trained=True) for index in range(2)]
    scores += [scored(index, 3.0, kind="a", generator="two") for index in range(2)]
    scores += [scored(index, 1.0, kind="b", generator="one") for index in range(2)]
    rows = rows_of(scores, means={"mean": ("a", "b"), "absent": ("a", "z")})
    assert rows["a", "", "", "cross"].auc == 0.5
    assert rows["a", "one", "", "cross"].auc == 1.0
    assert rows["a", "two", "", "cross"].auc == 0.0
    assert ("b", "one", "", "cross") not in rows
    assert rows["mean", "", "", "cross"].auc == 0.75
    assert ("absent", "", "", "cross") not in rows
    assert rows[ALL_FAKES, "", "", "cross"].fakes == 6
    assert rows[UNSEEN_FAKES, "", "", "cross"].fakes == 4


def test_draws_are_made_over_all_fakes() -> None:
    scores = [scored(index, 2.0) for index in range(4)]
    scores += [scored(index, 1.0, kind="a") for index in range(4)]
    rows = rows_of(scores, draws=(3, 2))
    drawn = rows[ALL_FAKES, "", "", "combined"].drawn
    assert drawn is not None
    assert (drawn.mean, drawn.draws) == (1.0, 1000)
    assert rows["a", "", "", "combined"].drawn is None
    assert rows_of(scores, draws=(5, 2))[ALL_FAKES, "", "", "combined"].drawn is None


def test_verdicts_are_counted_by_kind() -> None:
    unreadable = ClipScore(clip=scored(9, 1.0).clip, status=ClipStatus.UNREADABLE)
    [genuine, swap] = verdict_rows([scored(0, 1.0), scored(1, None), unreadable, scored(2, 1.0, kind="swap")])
    assert (genuine.clips, genuine.verdicts) == (2, {"genuine": 1, "insufficient": 1})
    assert (genuine.windows, genuine.alert_windows) == (20, 2)
    assert (swap.kind, swap.clips) == ("swap", 1)


def test_a_limit_draws_the_same_clips_of_every_kind() -> None:
    clips = [scored(index, 1.0, kind=kind).clip for kind in ("real", "swap") for index in range(30)]
    few = limited(clips, 5, seed=1)
    assert few == limited(clips, 5, seed=1)
    assert few != limited(clips, 5, seed=2)
    assert [clip.kind for clip in few] == ["real"] * 5 + ["swap"] * 5
    assert limited(clips, None, seed=1) == clips
    assert limited(clips, 99, seed=1) == clips


class Pipeline:
    """Measures by file name: fakes agree less, and a file may be broken or without evidence."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings: list[object] = []
        monkeypatch.setattr(command_module, "load_measure", self.load)

    def load(self, settings: object) -> Callable[[Path], Measurement]:
        self.settings.append(settings)
        return self.measure

    def measure(self, path: Path) -> Measurement:
        if path.stem == "w1":
            raise MediaError("It is broken.", fix="Repair it.")
        generator = np.random.default_rng(sum(path.name.encode()) + 1000 * len(path.name))
        cross = float(generator.normal()) - (1.0 if path.stem.startswith("f") else 0.0)
        if path.stem == "w2":
            return measurement(score=None, intra=None, cross=None, verdict="insufficient")
        profiles = generator.uniform(size=(6, LAGS)).astype(np.float32)
        trace = ClipTrace(identity=np.eye(5, dtype=np.float32), lag_profiles=profiles)
        return measurement(cross=cross, score=0.8 + cross, trace=trace)


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    return Pipeline(monkeypatch)


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_module, "write_plots", lambda scores, folder: [])


def run(*arguments: object) -> tuple[int, str, str]:
    given = [*map(str, arguments), "--workers", "1", "--resamples", "100"]
    result = CliRunner().invoke(command_module.evaluate, given, catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


def test_a_manifest_becomes_a_report(tmp_path: Path, pipeline: Pipeline) -> None:
    root = manifest_folder(tmp_path / "clips", 40)
    code, stdout, stderr = run("--dataset", "manifest", root, "--split", "all", "--out", tmp_path / "out")
    assert code == 3
    assert "1 clips could not be read" in stderr
    assert "face swap" in stdout
    report = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert report["settings"]["split"] == "all genuine clips"
    assert report["run"]["versions"]["numpy"] == np.__version__
    assert report["engines"] == {"visual": "v"}
    assert [entry["reason"] for entry in report["unreadable"]] == ["It is broken."]
    [row] = [
        row
        for row in report["rows"]
        if (row["kind"], row["condition"], row["channel"]) == ("face swap", "sentence", "combined")
    ]
    assert row["genuine"] == row["fakes"] == 40
    assert 0.6 < row["auc"] < 0.9
    assert row["auc_interval"][0] < row["auc"] < row["auc_interval"][1]
    text = (tmp_path / "out" / "evaluation.md").read_text()
    assert f"| face swap | sentence | combined | {100 * row['auc']:.1f} [" in text
    assert "untrusted synchrony" in text
    assert "w1.mp4" in text
    pictures = {path.name: path for path in (tmp_path / "out").glob("*.png")}
    assert {"roc_sentence_combined.png", "histogram_sentence_cross.png"} <= set(pictures)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures.values())


@pytest.mark.usefixtures("no_pictures")
def test_the_same_seed_gives_the_same_numbers(tmp_path: Path, pipeline: Pipeline) -> None:
    root = manifest_folder(tmp_path / "clips", 40)
    reports = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        code, stdout, _ = run(
            "--dataset", "manifest", root, "--at-most", 12, "--seed", seed, "--json", "--out", tmp_path / name
        )
        assert code in (0, 3)
        reports.append(json.loads(stdout))
        assert reports[-1] == json.loads((tmp_path / name / "evaluation.json").read_text())
    assert reports[0]["rows"] == reports[1]["rows"]
    assert reports[0]["rows"] != reports[2]["rows"]


@pytest.mark.usefixtures("no_pictures")
def test_two_sided_columns_come_with_a_reference(tmp_path: Path, pipeline: Pipeline) -> None:
    root = manifest_folder(tmp_path / "clips", 150)
    _, stdout, _ = run("--dataset", "manifest", root, "--json", "--out", tmp_path / "auto")
    report = json.loads(stdout)
    assert "validation split" in report["settings"]["two-sided reference"]
    assert {row["coverage"] for row in report["rows"] if row["channel"] == "two_sided"} == {1.0}

    run("--dataset", "manifest", root, "--split", "validation", "--json", "--out", tmp_path / "genuine")
    _, stdout, _ = run(
        "--dataset", "manifest", root, "--reference", tmp_path / "genuine", "--json", "--out", tmp_path / "by"
    )
    named = json.loads(stdout)
    assert named["rows"] == report["rows"]
    _, stdout, _ = run(
        "--dataset", "manifest", root, "--reference", tmp_path / "genuine", "--quality", "lq", "--json",
        "--out", tmp_path / "lq",
    )  # fmt: skip
    assert "another quality" in " ".join(json.loads(stdout)["notes"])


@pytest.mark.usefixtures("no_pictures")
def test_a_reference_of_other_engines_is_refused(tmp_path: Path, pipeline: Pipeline) -> None:
    root = manifest_folder(tmp_path / "clips")
    reference = tmp_path / "clips.json"
    reference.write_text(json.dumps({"engines": {"visual": "other"}, "settings": {}, "clips": []}))
    with pytest.raises(ConfigurationError, match="other engines"):
        run("--dataset", "manifest", root, "--reference", reference, "--out", tmp_path / "out")
    reference.write_text("{}")
    with pytest.raises(ConfigurationError, match="holds no scored clips"):
        run("--dataset", "manifest", root, "--reference", reference, "--out", tmp_path / "out")


@pytest.mark.usefixtures("no_pictures")
def test_fakeavceleb_has_its_mean_row(tmp_path: Path, pipeline: Pipeline) -> None:
    methods = [
        ("RealVideo-RealAudio", "real", "r"),
        ("FakeVideo-RealAudio", "wav2lip", "fa"),
        ("FakeVideo-FakeAudio", "faceswap-wav2lip", "fb"),
        ("FakeVideo-FakeAudio", "fsgan-wav2lip", "fc"),
        ("FakeVideo-FakeAudio", "wav2lip", "fd"),
    ]
    rows = [
        (f"id{index}", method, type_name, f"{prefix}{index}.mp4")
        for type_name, method, prefix in methods
        for index in range(6)
    ]
    root = fakeavceleb_folder(tmp_path / "data", rows)
    code, stdout, _ = run("--dataset", "fakeavceleb", root, "--json", "--out", tmp_path / "out")
    assert code == 0
    report = json.loads(stdout)
    combined = {row["kind"]: row["auc"] for row in report["rows"] if row["channel"] == "combined"}
    parts = [combined[kind] for kind in ("FVRA-WL", "FVFA-FS", "FVFA-GAN", "FVFA-WL")]
    assert combined["AVG-FV"] == pytest.approx(np.mean(parts), abs=2e-6)
    assert report["settings"]["two-sided reference"] == "none"
    assert "two_sided" not in {row["channel"] for row in report["rows"]}


@pytest.mark.usefixtures("no_pictures")
def test_options_reach_the_scorer(tmp_path: Path, pipeline: Pipeline) -> None:
    root = manifest_folder(tmp_path / "clips")
    run(
        "--dataset", "manifest", root, "--quality", "lq", "--trim", "--min-windows", 1, "--fresh",
        "--cache", tmp_path / "kept", "--checkpoint", tmp_path / "trained", "--out", tmp_path / "out",
    )  # fmt: skip
    [settings] = pipeline.settings
    assert (settings.quality, settings.trim, settings.fresh) == ("lq", True, True)
    assert settings.cache_folder == tmp_path / "kept"
    assert settings.checkpoint == tmp_path / "trained"
    assert settings.config.scoring.min_cross_windows == 1
    assert len(read_manifest(root / "manifest.csv")) == 38
