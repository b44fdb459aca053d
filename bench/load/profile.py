"""Where a monitor's CPU time went, from what ``bench.load.profiled_monitor`` said at two moments. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.load.profiled_monitor import EVENT_LOOP, OWN

GROUPS: Mapping[str, tuple[str, ...]] = {
    "picture decoding": ("video decoding",),
    "sound decoding and resampling": ("audio decoding", "timeline and resampling"),
    "reception": ("SRTP", "RTP"),
    "colour": ("colour conversion",),
    "detection": ("engine detector", "detector, without its engine"),
    "landmarks": ("engine landmarks", "landmarks, without their engine"),
    "crops, tracks, lips": ("faces: crops, tracks, lips",),
    "identity": ("engine identity", "identity, without its engine"),
    "speech activity": ("engine vad", "speech activity, without its engine"),
    "lips encoder": ("engine visual", "lips, without their engine"),
    "voice encoder": ("engine speech", "engine audio", "voice, without its engines"),
    "windows, similarity, scoring": ("windows", "similarity and scoring"),
    "messages": ("messages",),
}
_DECODER, _ANALYSIS = "video-decoder", "analysis"
_RECEPTION, _ELSE = "reception", "everything else"
EVENT_LOOP_REST = "event loop: sockets, ICE, DTLS, timers, WebSocket"
HAND_OVER = "decoder threads: waking and handing over"
ANALYSIS_REST = "analysis threads: everything else"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileLine:
    """One stage.

    Attributes:
        group: What it belongs to.
        stage: Its name.
        cpu_ms: CPU time in ms per participant-second.
    """

    group: str
    stage: str
    cpu_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Where the time went.

    Attributes:
        lines: All stages, most expensive first within their group; together they are the process.
        total_ms: Of the process.
        missing: Functions that do not exist, whose time is in another stage.
    """

    lines: tuple[ProfileLine, ...]
    total_ms: float
    missing: tuple[str, ...]

    def groups_ms(self) -> dict[str, float]:
        """Return the time by group, most expensive first."""
        spent: dict[str, float] = {}
        for line in self.lines:
            spent[line.group] = spent.get(line.group, 0.0) + line.cpu_ms
        return dict(sorted(spent.items(), key=lambda entry: -entry[1]))


def profile_between(before: Mapping[str, Any], after: Mapping[str, Any], participant_s: float) -> Profile:
    """Return what was spent between two answers.

    Args:
        before: The first answer.
        after: The second.
        participant_s: Participants times seconds between them.
    """
    group_of = {stage: group for group, stages in GROUPS.items() for stage in stages}
    threads = _grown(before["threads_s"], after["threads_s"])
    stages = _grown(_by_thread_and_stage(before), _by_thread_and_stage(after))
    spent: dict[tuple[str, str], float] = {}
    left = dict(threads)
    left.pop(OWN, None)
    for (thread, stage), spent_s in stages.items():
        key = group_of.get(stage, _ELSE), stage
        spent[key] = spent.get(key, 0.0) + spent_s
        left[thread] = left.get(thread, 0.0) - spent_s
    for thread, spent_s in left.items():
        rest = _rest(thread)
        spent[rest] = spent.get(rest, 0.0) + spent_s
    per_ms = 1000 / participant_s
    order = sorted(spent.items(), key=lambda entry: -entry[1])
    return Profile(
        lines=tuple(
            ProfileLine(group=group, stage=stage, cpu_ms=spent_s * per_ms)
            for (group, stage), spent_s in order
        ),
        total_ms=sum(spent.values()) * per_ms,
        missing=tuple(after["missing"]),
    )


def _rest(thread: str) -> tuple[str, str]:
    if thread == EVENT_LOOP:
        return _RECEPTION, EVENT_LOOP_REST
    if thread.startswith(_DECODER):
        return "picture decoding", HAND_OVER
    if thread.startswith(_ANALYSIS):
        return _ELSE, ANALYSIS_REST
    return _ELSE, f"thread {thread}"


def _by_thread_and_stage(answer: Mapping[str, Any]) -> dict[Any, float]:
    return {(thread, stage): spent_s for thread, stage, spent_s in answer["stages_s"]}


def _grown(before: Mapping[Any, float], after: Mapping[Any, float]) -> dict[Any, float]:
    return {key: value - before.get(key, 0.0) for key, value in after.items()}
