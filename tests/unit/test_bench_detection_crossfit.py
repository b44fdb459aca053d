"""Calibrations for the bench that have not seen whom they judge."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("scipy", reason="needs the training extra")

from bench.detection import main
from bench.detection_crossfit import cross_fitted
from bench.detection_windows import RecordedWindows, _stack
from realtime.types import Modality
from tests.support.judged_calls import CONFIG, DIMENSION, Shown, call, face_of, shown_for

SPEAKERS = tuple("abcdefghijkl")


def recorded(number: int) -> list[RecordedWindows]:
    shown = Shown(face_of(number), agreement=0.32 + 0.002 * number)
    windows = (call(shown_for(30.0, shown), seed=10 * number + take) for take in range(3))
    return [_stack(each, DIMENSION, CONFIG) for each in windows]


def material(*names: str, first: int = 0) -> dict[tuple[str, str], list[RecordedWindows]]:
    return {(name, "clean"): recorded(first + number) for number, name in enumerate(names)}


def test_nobody_is_judged_by_own_material() -> None:
    fitted = cross_fitted(material(*SPEAKERS), CONFIG, 2, {})
    assert set(fitted) == set(SPEAKERS)
    assert {fitted[name].material.speakers for name in SPEAKERS} == {len(SPEAKERS) // 2}
    assert fitted["a"] is fitted["c"]
    assert fitted["a"] is not fitted["b"]


def test_faces_count_in_every_fold_and_for_the_face_alone() -> None:
    without = cross_fitted(material(*SPEAKERS), CONFIG, 2, {})
    more = cross_fitted(material(*SPEAKERS), CONFIG, 2, material("x", "y", first=20))
    for name in SPEAKERS:
        assert more[name].channels[Modality.CROSS] == without[name].channels[Modality.CROSS]
        people = [
            max(len(reference.speakers) for reference in each[name].channels[Modality.INTRA].strata.values())
            for each in (without, more)
        ]
        assert people == [len(SPEAKERS) // 2, len(SPEAKERS) // 2 + 2]


def test_faces_without_cross_fitting_are_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, [str(tmp_path), "--faces", str(tmp_path)])
    assert result.exit_code == 2
    assert "--faces is for --cross-fit" in result.output
