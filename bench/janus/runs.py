"""The two runs of ``bench.janus_call``: a call, and a measurement of alignment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.janus.alignment_runs import measure_alignment
from bench.janus.call import call_in_janus
from bench.janus.cast import make_cast
from bench.janus.fake_devices import PICTURES_PER_S
from bench.janus.script import CallScript, Check
from bench.network.profiles import Profile
from clients.cli.running import run_until_interrupted

Say = Callable[[str], None]


def hold_call(
    participants: int,
    clips_dir: Path | None,
    folder: Path,
    *,
    seconds: float,
    height_px: int,
    pictures_per_s: int,
    say: Say,
) -> dict[str, Any]:
    """Hold a call and return what held; without "checks" if it was interrupted.

    Args:
        participants: How many.
        clips_dir: Recorded clips; None for drawn people.
        folder: Takes all files of the run.
        seconds: Length of the clips.
        height_px: Height of the pictures.
        pictures_per_s: How many of them are sent.
        say: Told what is going on.

    Raises:
        SeamwatchError: A part of it does not start.
    """
    say("Making what everybody plays")
    cast = make_cast(participants, clips_dir, folder / "cast", seconds=seconds, height_px=height_px)
    result: dict[str, Any] = {
        "material": cast.description,
        "clip_s": seconds,
        "height_px": height_px,
        "pictures_per_s": pictures_per_s,
    }

    def show(check: Check) -> None:
        say(f"{'ok  ' if check.held else 'FAIL'} {check.took_s:6.1f} s  {check.what}: {check.detail}")

    async def hold() -> None:
        thinned = pictures_per_s if pictures_per_s < PICTURES_PER_S else None
        async with call_in_janus(cast, folder, pictures_per_s=thinned) as call:
            say(f"Watch it on {call.monitor.url}")
            checks = await CallScript(call, cast, thorough=True, show=show).play()
        result["checks"] = [asdict(check) for check in checks]

    run_until_interrupted(hold())
    return result


def measure(folder: Path, *, seconds: float, networks: Sequence[Profile | None], say: Say) -> dict[str, Any]:
    """Measure alignment and return the figures; without "ways" if it was interrupted.

    Args:
        folder: Takes all files of the run.
        seconds: Length of each measurement.
        networks: As ``measure_alignment`` takes them.
        say: Told what is going on.

    Raises:
        SeamwatchError: A part of it does not start, or nothing was measured.
    """
    result: dict[str, Any] = {"seconds": seconds}

    async def run() -> None:
        result["ways"] = await measure_alignment(folder, seconds=seconds, networks=networks, say=say)

    run_until_interrupted(run())
    return result
