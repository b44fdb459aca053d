"""Files as the participants of a live call over a link, and the monitor's last word on each."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.network.impairment import Impairment
from bench.network.namespaces import ADDRESSES, Program, lossy_link, running
from realtime.errors import SeamwatchError
from realtime.scoring.verdict import clip_verdict
from realtime.server.wire import MESSAGE, AlertMessage, Message, ScoreUpdate
from realtime.timebase import NS_PER_S
from realtime.types import Alert, AlertState, Score, ScoreStatus

PORT = 8080
CALL = "verdicts"


class MonitorFailedError(SeamwatchError):
    """The monitor did not start, or a call did not reach its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveVerdict:
    """What the monitor made of one file.

    Attributes:
        verdict: By the rule that files are judged by: ever in alert, ever suspicious, enough evidence.
        reasons: Why.
        scores: Score updates that came.
        margin: The last decision value.
    """

    verdict: str
    reasons: tuple[str, ...]
    scores: int
    margin: float | None


@dataclass(slots=True)
class _Heard:
    scores: list[Score] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    margin: float | None = None

    def verdict(self) -> LiveVerdict:
        verdict, reasons = clip_verdict(self.scores, self.alerts)
        return LiveVerdict(verdict=str(verdict), reasons=reasons, scores=len(self.scores), margin=self.margin)


def verdicts_of(messages: Iterable[Message], participants: Sequence[str]) -> dict[str, LiveVerdict]:
    """Return the verdict on every participant of one call, from all that was said about it."""
    heard = {name: _Heard() for name in participants}
    for message in messages:
        if isinstance(message, ScoreUpdate) and message.participant in heard:
            own = heard[message.participant]
            own.margin = message.margin if message.margin is not None else own.margin
            own.scores.append(
                Score(
                    time_ns=round(message.time_s * NS_PER_S),
                    status=ScoreStatus(message.status),
                    reasons=tuple(message.reasons),
                    score=message.score,
                )
            )
        elif isinstance(message, AlertMessage) and message.participant in heard:
            heard[message.participant].alerts.append(
                Alert(
                    time_ns=round(message.time_s * NS_PER_S),
                    previous=AlertState(message.previous),
                    state=AlertState(message.state),
                    margin=message.margin,
                    reasons=tuple(message.reasons),
                )
            )
    return {name: own.verdict() for name, own in heard.items()}


async def live_verdicts(
    files: Sequence[Path],
    impairment: Impairment,
    *,
    seed: int,
    at_once: int,
    folder: Path,
    on_progress: Callable[[int], None],
) -> list[LiveVerdict]:
    """Stream files into one monitor over a link, some at a time, and return the verdicts in order.

    ``seamwatch serve`` and ``seamwatch stream`` run as users run them.

    Args:
        files: What the participants send; their stems name the participants.
        impairment: Of both directions.
        seed: Seed of the network.
        at_once: Participants at a time.
        folder: For the monitor's store.
        on_progress: Told how many files are done.

    Raises:
        LinkUnavailableError: No link can be made here.
        MonitorFailedError: The monitor does not start, or a file was not sent to its end.
    """
    verdicts: list[LiveVerdict] = []
    async with (
        lossy_link(impairment, impairment, seed=seed) as link,
        _monitor(link.far, at_once, folder) as token,
    ):
        for first in range(0, len(files), at_once):
            group = files[first : first + at_once]
            verdicts += await _call(link.near, token, group, f"{CALL}-{first}")
            on_progress(len(verdicts))
    return verdicts


async def verdicts_afterwards(
    files: Sequence[Path],
    impairment: Impairment,
    *,
    seed: int,
    at_once: int,
    on_progress: Callable[[int], None],
) -> list[LiveVerdict]:
    """Send each file over a link of its own, and analyse what was received when it is over.

    The same receiver and pipeline as in a live monitor, without its deadlines: what is measured is what the
    network did, on a busy machine as well.

    Args:
        files: What is sent.
        impairment: Of both directions.
        seed: Seed of the first file's network; the next one has the next seed.
        at_once: Files at a time.
        on_progress: Told how many files are done.

    Raises:
        LinkUnavailableError: No link can be made here.
        MonitorFailedError: A file was not sent to its end.
    """
    free, done = asyncio.Semaphore(at_once), 0

    async def one(index: int) -> LiveVerdict:
        nonlocal done
        async with free:
            verdict = await _received(files[index], impairment, seed + index)
        done += 1
        on_progress(done)
        return verdict

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(index)) for index in range(len(files))]
    return [task.result() for task in tasks]


async def _received(path: Path, impairment: Impairment, seed: int) -> LiveVerdict:
    async with lossy_link(impairment, impairment, seed=seed) as link:
        listening = ("-m", "bench.network.verdict_process", ADDRESSES[1], str(PORT))
        async with running(link.far, *listening) as receiving:
            await receiving.line()
            url = f"http://{ADDRESSES[1]}:{PORT}/whip"
            async with running(link.near, "-m", "bench.network.sources", url, str(path)) as sending:
                if await sending.process.wait() != 0:
                    raise MonitorFailedError("A file did not reach its end.", fix="See the message above.")
            said = json.loads(await receiving.finish())
    return LiveVerdict(**{**said, "reasons": tuple(said["reasons"])})


@asynccontextmanager
async def _monitor(namespace: str, participants: int, folder: Path) -> AsyncIterator[str]:
    token = secrets.token_urlsafe(16)
    arguments = (
        *("-m", "clients.cli.main", "serve", "--host", ADDRESSES[1], "--port", str(PORT), "--token", token),
        *("--max-participants", str(participants), "--store", str(folder / "alerts.sqlite3")),
    )
    async with running(namespace, *arguments) as program:
        if "http://" not in await program.line():
            raise MonitorFailedError("The monitor did not start.", fix="Run seamwatch serve by hand.")
        reading = asyncio.create_task(_discard(program))
        try:
            yield token
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def _call(namespace: str, token: str, files: Sequence[Path], call: str) -> list[LiveVerdict]:
    arguments = (
        *("-m", "clients.cli.main", "stream", *(str(path) for path in files)),
        *("--to", f"http://{ADDRESSES[1]}:{PORT}", "--token", token, "--call", call, "--json"),
    )
    async with running(namespace, *arguments) as program:
        said = await program.finish()
    if program.process.returncode != 0:
        raise MonitorFailedError("A call did not reach its end.", fix="See the message above.")
    messages = (MESSAGE.validate_json(line) for line in said.splitlines() if _is_message(line))
    return list(verdicts_of(messages, [path.stem for path in files]).values())


def _is_message(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except json.JSONDecodeError:
        return False


async def _discard(program: Program) -> None:
    while await program.line():
        pass
