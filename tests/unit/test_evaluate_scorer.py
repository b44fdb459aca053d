from __future__ import annotations

import pickle
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import training.evaluate.scorer as scorer_module
from engines.errors import ModelStoreError, SeamwatchError
from realtime.config import MonitorConfig, WindowConfig
from realtime.decision.calibration import Calibration
from realtime.encoders.suite import EncoderSuite
from realtime.errors import MediaError
from realtime.similarity.cross_similarity import CrossSimilarity
from realtime.timebase import NS_PER_S
from realtime.types import Alert, AlertState, SimilarityMatrix, Verdict
from tests.support.evidence import embedding, lag_embeddings, window
from tests.support.scan_results import exchanged
from training.evaluate.clip_statistics import ClipTrace
from training.evaluate.clips import ClipStatus, EvaluationClip
from training.evaluate.measurement import Measurement, MeasurementCache
from training.evaluate.recording import LagRecorder
from training.evaluate.runner import score_clips
from training.evaluate.scorer import FileScorer, ScorerSettings, score_clip, with_minimum_windows

WINDOWS = WindowConfig()
LAGS = 2 * WINDOWS.band_ticks + 1


class Encoder:
    """Hands out prepared embeddings by window index."""

    def __init__(self, by_index: dict) -> None:
        self.id = "prepared"
        self.by_index = by_index

    def encode(self, wanted):
        return self.by_index.get(wanted.index)


class Engine:
    class spec:
        id = "engine-1"


class Engines:
    detector = identity = landmarks = vad = Engine


def suite(visual: Encoder | None = None, audio: Encoder | None = None) -> EncoderSuite:
    identity = Encoder({})
    return EncoderSuite(
        engines=Engines(), identity=identity, visual=visual or Encoder({}), audio=audio or Encoder({})
    )


def clip(path: Path, *, fake: bool = False) -> EvaluationClip:
    return EvaluationClip(path=path, is_fake=fake, kind="k", generator="g", speaker="s")


def measurement(**changes) -> Measurement:
    made = Measurement(
        duration_s=3.0,
        verdict="genuine",
        reasons=(),
        intra=0.8,
        cross=0.4,
        score=1.2,
        lowest_margin=0.5,
        windows=6,
        alert_windows=0,
        engines={"visual": "v"},
        trace=ClipTrace(
            identity=np.full((3, 3), 0.9, np.float32), lag_profiles=np.eye(6, LAGS, dtype=np.float32)
        ),
    )
    return replace(made, **changes)


def test_the_recorder_sees_what_the_scorer_counts() -> None:
    generator = np.random.default_rng(0)
    lips, voices, windows = {}, {}, []
    cross = CrossSimilarity(64, 8, WINDOWS.band_ticks)
    for index in range(20):
        lips[index] = None if index == 3 else embedding(index, generator.normal(size=8))
        valid = np.ones(LAGS, np.bool_)
        valid[-2:] = index < 15
        voices[index] = None if index == 5 else lag_embeddings(index, generator.normal(size=(LAGS, 8)), valid)
        speech = 0.1 if index % 4 == 0 else 1.0
        windows.append(window(index, WINDOWS, speech=speech))
        if lips[index] is not None and voices[index] is not None and speech == 1.0:
            cross.update(lips[index], voices[index])
    recorder = LagRecorder(suite(Encoder(lips), Encoder(voices)), MonitorConfig())
    assert recorder.lag_profiles.shape == (0, LAGS)
    for each in windows:
        assert recorder.encoders.visual.encode(each) is lips[each.index]
        assert recorder.encoders.audio.encode(each) is voices[each.index]
    profiles = recorder.lag_profiles
    assert len(profiles) == cross.count == 13
    assert np.nanmean(profiles, axis=0) == pytest.approx(cross.lag_profile(), abs=1e-6)
    assert (np.isfinite(profiles).sum(axis=0) == cross.lag_counts).all()
    assert recorder.encoders.ids == suite(Encoder(lips), Encoder(voices)).ids


