"""The page and the picture of the detection bench."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import chi2

from bench.detection_calls import GIVE_UP_S, Detection, GenuineRun

RESAMPLES = 2000


def rate_interval(alarms: int, hours: float) -> tuple[float, float]:
    """Return the exact 95 % interval of a Poisson rate per hour, as if alarms were independent."""
    low = 0.0 if alarms == 0 else float(chi2.ppf(0.025, 2 * alarms)) / 2
    return low / hours, float(chi2.ppf(0.975, 2 * alarms + 2)) / 2 / hours


def rate_interval_by_speaker(runs: Sequence[GenuineRun], seed: int) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the rate per hour over speakers."""
    by_speaker: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for run in runs:
        by_speaker[run.speaker][0] += len(run.alerts)
        by_speaker[run.speaker][1] += run.hours
    table = np.array(list(by_speaker.values()))
    draws = np.random.default_rng(seed).integers(0, len(table), (RESAMPLES, len(table)))
    sums = table[draws].sum(axis=1)
    low, high = np.percentile(sums[:, 0] / sums[:, 1], [2.5, 97.5])
    return float(low), float(high)


def false_alarm_rows(runs: Sequence[GenuineRun], seed: int) -> list[dict[str, Any]]:
    """Return one row for all calls and one an encoding."""
    rows = []
    for encoding in ("all", *dict.fromkeys(run.encoding for run in runs)):
        chosen = [run for run in runs if encoding in ("all", run.encoding)]
        hours, alarms = sum(run.hours for run in chosen), sum(len(run.alerts) for run in chosen)
        rows.append(
            {
                "encoding": encoding,
                "hours": round(hours, 2),
                "alarms": alarms,
                "speakers_with_alarms": len({run.speaker for run in chosen if run.alerts}),
                "per_hour": alarms / hours,
                "interval_poisson": rate_interval(alarms, hours),
                "interval_by_speaker": rate_interval_by_speaker(chosen, seed),
                "suspicions": sum(run.suspicions for run in chosen),
            }
        )
    return rows


def detection_rows(found: Sequence[Detection]) -> list[dict[str, Any]]:
    """Return one row for each kind, encoding and way to begin; missed ones count as infinitely late."""
    groups: dict[tuple[str, str, bool], list[Detection]] = defaultdict(list)
    for one in found:
        groups[one.kind, one.encoding, one.from_start].append(one)
    rows = []
    for (kind, encoding, from_start), members in sorted(groups.items()):
        seconds = np.array([np.inf if one.seconds is None else one.seconds for one in members])
        rows.append(
            {
                "kind": kind,
                "encoding": encoding,
                "begins": "with the call" if from_start else "in mid-call",
                "fakes": len(members),
                "median_s": _quantile(seconds, 0.5),
                "p90_s": _quantile(seconds, 0.9),
                "within_5_s": float(np.mean(seconds <= 5)),
                "within_12_s": float(np.mean(seconds <= 12)),
                "within_60_s": float(np.mean(seconds <= GIVE_UP_S)),
                "false_before": sum(one.early for one in members),
            }
        )
    return rows


def markdown(result: dict[str, Any]) -> str:
    """Return the page."""
    machine, promise = result["machine"], result["false_alarms_per_hour"]
    lines = [
        "# Detection: false alarms and time to alert",
        "",
        f"`{result['command']}`, {result['date']}.",
        f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}; virtual time.",
        "",
        f"Promised: {promise:.4g} false alarms per participant-hour (1 in {1 / promise:.3g} hours).",
        result["support"],
        f"Genuine material: {result['distinct_minutes']:.1f} distinct minutes of {result['speakers']} "
        f"speakers, in {result['encodings']} encodings, repeated in random order with pauses; intervals are "
        "wider than they look where one speaker's few clips come again and again.",
        "",
        "| encoding | hours | false alarms | speakers | per hour | 95 %, independent | 95 %, by speaker | "
        "suspicions |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in result["false_alarms"]:
        cells = [row["encoding"], row["hours"], row["alarms"], row["speakers_with_alarms"]]
        cells += [f"{row['per_hour']:.3f}", _interval(row["interval_poisson"])]
        cells += [_interval(row["interval_by_speaker"]), row["suspicions"]]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines += [
        "",
        "Time from the first tampered sample to the alert, pauses included; missed ones are infinitely late.",
        "",
        "| kind | encoding | begins | fakes | median | 90 % | in 5 s | in 12 s | in 60 s | alarm before |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in result["detection"]:
        cells = [row["kind"], row["encoding"], row["begins"], row["fakes"]]
        cells += [_seconds(row["median_s"]), _seconds(row["p90_s"])]
        cells += [f"{100 * row[name]:.0f} %" for name in ("within_5_s", "within_12_s", "within_60_s")]
        lines.append("| " + " | ".join(map(str, [*cells, row["false_before"]])) + " |")
    return "\n".join([*lines, ""])


def draw(found: Sequence[Detection], path: Path) -> None:
    """Write the share of fakes found over time, one panel a way to begin."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra

    figure = Figure(figsize=(10, 4.5), layout="constrained")
    for place, from_start in enumerate((False, True), start=1):
        axes = figure.add_subplot(1, 2, place)
        members = [one for one in found if one.from_start is from_start]
        for kind, encoding in dict.fromkeys((one.kind, one.encoding) for one in members):
            chosen = [one for one in members if (one.kind, one.encoding) == (kind, encoding)]
            seconds = np.sort([np.inf if one.seconds is None else one.seconds for one in chosen])
            share = np.arange(1, len(seconds) + 1) / len(seconds)
            style = "-" if encoding == "clean" else ":"
            axes.step(seconds, share, style, where="post", label=f"{kind}, {encoding} ({len(chosen)})")
        axes.set_xlim(0, 30)
        axes.set_ylim(0, 1)
        axes.grid(alpha=0.3)
        axes.set_xlabel("seconds after the tampering began")
        axes.set_title("from the call's start" if from_start else "in mid-call")
        axes.legend(fontsize=6)
    figure.axes[0].set_ylabel("share of fakes in alert")
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _quantile(seconds: np.ndarray[tuple[int], np.dtype[np.float64]], share: float) -> float | None:
    value = float(np.quantile(seconds, share, method="higher"))
    return None if np.isinf(value) else value


def _seconds(value: float | None) -> str:
    return "missed" if value is None else f"{value:.1f} s"


def _interval(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.3f} to {interval[1]:.3f}"
