"""Who is in the call: people who are what they seem, and one whose face is exchanged in mid-clip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bench.janus.fake_devices import FakeDevices, fake_devices
from clients.demo.clip_writer import clip_suffix, write_clip
from clients.demo.pair import demo_pair, synthetic_genuine
from clients.demo.recordings import RecordedCast, choose_cast
from realtime.timebase import FRAME_RATE_HZ

NAMES = ("alice", "bob", "carol", "dave")
TAMPERED = "bob"
SEED = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Who plays in a call.

    Attributes:
        devices: By name, what a participant's camera and microphone play.
        description: Where the clips come from.
        change_at_s: When the exchanged face appears in the clip of ``TAMPERED``.
    """

    devices: dict[str, FakeDevices]
    description: str
    change_at_s: float

    @property
    def genuine(self) -> tuple[str, ...]:
        """The names of all who are what they seem."""
        return tuple(name for name in self.devices if name != TAMPERED)


def make_cast(
    participants: int, clips_dir: Path | None, folder: Path, *, seconds: float, height_px: int = 480
) -> Cast:
    """Make what everybody plays.

    Args:
        participants: How many, from 2 to 4.
        clips_dir: Folder of recorded clips with a ``manifest.csv``; None for drawn people.
        folder: Where the files go.
        seconds: Length of every clip; the tampered one changes in the middle.
        height_px: Height of the cameras' pictures.

    Raises:
        MediaError: Clips cannot be read or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pair = demo_pair(clips_dir, folder, seconds=seconds, seed=SEED)
    clips = {"alice": pair.genuine, TAMPERED: pair.tampered}
    others = NAMES[2:participants]
    if clips_dir is None or pair.synthetic:
        for offset, name in enumerate(others, start=1):
            clips[name] = folder / f"{name}{clip_suffix()}"
            synthetic_genuine(clips[name], seconds=seconds, seed=SEED + offset)
    else:
        for name, cast in zip(others, _as_they_are(choose_cast(clips_dir)), strict=False):
            clips[name] = folder / f"{name}{clip_suffix()}"
            write_clip(clips[name], cast.genuine(round(seconds * FRAME_RATE_HZ)), title=name)
    return Cast(
        devices={
            name: fake_devices(clip, folder / name, height_px=height_px) for name, clip in clips.items()
        },
        description=pair.description,
        change_at_s=pair.change_at_s,
    )


def _as_they_are(cast: RecordedCast) -> Iterator[RecordedCast]:
    """Yield the two speakers of the tampered clip in their own right."""
    yield replace(cast, genuine_clips=cast.caller_clips)
    fitting = tuple(clip for clip in cast.intruder_clips if clip.voice_fits)
    yield replace(cast, genuine_clips=fitting or cast.caller_clips)
