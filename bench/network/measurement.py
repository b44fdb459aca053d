"""One measurement: a clip over a link to a receiver."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.network.calibration import Calibration, write_calibration
from bench.network.judgement import Figures, judge
from bench.network.meter import Record
from bench.network.namespaces import ADDRESSES, lossy_link, running, running_command
from bench.network.profiles import Profile
from bench.network.receiver_process import ReceiverName
from bench.network.sources import SourceName, SourceUnavailableError, command_of
from clients.publisher.prepare import prepare_clip

PORT = 8000
#: How long the last packets may take.
DRAIN_S = 1.0
#: How much longer than the clip its sending may take.
PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """The calibration clip in the form that each source sends.

    Attributes:
        clip: Its facts.
        files: The file per source.
    """

    clip: Calibration
    files: dict[SourceName, Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What one receiver made of one run.

    Attributes:
        figures: The judgement.
        link: What the link counted.
        receiver: What the receiver counted.
    """

    figures: Figures
    link: dict[str, Any]
    receiver: dict[str, Any]


def make_material(folder: Path, clip: Calibration) -> Material:
    """Write the clip for both sources into a folder."""
    h264 = write_calibration(folder / "calibration.mov", clip)
    vp8 = prepare_clip(h264, folder / "calibration.webm")
    return Material(clip=clip, files={"ffmpeg": h264, "publisher": vp8})


async def measure(
    profile: Profile,
    material: Material,
    *,
    source: SourceName,
    receiver: ReceiverName,
    seed: int,
    folder: Path,
) -> Measurement:
    """Send the clip once over a link of its own.

    Args:
        profile: The network.
        material: The clip.
        source: Who sends.
        receiver: Who receives.
        seed: Seed of the network.
        folder: For what passes between the processes; must be another one for each measurement that runs.

    Raises:
        LinkUnavailableError: No link can be made here.
        SourceUnavailableError: The source is missing, or did not send the clip to its end.
    """
    out = folder / "record.npz"
    impairment = profile.impairment
    async with lossy_link(impairment, impairment, seed=seed) as link:
        arguments = (receiver, ADDRESSES[1], str(PORT), str(out))
        async with running(link.far, "-m", "bench.network.receiver_process", *arguments) as receiving:
            await receiving.line()
            command = command_of(source, material.files, f"http://{ADDRESSES[1]}:{PORT}/whip")
            async with running_command(link.near, *command) as sending:
                async with asyncio.timeout(material.clip.seconds + PATIENCE_S):
                    status = await sending.process.wait()
            await asyncio.sleep(DRAIN_S)
            counted = await receiving.finish()
    if status != 0:
        raise SourceUnavailableError(
            f"The source {source} ended with status {status}.", fix="See its message above."
        )
    summary = dict(link.summary or {})
    figures = judge(Record.load(out), material.clip, summary.pop("sent", {}))
    return Measurement(figures=figures, link=summary, receiver=json.loads(counted))