class Scans:
    """Stands in for scan_file and counts its calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paths: list[Path] = []
        self.result = exchanged()
        monkeypatch.setattr(scorer_module, "scan_file", self)

    def __call__(
        self,
        path: Path,
        encoders: EncoderSuite,
        config: MonitorConfig,
        *,
        calibration: Calibration | None,
    ):
        self.paths.append(path)
        if path.read_bytes() == b"broken":
            raise MediaError(f"{path} cannot be read.", fix="Check it.")
        return self.result


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> Scans:
    return Scans(monkeypatch)


def settings(tmp_path: Path, **changes) -> ScorerSettings:
    return replace(ScorerSettings(config=MonitorConfig(), cache_folder=tmp_path / "cache"), **changes)


def test_a_file_is_scanned_once_whatever_its_name(tmp_path: Path, scans: Scans) -> None:
    first, copy, other = (tmp_path / name for name in ("a.mp4", "b.mp4", "c.mp4"))
    first.write_bytes(b"one")
    copy.write_bytes(b"one")
    other.write_bytes(b"two")
    measured = FileScorer(suite(), settings(tmp_path)).measure(first)
    resumed = FileScorer(suite(), settings(tmp_path))
    again = resumed.measure(copy)
    assert scans.paths == [first]
    assert again.score == measured.score == pytest.approx(0.512345)
    assert again.reasons == ("identity_changed",)
    assert np.array_equal(again.trace.identity, scans.result.intra_matrix.values)
    resumed.measure(other)
    assert scans.paths == [first, other]


@pytest.mark.parametrize(
    "change",
    [
        {"config": with_minimum_windows(MonitorConfig(), 1)},
        {"fresh": True},
    ],
)
def test_other_settings_are_other_measurements(tmp_path: Path, scans: Scans, change: dict) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"one")
    FileScorer(suite(), settings(tmp_path)).measure(path)
    FileScorer(suite(), settings(tmp_path, **change)).measure(path)
    assert len(scans.paths) == 2


def test_other_engines_are_other_measurements(tmp_path: Path, scans: Scans) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"one")
    FileScorer(suite(), settings(tmp_path)).measure(path)
    trained = Encoder({})
    trained.id = "trained"
    FileScorer(suite(audio=trained), settings(tmp_path)).measure(path)
    assert len(scans.paths) == 2


def test_the_re_encoded_clip_is_what_is_scanned(
    tmp_path: Path, scans: Scans, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[str, int]] = []

    def make(source: Path, target: Path, quality: str, start_ns: int) -> None:
        made.append((quality, start_ns))
        target.write_bytes(source.read_bytes())

    monkeypatch.setattr(scorer_module, "make_variant", make)
    monkeypatch.setattr(scorer_module, "speech_onset_ns", lambda path, detector: 240_000_000)
    path = tmp_path / "a.mp4"
    path.write_bytes(b"one")
    for change in ({"quality": "lq"}, {"quality": "lq"}, {"trim": True}, {"trim": True, "quality": "hq"}):
        FileScorer(suite(), settings(tmp_path, **change)).measure(path)
    assert made == [("lq", 0), ("as-is", 240_000_000), ("hq", 240_000_000)]
    assert len(set(scans.paths)) == len(scans.paths) == 3
    assert path not in scans.paths


def test_without_leading_silence_the_clip_itself_is_scanned(
    tmp_path: Path, scans: Scans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scorer_module, "speech_onset_ns", lambda path, detector: None)
    path = tmp_path / "a.mp4"
    path.write_bytes(b"one")
    FileScorer(suite(), settings(tmp_path, trim=True)).measure(path)
    assert scans.paths == [path]


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 half a file", b"no archive"])
def test_a_damaged_entry_counts_as_absent(tmp_path: Path, scans: Scans, damage: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"one")
    FileScorer(suite(), settings(tmp_path)).measure(path)
    [entry] = (tmp_path / "cache" / "measurements").iterdir()
    entry.write_bytes(damage)
    FileScorer(suite(), settings(tmp_path)).measure(path)
    assert len(scans.paths) == 2
    assert MeasurementCache(entry.parent).load(entry.stem) is not None


def test_windows_in_alert_are_counted(tmp_path: Path, scans: Scans) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"one")
    scans.result = exchanged()
    ends_s = [score.time_ns / NS_PER_S for score in scans.result.timeline]
    lifted = Alert(
        time_ns=8 * NS_PER_S, previous=AlertState.ALERT, state=AlertState.CLEAR, margin=0.9, reasons=()
    )
    scans.result = exchanged(alerts=(*scans.result.alerts, lifted))
    measured = FileScorer(suite(), settings(tmp_path)).measure(path)
    assert measured.windows == 20
    assert measured.alert_windows == sum(7 <= end < 8 for end in ends_s) > 0


def test_a_clip_keeps_its_label_beside_its_score(tmp_path: Path) -> None:
    score = score_clip(clip(tmp_path / "a.mp4", fake=True), lambda path: measurement())
    assert score.status is ClipStatus.SCORED
    assert [score.evidence_of(name) for name in ("intra", "cross", "combined", "live", "unknown")] == [
        -0.8,
        -0.4,
        -1.2,
        -0.5,
        None,
    ]
    assert score.cross_windows == 6
    assert score.statistics["identity_low"] == pytest.approx(0.9)


def test_insufficient_and_unreadable_clips_have_no_evidence(tmp_path: Path) -> None:
    poor = measurement(
        score=None, intra=None, cross=None, lowest_margin=None, verdict=str(Verdict.INSUFFICIENT)
    )
    score = score_clip(clip(tmp_path / "a.mp4"), lambda path: poor)
    assert score.status is ClipStatus.INSUFFICIENT
    assert score.evidence_of("combined") is None
    assert score.evidence_of("live") is None

    def fail(path: Path) -> Measurement:
        raise MediaError("It is broken.", fix="Repair it.")

    score = score_clip(clip(tmp_path / "a.mp4"), fail)
    assert (score.status, score.reasons) == (ClipStatus.UNREADABLE, ("It is broken.",))
    assert score.evidence_of("combined") is None


def test_a_missing_file_is_unreadable(tmp_path: Path, scans: Scans) -> None:
    with pytest.raises(MediaError, match=r"gone\.mp4"):
        FileScorer(suite(), settings(tmp_path)).measure(tmp_path / "gone.mp4")


def test_an_unreadable_file_is_not_kept(tmp_path: Path, scans: Scans) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"broken")
    for _ in range(2):
        with pytest.raises(MediaError):
            FileScorer(suite(), settings(tmp_path)).measure(path)
    assert len(scans.paths) == 2


def test_the_shipped_configuration_stays_unless_asked() -> None:
    config = MonitorConfig()
    assert with_minimum_windows(config, None) is config
    scoring = with_minimum_windows(config, 1).scoring
    assert (scoring.min_intra_windows, scoring.min_cross_windows) == (1, 1)
    shipped = config.scoring
    assert shipped == replace(
        scoring,
        min_intra_windows=shipped.min_intra_windows,
        min_cross_windows=shipped.min_cross_windows,
    )


def measure_by_name(path: Path) -> Measurement:
    if "fault" in path.name:
        raise ModelStoreError("A model is gone.", fix="Pull it.")
    if "broken" in path.name:
        raise MediaError("It is broken.", fix="Repair it.")
    return measurement(score=float(path.stem))


def make_measure_by_name():
    return measure_by_name


def make_nothing():
    raise ModelStoreError("No model.", fix="Pull it.")


@pytest.mark.parametrize("workers", [1, 2])
def test_scores_come_in_the_order_of_the_clips(workers: int) -> None:
    names = [f"{index}.mp4" for index in range(9)]
    names[4] = "broken.mp4"
    seen: list[str] = []
    scores = score_clips(
        [clip(Path(name)) for name in names],
        make_measure_by_name,
        workers=workers,
        on_done=lambda score: seen.append(score.clip.path.name),
    )
    assert [score.clip.path.name for score in scores] == names
    assert sorted(seen) == sorted(names)
    assert scores[4].status is ClipStatus.UNREADABLE
    assert [score.score for score in scores if score.score is not None] == [0, 1, 2, 3, 5, 6, 7, 8]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("make", "message"), [(make_nothing, "No model"), (make_measure_by_name, "A model is gone")]
)
def test_a_fault_stops_the_evaluation_with_its_message(workers: int, make, message: str) -> None:
    with pytest.raises(SeamwatchError, match=message) as raised:
        score_clips([clip(Path("fault.mp4"))], make, workers=workers)
    assert raised.value.fix == "Pull it."


def test_load_measure_is_sent_to_workers(tmp_path: Path) -> None:
    sent = pickle.loads(pickle.dumps(partial(scorer_module.load_measure, settings(tmp_path))))
    assert sent.args[0] == settings(tmp_path)


def test_a_long_trace_is_cut_to_its_newest_windows(tmp_path: Path, scans: Scans) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"one")
    values = np.arange(600 * 600, dtype=np.float32).reshape(600, 600)
    scans.result = exchanged(intra_matrix=SimilarityMatrix(values=values, spans=(), worst=None))
    measured = FileScorer(suite(), settings(tmp_path)).measure(path)
    assert np.array_equal(measured.trace.identity, values[-512:, -512:])
