"""Calibrations that have not seen the speaker they judge, for material of few people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from bench.detection_windows import RecordedWindows, encoded_windows
from realtime.calibrating import PAUSE_WINDOWS, LagProfile, Person
from realtime.config import MonitorConfig
from realtime.decision.blocks import BlockRule
from realtime.decision.calibration import Calibration
from realtime.decision.fitting import fit
from realtime.judge import Judge
from realtime.types import Modality

Material = Mapping[tuple[str, str], Sequence[RecordedWindows]]


def cross_fitted(
    material: Material, config: MonitorConfig, folds: int, faces: Material
) -> dict[str, Calibration]:
    """Return for each speaker a calibration made from the speakers of the other folds.

    Args:
        material: Genuine recordings by speaker and encoding, in sync.
        config: Settings of the pipeline.
        folds: Parts that the speakers are dealt into, at least 2.
        faces: Genuine recordings of other people, who count for the face alone, in every fold.

    Raises:
        CalibrationError: If a calibration has too little material.
    """
    people = _people(material, config)
    speakers = sorted(people)
    only_faces = [
        [[each for each in clip if each.channel is Modality.INTRA] for clip in person.clips]
        for person in _people(faces, config).values()
    ]
    fitted = [
        fit(
            [
                *(people[each].clips for place, each in enumerate(speakers) if place % folds != fold),
                *only_faces,
            ],
            rule=BlockRule(),
            description=f"speakers of the other {folds - 1} of {folds} parts",
            engine_ids={},
            configuration_sha256="",
        )
        for fold in range(folds)
    ]
    return {each: fitted[place % folds] for place, each in enumerate(speakers)}


def _people(material: Material, config: MonitorConfig) -> dict[str, Person]:
    people: dict[str, Person] = defaultdict(lambda: Person(judge=Judge(config)))
    for (speaker, _), files in sorted(material.items(), key=lambda item: item[0]):
        for recorded in files:
            _observe(recorded, people[speaker], config)
    return people


def is_out_of_sync(recorded: RecordedWindows, config: MonitorConfig) -> bool:
    """Return whether a recording's sound is further off than the lag band reaches."""
    profile, judge = LagProfile(), Judge(config)
    for encoded in encoded_windows(recorded, config, 0):
        if any(each.channel is Modality.CROSS for each in judge.take(encoded).observations):
            profile.add(encoded)
    return profile.is_out_of_sync


def _observe(recorded: RecordedWindows, person: Person, config: MonitorConfig) -> None:
    windows = encoded_windows(recorded, config, person.next_index)
    person.clips.append([each for window in windows for each in person.judge.take(window).observations])
    person.next_index = windows[-1].window.index + 1 + PAUSE_WINDOWS
