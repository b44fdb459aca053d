"""Long calls in virtual time, joined from the recorded windows of one speaker, and what the judge says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bench.detection_windows import RecordedWindows, encoded_windows
from realtime.config import MonitorConfig
from realtime.judge import EncodedWindow, Judge
from realtime.timebase import FRAME_RATE_HZ, NS_PER_S
from realtime.types import AlertState

#: Between two files the participant is away: long enough that no window holds media of both.
PAUSE_S = (1.2, 3.0)
#: A fake that is not found for so long counts as missed.
GIVE_UP_S = 60.0

Draw = np.random.Generator
NewJudge = Callable[[], Judge]


@dataclass(frozen=True, slots=True, kw_only=True)
class GenuineRun:
    """What came of some hours of genuine calls of one speaker in one encoding.

    Attributes:
        speaker: Who.
        encoding: Compression profile.
        hours: Virtual time, pauses included.
        alerts: Call time of each false alarm, with its reasons; after one the next call begins.
        suspicions: How often the state went to suspicious without an alarm.
    """

    speaker: str
    encoding: str
    hours: float
    alerts: tuple[tuple[float, tuple[str, ...]], ...]
    suspicions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """What came of one tampering.

    Attributes:
        speaker: Who was shown.
        kind: What was done.
        encoding: Compression profile.
        from_start: Whether the call began with it.
        seconds: From its first sample to the alert; None where none came within ``GIVE_UP_S``.
        reasons: The alert's.
        early: Whether the alert was raised before the tampering began: a false alarm, not a detection.
    """

    speaker: str
    kind: str
    encoding: str
    from_start: bool
    seconds: float | None
    reasons: tuple[str, ...]
    early: bool = False


def genuine_call(
    files: Sequence[RecordedWindows], config: MonitorConfig, draw: Draw, seconds: float
) -> Iterator[EncodedWindow]:
    """Yield the windows of a call: the files in random order, anew until the time is over, with pauses."""
    index, end = 0, _hops(seconds, config)
    while index < end:
        for choice in draw.permutation(len(files)):
            if index >= end:
                return
            yield from encoded_windows(files[choice], config, index)
            index += _length(files[choice], config) + _pause(draw, config)


def run_genuine(
    speaker: str,
    encoding: str,
    files: Sequence[RecordedWindows],
    *,
    config: MonitorConfig,
    new_judge: NewJudge,
    seconds: float,
    call_seconds: float,
    draw: Draw,
) -> GenuineRun:
    """Let the judge follow a genuine speaker, in calls of ``call_seconds`` or until it raises an alarm."""
    done_s, suspicions = 0.0, 0
    alerts: list[tuple[float, tuple[str, ...]]] = []
    while done_s < seconds:
        judge, length_s = new_judge(), min(call_seconds, seconds - done_s)
        elapsed_s = length_s
        for window in genuine_call(files, config, draw, length_s):
            alert = judge.take(window).alert
            if alert is not None and alert.state is AlertState.SUSPICIOUS:
                suspicions += 1
            if alert is not None and alert.state is AlertState.ALERT:
                elapsed_s = alert.time_ns / NS_PER_S
                alerts.append((elapsed_s, alert.reasons))
                break
        done_s += elapsed_s
    return GenuineRun(
        speaker=speaker,
        encoding=encoding,
        hours=done_s / 3600,
        alerts=tuple(alerts),
        suspicions=max(0, suspicions - len(alerts)),
    )


def detect(
    genuine: Sequence[RecordedWindows],
    tampered: RecordedWindows,
    *,
    speaker: str,
    kind: str,
    encoding: str,
    config: MonitorConfig,
    new_judge: NewJudge,
    genuine_seconds: float,
    draw: Draw,
) -> Detection:
    """Let a speaker be genuine for a while, then tampered with until there is an alarm.

    The tampered file is played again and again, with pauses, for ``GIVE_UP_S`` at most.
    """
    judge, index = new_judge(), 0
    early: tuple[str, ...] | None = None
    for window in genuine_call(genuine, config, draw, genuine_seconds) if genuine_seconds > 0 else ():
        alert = judge.take(window).alert
        index = window.window.index + 1
        if alert is not None and alert.state is AlertState.ALERT:
            early = alert.reasons
            break
    if index:
        index += _pause(draw, config)
    began_s = index * config.windows.hop_ticks / FRAME_RATE_HZ
    found: tuple[float, tuple[str, ...]] | None = None
    while early is None and found is None and index < _hops(began_s + GIVE_UP_S, config):
        for window in encoded_windows(tampered, config, index):
            alert = judge.take(window).alert
            if alert is not None and alert.state is AlertState.ALERT:
                found = alert.time_ns / NS_PER_S - began_s, alert.reasons
                break
        index += _length(tampered, config) + _pause(draw, config)
    if found is not None and found[0] > GIVE_UP_S:
        found = None
    return Detection(
        speaker=speaker,
        kind=kind,
        encoding=encoding,
        from_start=genuine_seconds == 0,
        seconds=None if found is None else found[0],
        reasons=early or (found[1] if found else ()),
        early=early is not None,
    )


def _length(recorded: RecordedWindows, config: MonitorConfig) -> int:
    """Return the file's length in hops, from its first window to the end of its last one."""
    tail = -(-config.windows.length_ticks // config.windows.hop_ticks)
    return int(recorded.index[-1] - recorded.index[0]) + tail


def _pause(draw: Draw, config: MonitorConfig) -> int:
    return _hops(float(draw.uniform(*PAUSE_S)), config)


def _hops(seconds: float, config: MonitorConfig) -> int:
    return round(seconds * FRAME_RATE_HZ / config.windows.hop_ticks)
