"""Cost and ranking of the programs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.peers.running import ClipScore
from bench.report.figure import Figure
from bench.report.table import Table
from training.data.clip import Clip
from training.evaluate.metrics import auc
from training.evaluate.resampling import bootstrap_by_speaker


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRun:
    """What one program made of the clips.

    Attributes:
        name: Of the program.
        unavailable: Why it did not run; None where it did.
        scores: One a clip, in order; fewer where it was interrupted or broke off.
    """

    name: str
    unavailable: str | None
    scores: Sequence[ClipScore]


def cost(run: PeerRun, clips: Sequence[Clip]) -> float | None:
    """Return processor seconds for a second of one participant's media; None where nothing was run."""
    done = [(score, clip.duration_s or 0.0) for score, clip in zip(run.scores, clips, strict=False)]
    counted = [(score.cpu_s, seconds) for score, seconds in done if score.error is None]
    total_s = sum(seconds for _, seconds in counted)
    return sum(cpu_s for cpu_s, _ in counted) / total_s if total_s > 0 else None


def ranking(run: PeerRun, clips: Sequence[Clip], common: set[str]) -> tuple[float | None, str]:
    """Return the AUC over clips that have a score, and its interval in words.

    Args:
        run: Of the program.
        clips: All clips.
        common: Names of the clips that count.
    """
    counted = [
        (clip, score.score)
        for clip, score in zip(clips, run.scores, strict=False)
        if score.score is not None and clip.name in common
    ]
    fake = [not clip.is_real for clip, _ in counted]
    evidence = [value for _, value in counted]
    if len(set(fake)) < 2:
        return None, "-"
    interval = bootstrap_by_speaker(fake, evidence, [clip.speaker for clip, _ in counted]).auc
    return auc(fake, evidence), "-" if interval is None else f"{interval[0]:.2f} to {interval[1]:.2f}"


def common_clips(runs: Sequence[PeerRun], clips: Sequence[Clip]) -> set[str]:
    """Return the clips that every program which ran gave a score."""
    common = {clip.name for clip in clips}
    for run in runs:
        if run.scores:
            common &= {
                clip.name for clip, score in zip(clips, run.scores, strict=False) if score.score is not None
            }
    return common


def table(runs: Sequence[PeerRun], clips: Sequence[Clip]) -> Table:
    """Return one row for each program that ran."""
    common = common_clips(runs, clips)
    every = {clip.name for clip in clips}
    rows: list[tuple[str | float | int, ...]] = []
    for run in runs:
        if not run.scores:
            continue
        spent = cost(run, clips)
        own_auc, own_interval = ranking(run, clips, every)
        common_auc, _ = ranking(run, clips, common)
        failed = sum(score.error is not None for score in run.scores)
        remarks = [f"{failed} clips failed"] if failed else []
        remarks += ["broke off"] if run.unavailable is not None else []
        rows.append(
            (
                run.name,
                "-" if spent is None else 1000.0 * spent,
                sum(score.score is not None for score in run.scores),
                "-" if own_auc is None else own_auc,
                own_interval,
                "-" if common_auc is None else common_auc,
                ", ".join(remarks),
            )
        )
    return Table(
        title="Programs on the same clips",
        columns=("program", "CPU ms a second", "scores", "AUC", "95 % by speaker", "AUC, common", "remark"),
        rows=tuple(rows),
        note=f"CPU: of one participant's media, decoding included. Common: the {len(common)} clips that all "
        "programs which ran gave a score.",
    )


def missing(runs: Sequence[PeerRun]) -> Table:
    """Return why programs did not run, or not to the end."""
    rows = tuple((run.name, run.unavailable) for run in runs if run.unavailable is not None)
    return Table(title="Not run", columns=("program", "why"), rows=rows)


def figures(runs: Mapping[str, PeerRun], clips: Sequence[Clip]) -> tuple[Figure, ...]:
    """Return the cost of every program that ran, and its AUC."""
    found: list[Figure] = []
    for run in runs.values():
        spent = cost(run, clips)
        if spent is None:
            continue
        found.append(
            Figure(name=f"{run.name}: CPU for a second", unit="ms", values=(1000.0 * spent,), better="lower")
        )
        area, _ = ranking(run, clips, {clip.name for clip in clips})
        if area is not None:
            found.append(Figure(name=f"{run.name}: AUC", unit="", values=(area,), better="higher"))
    return tuple(found)
