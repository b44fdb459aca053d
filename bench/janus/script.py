"""What happens in the call, and what the monitor must say about it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from bench.janus.call import CallInJanus
from bench.janus.cast import TAMPERED, Cast
from bench.janus.requirements import CallBenchError
from bench.janus.room_list import who_is_there
from realtime.errors import SeamwatchError

PATIENCE_S = 60.0
#: Share of the newest windows with speech from which a mute can be told.
HEARD = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that must hold.

    Attributes:
        what: In words.
        held: Whether it held.
        detail: What was seen.
        took_s: How long it took to hold.
    """

    what: str
    held: bool
    detail: str
    took_s: float


class CallScript:
    """Plays a call of at least two, and checks what the monitor says.

    Args:
        call: The call.
        cast: Who takes part.
        thorough: Whether mute and camera off last until the monitor withdraws its verdict (20 s each), and
            everybody comes back to a full one.
        show: Hears every check when it is decided.
    """

    def __init__(
        self, call: CallInJanus, cast: Cast, *, thorough: bool, show: Callable[[Check], None]
    ) -> None:
        self._call = call
        self._cast = cast
        self._witness = call.witness
        self._thorough = thorough
        self._show = show
        self._checks: list[Check] = []
        self._entered_s = 0.0

    async def play(self) -> list[Check]:
        """Play it to its end; a check that does not hold ends it only if nobody can be watched."""
        genuine = self._cast.genuine
        speaker, viewer, reloader = (genuine[turn % len(genuine)] for turn in range(3))
        await self._check("the monitor joins the empty room and is seen there", self._monitor_joins())
        await self._check("everybody is seen under their own name", self._everybody_enters())
        if not all(check.held for check in self._checks):
            return self._checks
        await self._check("everybody genuine is called genuine", self._until_genuine(*genuine))
        await self._check(f"the exchanged face of {TAMPERED} raises an alert", self._until_alert())
        await self._check(f"{speaker} mutes: silence is no evidence", self._mutes(speaker))
        await self._check(f"{viewer} has no camera: nothing is no evidence", self._camera_off(viewer))
        await self._check(f"{reloader} reloads and keeps what was learnt", self._reloads(reloader))
        await self._check(f"{TAMPERED} leaves and comes back unwashed", self._leaves_and_returns(TAMPERED))
        await self._check("nobody genuine was ever called fake", self._no_false_alarm())
        await self._check("the monitor leaves politely on Ctrl-C", self._monitor_leaves())
        return self._checks

    async def _check(self, what: str, work: Awaitable[str]) -> None:
        started_s = time.monotonic()
        try:
            held, detail = True, await work
        except SeamwatchError as error:
            held, detail = False, error.message
        check = Check(what=what, held=held, detail=detail, took_s=round(time.monotonic() - started_s, 1))
        self._checks.append(check)
        self._show(check)

    async def _monitor_joins(self) -> str:
        def has_joined() -> bool:
            return any(call.state == "joined" for call in self._witness.calls)

        await self._until(has_joined, "the monitor has joined")
        there = await who_is_there(self._call.room)
        _require(there == {self._call.monitor.name: False}, f"the room shows {there}")
        return f"as {self._call.monitor.name!r}, sends nothing"

    async def _everybody_enters(self) -> str:
        for name, person in self._call.people.items():
            if name == TAMPERED:
                self._entered_s = time.monotonic()
            await person.join(self._call.room)
            await self._until(partial(self._has_entered, name), f"{name} is seen")
        strangers = set(self._witness.comings) - set(self._call.people)
        _require(not strangers, f"there are strangers: {', '.join(sorted(strangers))}")
        return ", ".join(self._call.people)

    async def _until_genuine(self, *names: str) -> str:
        for name in names:
            await self._until(partial(self._is, name, "genuine"), f"{name} is genuine")
        return ", ".join(f"{name} {self._windows(name)} windows" for name in names)

    async def _until_alert(self) -> str:
        def alerted() -> bool:
            return any(alert.state == "alert" for alert in self._witness.alerts[TAMPERED])

        await self._until(alerted, f"{TAMPERED} raises an alert", extra_s=self._cast.change_at_s)
        alert = next(alert for alert in self._witness.alerts[TAMPERED] if alert.state == "alert")
        after_s = time.monotonic() - self._entered_s - self._cast.change_at_s
        return f"{', '.join(alert.reasons)}; about {max(0.0, after_s):.0f} s after the exchange"

    async def _mutes(self, name: str) -> str:
        await self._until(lambda: self._coverage(name) > HEARD, f"{name} is heard")
        person, heard = self._call.people[name], self._coverage(name)
        await person.microphone(on=False)
        await self._until(lambda: self._coverage(name) < heard / 2, f"{name} is heard less")
        if self._thorough:
            await self._until(partial(self._is, name, "insufficient"), f"{name} is insufficient")
        silent = self._state_of_evidence(name)
        await person.microphone(on=True)
        await self._until(lambda: self._coverage(name) > heard / 2, f"{name} is heard again")
        return await self._back(name, silent)

    async def _camera_off(self, name: str) -> str:
        person = self._call.people[name]
        await person.camera(on=False)
        await self._until(lambda: self._video(name) == "gap", f"the pictures of {name} are a gap")
        if self._thorough:
            await self._until(partial(self._is, name, "insufficient"), f"{name} is insufficient")
        unseen = self._state_of_evidence(name)
        await person.camera(on=True)
        await self._until(lambda: self._video(name) == "live", f"{name} is seen again")
        return await self._back(name, unseen)

    async def _back(self, name: str, meanwhile: str) -> str:
        if self._thorough:
            await self._until_genuine(name)
        return f"meanwhile {meanwhile}"

    async def _reloads(self, name: str) -> str:
        before = self._windows(name)
        person = self._call.people[name]
        await person.reload()
        await person.join(self._call.room)
        return await self._returned(name, before)

    async def _leaves_and_returns(self, name: str) -> str:
        before, person = self._windows(name), self._call.people[name]
        await person.leave()
        await self._until(lambda: self._witness.states(name)[-1] == "left", f"{name} is seen to leave")
        _require(name not in await who_is_there(self._call.room), f"{name} is still in the room")
        await person.join(self._call.room)
        detail = await self._returned(name, before)
        verdict = self._verdict(name)
        _require(verdict not in {None, "genuine"}, f"{name} is {verdict} after coming back")
        return f"{detail}, still {verdict}"

    async def _returned(self, name: str, before: int) -> str:
        def is_back() -> bool:
            return self._witness.states(name)[-2:] == ["left", "joined"] and name in self._witness.newest

        await self._until(is_back, f"{name} is seen to leave and to come back")
        after = self._windows(name)
        _require(before <= after, f"{name} had {before} windows and has {after}")
        return f"{before} windows before, {after} after"

    async def _no_false_alarm(self) -> str:
        accused = [
            name
            for name in self._cast.genuine
            if self._witness.verdicts[name]["fake"]
            or any(alert.state == "alert" for alert in self._witness.alerts[name])
        ]
        _require(not accused, f"called fake: {', '.join(accused)}")
        shares = (
            f"{name} "
            + " ".join(f"{verdict} {count}" for verdict, count in self._witness.verdicts[name].most_common())
            for name in self._call.people
        )
        return "scores: " + "; ".join(shares)

    async def _monitor_leaves(self) -> str:
        status = await self._call.monitor.leave()
        _require(status == 0, f"its exit status is {status}")
        there = await who_is_there(self._call.room)
        _require(self._call.monitor.name not in there, "it is still in the room")
        return "exit status 0, gone from the room"

    async def _until(self, holds: Callable[[], bool], what: str, *, extra_s: float = 0) -> None:
        await self._witness.until(holds, what, limit_s=PATIENCE_S + extra_s)

    def _has_entered(self, name: str) -> bool:
        return self._witness.states(name) == ["joined"]

    def _is(self, name: str, verdict: str) -> bool:
        return self._verdict(name) == verdict

    def _verdict(self, name: str) -> str | None:
        score = self._witness.newest.get(name)
        return None if score is None else score.verdict

    def _windows(self, name: str) -> int:
        score = self._witness.newest.get(name)
        return 0 if score is None else score.intra_windows

    def _coverage(self, name: str) -> float:
        score = self._witness.newest.get(name)
        return 0.0 if score is None else score.speech_coverage

    def _video(self, name: str) -> str:
        score = self._witness.newest.get(name)
        return "none" if score is None else score.tracks.video

    def _state_of_evidence(self, name: str) -> str:
        score = self._witness.newest[name]
        reasons = f" ({', '.join(score.reasons)})" if score.reasons else ""
        return f"{score.verdict}{reasons}, sound {score.tracks.audio}, pictures {score.tracks.video}"


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise CallBenchError(otherwise[0].upper() + otherwise[1:] + ".", fix="See monitor.log and janus.log.")
