"""Writes an evaluation as JSON, Markdown and pictures, and reads scored clips back."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realtime.errors import ConfigurationError
from training.evaluate.clips import ClipScore, ClipStatus, EvaluationClip
from training.evaluate.run_facts import RunFacts
from training.evaluate.tables import Row, VerdictRow

REPORT_NAME, MARKDOWN_NAME, CLIPS_NAME = "evaluation.json", "evaluation.md", "clips.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Everything that a report states.

    Attributes:
        facts: Command, machine and versions.
        settings: Data set, split, quality, trimming, seed and the like, by name.
        engines: Engine id by role.
        rows: Metrics.
        verdicts: What the shipped thresholds say.
        scores: The scored clips.
        notes: What was left out, in words.
    """

    facts: RunFacts
    settings: Mapping[str, str | int | bool]
    engines: Mapping[str, str]
    rows: Sequence[Row]
    verdicts: Sequence[VerdictRow]
    scores: Sequence[ClipScore]
    notes: Sequence[str]

    @property
    def unreadable(self) -> list[ClipScore]:
        """The clips that could not be read."""
        return [score for score in self.scores if score.status is ClipStatus.UNREADABLE]


def report_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return the report as plain values; metrics are fractions."""
    return {
        "run": dataclasses.asdict(evaluation.facts),
        "settings": dict(evaluation.settings),
        "engines": dict(evaluation.engines),
        "notes": list(evaluation.notes),
        "rows": [_rounded(dataclasses.asdict(row)) for row in evaluation.rows],
        "verdicts": [dataclasses.asdict(row) for row in evaluation.verdicts],
        "unreadable": [
            {"file": str(score.clip.path), "reason": "; ".join(score.reasons)}
            for score in evaluation.unreadable
        ],
    }


def write_clips(evaluation: Evaluation, path: Path) -> None:
    """Write every scored clip with its statistics, as ``read_reference`` takes them."""
    content = {
        "engines": dict(evaluation.engines),
        "settings": dict(evaluation.settings),
        "clips": [_clip_json(score) for score in evaluation.scores],
    }
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_reference(path: Path, engines: Mapping[str, str]) -> tuple[list[ClipScore], dict[str, Any]]:
    """Read the genuine clips of an earlier evaluation.

    Args:
        path: Its ``clips.json``, or the folder that holds it.
        engines: The engines in use; the earlier ones must be the same.

    Returns:
        The genuine clips, and the settings of that evaluation.

    Raises:
        ConfigurationError: The file is not such a file, or other engines made it.
    """
    file = path / CLIPS_NAME if path.is_dir() else path
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        scores = [_score_of(entry) for entry in content["clips"] if not entry["is_fake"]]
        made_by, settings = dict(content["engines"]), dict(content["settings"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{file} holds no scored clips.", fix=f"Name the {CLIPS_NAME} of an earlier evaluation."
        ) from error
    if made_by != dict(engines):
        raise ConfigurationError(
            f"The reference {file} was made by other engines.", fix="Evaluate the reference clips anew."
        )
    return scores, settings


def _clip_json(score: ClipScore) -> dict[str, Any]:
    clip = score.clip
    return {
        "file": str(clip.path),
        "is_fake": clip.is_fake,
        "kind": clip.kind,
        "generator": clip.generator,
        "speaker": clip.speaker,
        "condition": clip.condition,
        "trained_on_speaker": clip.trained_on_speaker,
        "status": str(score.status),
        "reasons": list(score.reasons),
        "verdict": score.verdict,
        "duration_s": score.duration_s,
        "intra": score.intra,
        "cross": score.cross,
        "score": score.score,
        "windows": score.windows,
        "alert_windows": score.alert_windows,
        "cross_windows": score.cross_windows,
        "statistics": dict(score.statistics),
        "pieces": {str(length): [dict(piece) for piece in pieces] for length, pieces in score.pieces.items()},
        "evidence": dict(score.evidence),
    }


def _score_of(entry: Mapping[str, Any]) -> ClipScore:
    return ClipScore(
        clip=EvaluationClip(
            path=Path(entry["file"]),
            is_fake=entry["is_fake"],
            kind=entry["kind"],
            generator=entry["generator"],
            speaker=entry["speaker"],
            condition=entry["condition"],
        ),
        status=ClipStatus(entry["status"]),
        cross_windows=int(entry["cross_windows"]),
        statistics=_numbers(entry["statistics"]),
        pieces={
            int(length): tuple(_numbers(piece) for piece in pieces)
            for length, pieces in entry["pieces"].items()
        },
    )


def _numbers(entry: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in entry.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
