"""The measurements of ``seamwatch bench capacity`` for one picture size, codec and way of talking."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.load.call import CallSetup, run_call
from bench.load.floor import FloorCost, measure_floor
from bench.load.judgement import CallFigures, call_figures
from bench.load.people import People
from bench.load.profile import Profile, profile_between
from bench.load.schedule import Schedule, Talk
from bench.load.search import CapacitySearch
from bench.load.streams import Codec, Size, StreamLibrary
from bench.monitor.process import Cores, pin

TAMPERED = 0
"""The participant whose face is exchanged."""
TAMPERED_FROM_S = 11
"""By then everybody is there, and settled."""
FLOOR_S = 20
"""Seconds of call that the floor is measured on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is varied.

    Attributes:
        size: Width and height in px.
        codec: Of the pictures.
        talk: Whether all talk all the time, or one at a time.
    """

    size: Size
    codec: Codec
    talk: Talk

    def __str__(self) -> str:
        return f"{self.size[0]}x{self.size[1]} {self.codec}, talk {self.talk}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What is the same for all loads.

    Attributes:
        people: Who takes part.
        cores: Who computes where.
        seconds: How long each call is observed.
        monitor_options: More options of ``seamwatch serve``.
    """

    people: People
    cores: Cores
    seconds: float
    monitor_options: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class CapacityMeasurement:
    """What was found, step by step.

    Attributes:
        load: What was varied.
        trials: Every call of the search, in order.
        capacity: Participants that held; None while the search goes on.
        limited: Whether no more were tried although they held.
        half: A call of half as many.
        floor: Decoding and colour conversion of that call.
        profile: Where the time of such a call goes.
    """

    load: Load
    trials: list[CallFigures] = field(default_factory=list)
    capacity: int | None = None
    limited: bool = False
    half: CallFigures | None = None
    floor: FloorCost | None = None
    profile: Profile | None = None

    @property
    def at_capacity(self) -> CallFigures | None:
        """The call of as many as hold; None where there is none."""
        return next((trial for trial in self.trials if trial.participants == self.capacity), None)


def setup_of(
    load: Load, conditions: Conditions, streams: Path, participants: int, *, profiled: bool = False
) -> CallSetup:
    """Return the call of so many participants; with two or more the face of one is exchanged."""
    return CallSetup(
        streams=streams,
        codec=load.codec,
        schedule=schedule_of(load, conditions.people, participants),
        cores=conditions.cores,
        seconds=conditions.seconds,
        profiled=profiled,
        monitor_options=conditions.monitor_options,
    )


def schedule_of(load: Load, people: People, participants: int) -> Schedule:
    """Return who sends what in a call of so many participants."""
    return Schedule(
        participants=participants,
        talk=load.talk,
        talkers=people.talkers,
        intruder=people.intruder,
        tampered=TAMPERED,
        tampered_from_s=TAMPERED_FROM_S,
    )


def measure_capacity(
    measured: CapacityMeasurement,
    conditions: Conditions,
    streams: Path,
    *,
    first: int,
    most: int,
    profiled: bool,
    tell: Callable[[str], None],
) -> None:
    """Search for the capacity, then look closer at half of it.

    Args:
        measured: Takes what is found, so that it is there after an interruption as well.
        conditions: What is the same for all loads.
        streams: From ``bench.load.streams.prepare_streams``.
        first: Participants in the first call.
        most: Participants in the largest one.
        profiled: Whether to look where the time goes, in a call of its own.
        tell: Told what goes on.

    Raises:
        BenchProcessError: A process did not start, or ended too early.
    """
    search = CapacitySearch(first, most)
    while (count := search.next_count) is not None:
        tell(f"{measured.load}: {count} participants")
        trial = one_call(setup_of(measured.load, conditions, streams, count))
        measured.trials.append(trial)
        search.record(held=not trial.shortcomings)
        tell(f"{measured.load}: {count} participants: {', '.join(trial.shortcomings) or 'held'}")
    measured.capacity, measured.limited = search.capacity, search.limited
    half = max(1, search.capacity // 2)
    tell(f"{measured.load}: {half} participants, half of the capacity")
    setup = setup_of(measured.load, conditions, streams, half)
    measured.half = one_call(setup)
    measured.floor = pinned_floor(
        StreamLibrary(streams), setup.schedule, measured.load.codec, conditions.cores
    )
    if profiled:
        tell(f"{measured.load}: where the time of {half} participants goes")
        measured.profile = profile_call(setup)


def one_call(setup: CallSetup) -> CallFigures:
    """Run a call and sum it up."""
    schedule = setup.schedule
    with tempfile.TemporaryDirectory(prefix="seamwatch-bench-") as folder:
        record = asyncio.run(run_call(setup, Path(folder), lambda _: None))
    return call_figures(record, tampered=schedule.tampered, tampered_from_s=schedule.tampered_from_s)


def profile_call(setup: CallSetup) -> Profile:
    """Run a call with a profiled monitor."""
    with tempfile.TemporaryDirectory(prefix="seamwatch-bench-") as folder:
        record = asyncio.run(run_call(replace(setup, profiled=True), Path(folder), lambda _: None))
    assert record.profile is not None
    return profile_between(*record.profile, record.participants * record.seconds)


def pinned_floor(library: StreamLibrary, schedule: Schedule, codec: Codec, cores: Cores) -> FloorCost:
    """Measure the floor on the monitor's cores."""
    pin(0, cores.monitor)
    try:
        return measure_floor(library, schedule, codec, FLOOR_S)
    finally:
        pin(0, cores.others)
