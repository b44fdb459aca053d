"""How often is a genuine participant accused, and how fast is a fake found? Long calls in virtual time.

    python -m bench.tamper_benchmark ../shared/clips --split test --kind genuine --kind voice_swapped \
        --kind lips_retimed --kind face_swapped --out tamper-test
    python -m bench.detection tamper-test --out bench/results

Files of tamper benchmarks go once through the live pipeline as far as the encoders (kept in ``--cache``).
Calls are then joined from their windows, speaker by speaker, and judged by the code that judges live calls.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bench.detection_calls import Detection, GenuineRun, detect, run_genuine
from bench.detection_crossfit import cross_fitted, is_out_of_sync
from bench.detection_report import detection_rows, draw, false_alarm_rows, markdown
from bench.detection_windows import RecordedWindows, WindowLibrary
from bench.machine import command_line, describe_machine
from realtime.config import MonitorConfig
from realtime.decision.calibration import Calibration
from realtime.decisions import DecisionChoice, Decisions
from realtime.encoders.suite import load_encoders
from realtime.errors import SeamwatchError
from realtime.interrupt import sigterm_as_interrupt
from realtime.judge import Judge
from realtime.timebase import FRAME_RATE_HZ
from training.evaluate.clips import EvaluationClip
from training.evaluate.datasets import tamper

#: What long calls are joined from: single words are too short to stand alone.
GROUPS = ("sentence", "call of words")
#: Genuine seconds before a tampering in mid-call.
PREFIX_S = (20.0, 60.0)

Material = dict[tuple[str, str], list[RecordedWindows]]


@click.command()
@click.argument(
    "folders", type=click.Path(exists=True, file_okay=False, path_type=Path), nargs=-1, required=True
)
@click.option(
    "--hours", type=click.FloatRange(min=0.01), default=10.0, show_default=True, help="Genuine, virtual."
)
@click.option("--call-minutes", type=click.FloatRange(min=0.5), default=20.0, show_default=True)
@click.option(
    "--false-alarms-per-hour", "rate", type=click.FloatRange(min=1e-6), help="By default the shipped one."
)
@click.option(
    "--calibration", type=click.Path(dir_okay=False, path_type=Path), help="By default the shipped one."
)
@click.option(
    "--cross-fit",
    "folds",
    type=click.IntRange(2),
    help="Judge each speaker by the genuine material of the other parts of so many, in sync; no calibration.",
)
@click.option(
    "--faces",
    "face_folders",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    multiple=True,
    help="With --cross-fit: genuine files of other people, whose faces count in every calibration.",
)
@click.option("--at-most", type=click.IntRange(1), help="Files of each kind and encoding; by default all.")
@click.option("--seed", type=int, default=20261123, show_default=True)
@click.option("--cache", type=click.Path(file_okay=False, path_type=Path), help="Keeps the encoded windows.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for JSON, Markdown and PNG."
)
@click.option("--name", default="detection", show_default=True, help="Of the files in the folder.")
def main(
    *,
    folders: tuple[Path, ...],
    hours: float,
    call_minutes: float,
    rate: float | None,
    calibration: Path | None,
    folds: int | None,
    face_folders: tuple[Path, ...],
    at_most: int | None,
    seed: int,
    cache: Path | None,
    out: Path | None,
    name: str,
) -> None:
    """Measure false alarms per participant-hour and the time to alert."""
    if face_folders and folds is None:
        raise click.UsageError("--faces is for --cross-fit; a calibration given brings its own faces.")
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        clips = [clip for folder in folders for clip in tamper(folder).clips if _group(clip) in GROUPS]
        with (
            sigterm_as_interrupt(),
            tempfile.TemporaryDirectory(prefix="seamwatch-detection-") as scratch,
            Progress(*columns, console=console) as progress,
        ):
            choice = DecisionChoice(calibration=calibration, false_alarms_per_hour=rate)
            config = choice.configured(MonitorConfig())
            encoders = load_encoders(config)
            decisions = choice.loaded(encoders.ids, config)
            library = WindowLibrary(encoders, config, cache or Path(scratch))
            material: Material = defaultdict(list)
            fakes: list[tuple[EvaluationClip, RecordedWindows]] = []
            for clip in progress.track(_chosen(clips, at_most), description="Encoding"):
                windows = library.windows(clip.path)
                if not len(windows):
                    continue
                if clip.is_fake:
                    fakes.append((clip, windows))
                else:
                    material[clip.speaker, _encoding(clip)].append(windows)

            held_out: dict[str, Calibration] = {}
            if folds is not None:
                material = _in_sync(material, config)
                faces: Material = defaultdict(list)
                for clip in progress.track(_genuine(face_folders), description="Encoding faces"):
                    if len(windows := library.windows(clip.path)):
                        faces[clip.speaker, _encoding(clip)].append(windows)
                held_out = cross_fitted(material, config, folds, faces)

            def new_judge(speaker: str) -> Judge:
                return Judge(config, calibration=held_out.get(speaker, decisions.calibration))

            rng = np.random.default_rng(seed)
            runs = [
                run_genuine(
                    speaker,
                    encoding,
                    files,
                    config=config,
                    new_judge=partial(new_judge, speaker),
                    seconds=3600 * hours / len(material),
                    call_seconds=60 * call_minutes,
                    draw=rng,
                )
                for (speaker, encoding), files in progress.track(
                    material.items(), description="Genuine calls"
                )
            ]
            found = [
                detect(
                    material[clip.speaker, _encoding(clip)],
                    windows,
                    speaker=clip.speaker,
                    kind=clip.kind,
                    encoding=_encoding(clip),
                    config=config,
                    new_judge=partial(new_judge, clip.speaker),
                    genuine_seconds=genuine_seconds,
                    draw=rng,
                )
                for clip, windows in progress.track(fakes, description="Fakes")
                if material.get((clip.speaker, _encoding(clip)))
                for genuine_seconds in (0.0, float(rng.uniform(*PREFIX_S)))
            ]
    except SeamwatchError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        console.print("stopped; nothing was written")
        sys.exit(130)
    result = _result(runs, found, material, seed=seed)
    result |= {
        "false_alarms_per_hour": config.decision.false_alarms_per_hour,
        "support": _support(decisions, folds),
    }
    page = markdown(result)
    click.echo(page)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
        (out / f"{name}.md").write_text(page)
        draw(found, out / f"{name}.png")


def _result(
    runs: Sequence[GenuineRun], found: Sequence[Detection], material: Material, *, seed: int
) -> dict[str, Any]:
    longest: dict[str, int] = defaultdict(int)
    for (speaker, _), files in material.items():
        longest[speaker] = max(longest[speaker], sum(len(file) for file in files))
    hop_s = MonitorConfig().windows.hop_ticks / FRAME_RATE_HZ
    return {
        "command": command_line("bench.detection"),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": describe_machine(),
        "distinct_minutes": sum(longest.values()) * hop_s / 60,
        "speakers": len(longest),
        "encodings": len({encoding for _, encoding in material}),
        "false_alarms": false_alarm_rows(runs, seed),
        "detection": detection_rows(found),
        "alarms": [
            {"speaker": run.speaker, "encoding": run.encoding, "after_s": time_s, "reasons": list(reasons)}
            for run in runs
            for time_s, reasons in run.alerts
        ],
    }


def _support(decisions: Decisions, folds: int | None) -> str:
    if folds is not None:
        return f"Each speaker is judged by the genuine material of the others, {folds - 1} of {folds} parts."
    known = decisions.support("")
    return "There is no calibration for these engines." if known is None else known.statement


def _in_sync(material: Material, config: MonitorConfig) -> Material:
    kept = {
        key: [each for each in files if not is_out_of_sync(each, config)] for key, files in material.items()
    }
    return {key: files for key, files in kept.items() if files}


def _genuine(folders: Iterable[Path]) -> list[EvaluationClip]:
    clips = (clip for folder in folders for clip in tamper(folder).clips)
    return [clip for clip in clips if not clip.is_fake and _group(clip) in GROUPS]


def _chosen(clips: Iterable[EvaluationClip], at_most: int | None) -> list[EvaluationClip]:
    """Return the genuine files and the first fakes of each kind and encoding, whole files only."""
    taken: dict[tuple[str, str], int] = defaultdict(int)
    chosen = []
    for clip in clips:
        if clip.is_fake:
            key = clip.kind, clip.condition
            taken[key] += 1
            if "mid-clip" in clip.kind or (at_most is not None and taken[key] > at_most):
                continue
        chosen.append(clip)
    return chosen


def _group(clip: EvaluationClip) -> str:
    return clip.condition.rpartition(", ")[0]


def _encoding(clip: EvaluationClip) -> str:
    return clip.condition.rpartition(", ")[2]


if __name__ == "__main__":
    main()
