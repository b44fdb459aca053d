"""References with the real detector and identity engine, on drawn people."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from clients.cli.main import main
from realtime.config import MonitorConfig
from realtime.encoders.suite import EncoderSuite, build_encoders
from realtime.errors import MediaError
from realtime.identity.reference import NOT_THE_REFERENCE
from realtime.identity.references import embedded_reference
from realtime.ingest.file import read_media
from realtime.ingest.sink import PendingPicture
from realtime.scan import ScanResult, scan_file
from realtime.types import Verdict
from tests.support.synthetic_clips import CHANGE_AT_S

CONFIG = MonitorConfig()


@pytest.fixture(scope="module")
def encoders(engine_set) -> EncoderSuite:
    return build_encoders(engine_set, CONFIG, None)


@pytest.fixture(scope="module")
def first_person(exchanged_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo of whom the exchanged clip shows before the exchange."""
    path = tmp_path_factory.mktemp("reference") / "first.png"
    with read_media(exchanged_clip) as media:
        picture = next(item for item in media if isinstance(item, PendingPicture) and item.tick == 25)
        assert cv2.imwrite(str(path), cv2.cvtColor(picture.convert(), cv2.COLOR_RGB2BGR))
    return path


def scanned(path: Path, reference: Path | None, encoders: EncoderSuite) -> ScanResult:
    known = None if reference is None else embedded_reference(reference, encoders, CONFIG.faces)
    return scan_file(path, encoders, CONFIG, reference=known)


def test_the_exchanged_face_is_not_that_of_the_reference(exchanged_clip, first_person, encoders):
    result = scanned(exchanged_clip, first_person, encoders)
    before = [one.reference for one in result.timeline if one.time_ns < CHANGE_AT_S * 1e9]
    after = [one.reference for one in result.timeline if one.time_ns > (CHANGE_AT_S + 1.2) * 1e9]
    assert min(before) > CONFIG.reference.genuine
    assert max(after) < CONFIG.reference.alert
    reasons = {reason for alert in result.alerts for reason in alert.reasons}
    assert NOT_THE_REFERENCE in reasons
    assert result.verdict is Verdict.FAKE


def test_a_clip_is_the_reference_of_itself(genuine_clip, encoders):
    with_reference, without = (
        scanned(genuine_clip, reference, encoders) for reference in (genuine_clip, None)
    )
    known = [one.reference for one in with_reference.timeline if one.reference is not None]
    assert min(known) > CONFIG.reference.genuine
    assert with_reference.verdict is without.verdict
    assert with_reference.alerts == without.alerts == ()


def test_a_clip_whose_face_is_exchanged_is_no_reference(exchanged_clip, encoders):
    with pytest.raises(MediaError, match="several faces"):
        embedded_reference(exchanged_clip, encoders, CONFIG.faces)


def test_an_empty_room_is_no_reference(tmp_path, encoders):
    path = tmp_path / "room.jpg"
    cv2.imwrite(str(path), np.full((480, 640, 3), 120, np.uint8))
    with pytest.raises(MediaError, match="no face"):
        embedded_reference(path, encoders, CONFIG.faces)


def test_scan_says_at_the_start_that_a_reference_is_unfit(genuine_clip, tmp_path, model_store):
    path = tmp_path / "room.png"
    cv2.imwrite(str(path), np.full((480, 640, 3), 120, np.uint8))
    result = CliRunner().invoke(main, ["scan", "--json", "--reference", str(path), str(genuine_clip)])
    assert result.exit_code == 3
    assert result.stdout == ""
    assert "shows no face" in result.stderr
    assert "fix:" in result.stderr


def test_scan_tells_in_json_that_it_is_another_person(exchanged_clip, first_person, model_store):
    result = CliRunner().invoke(
        main, ["scan", "--json", "--reference", str(first_person), str(exchanged_clip)]
    )
    assert result.exit_code == 0, result.output
    assert NOT_THE_REFERENCE in json.dumps(json.loads(result.stdout))


def test_the_reference_is_not_in_the_evidence(exchanged_clip, first_person, encoders, tmp_path, model_store):
    folder = tmp_path / "evidence"
    result = CliRunner().invoke(
        main,
        ["scan", "--reference", str(first_person), "--keep-evidence", str(folder), str(exchanged_clip)],
    )
    assert result.exit_code == 0, result.output
    looks = embedded_reference(first_person, encoders, CONFIG.faces).looks
    stored = [path for path in folder.rglob("*") if path.is_file()]
    assert [path for path in stored if path.suffix == ".npz"]
    for path in stored:
        assert looks[0].tobytes() not in path.read_bytes()
        if path.suffix == ".npz":
            with np.load(path) as arrays:
                assert np.max(arrays["identity"] @ looks.T) < 1 - 1e-4
