"""All participants of a measured call, in a process of their own.

    python -m bench.load.publisher_process '{"urls": [...], "folder": "...", "codec": "vp8", ...}'

Prints a line of JSON once everybody sends, and another at the end of its standard input.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.load.schedule import Schedule
from bench.load.sending import ScheduledPackets
from bench.load.streams import Codec, StreamLibrary
from clients.publisher.whip import WhipPublisher

#: Between two participants: a key frame every second each, but not all at the same moment.
STAGGER_S = 0.13


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishPlan:
    """What the process is told.

    Attributes:
        urls: WHIP endpoint of each participant.
        token: Bearer token; None where the endpoints want none.
        folder: From ``bench.load.streams.prepare_streams``.
        codec: Of the pictures there.
        schedule: Who sends what.
    """

    urls: tuple[str, ...]
    token: str | None
    folder: str
    codec: Codec
    schedule: Schedule

    def to_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> PublishPlan:
        """Read what ``to_json`` wrote."""
        values = json.loads(text)
        schedule = Schedule(**values.pop("schedule"))
        return PublishPlan(**{**values, "urls": tuple(values["urls"]), "schedule": schedule})


async def publish(plan: PublishPlan) -> None:
    """Publish until the standard input ends."""
    library = StreamLibrary(Path(plan.folder))
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as closing:
        publishers: list[WhipPublisher] = []
        started_s: list[float] = []
        for participant, url in enumerate(plan.urls):
            publisher = await closing.enter_async_context(WhipPublisher(url, token=plan.token))
            await publisher.send(
                ScheduledPackets(library, plan.schedule, participant), video_codec=plan.codec
            )
            publishers.append(publisher)
            started_s.append(time.monotonic())
            await asyncio.sleep(STAGGER_S)
        print(json.dumps({"started_s": started_s}), flush=True)
        await loop.run_in_executor(None, sys.stdin.read)
        reports = [publisher.report() for publisher in publishers]
    print(json.dumps([asdict(report) for report in reports]), flush=True)


if __name__ == "__main__":
    asyncio.run(publish(PublishPlan.from_json(sys.argv[1])))
