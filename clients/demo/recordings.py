"""A demo pair from recorded clips: the GRID speakers, whose licence (CC BY 4.0) lets them be shown."""

from __future__ import annotations

import csv
import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

from clients.demo.clip_writer import Tick
from realtime.errors import MediaError
from realtime.timebase import FRAME_RATE_HZ, SAMPLE_RATE_HZ, SAMPLES_PER_TICK
from realtime.types import Float32, UInt8

PICTURE_SIZE = (360, 288)
CORPUS_PREFIX = "GRID"

_SHORTEST_TALK_S = 5.0
_HALF_SENTENCE_TICKS = 37
_COLUMNS = ("file", "label", "speaker", "duration_s", "quality", "licence_corpus")


class TooFewRecordings(Exception):
    """The folder does not hold enough usable clips for a demo pair."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One clip of one speaker."""

    path: Path
    duration_s: float
    voice_fits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCast:
    """Who plays in the recorded demo call; every list holds clips of one speaker.

    Attributes:
        corpus: Name and licence of the corpus.
        genuine_clips: Clips of the genuine participant.
        caller_clips: Clips of the participant whose face will be exchanged.
        intruder_clips: Clips of the face that takes over.
    """

    corpus: str
    genuine_clips: tuple[Recording, ...]
    caller_clips: tuple[Recording, ...]
    intruder_clips: tuple[Recording, ...]

    @property
    def fingerprint(self) -> tuple[tuple[str, ...], ...]:
        """The names of the clips."""
        return tuple(
            tuple(clip.path.name for clip in clips)
            for clips in (self.genuine_clips, self.caller_clips, self.intruder_clips)
        )

    def genuine(self, ticks: int) -> Iterator[Tick]:
        """Yield the genuine participant's pictures (288, 360, 3) with their sound.

        Args:
            ticks: How many.

        Raises:
            TooFewRecordings: While it runs, if no clip can be decoded.
        """
        yield from itertools.islice(_repeated(self.genuine_clips), ticks)

    def exchanged(self, ticks: int, change_tick: int) -> Iterator[Tick]:
        """Yield the tampered participant's pictures (288, 360, 3) with their sound.

        The sentences of this corpus all start and end alike, so the intruder begins in the middle of one:
        else the lips would open and close about when the voice does.

        Args:
            ticks: How many.
            change_tick: First picture that shows the other face; the voice goes on.

        Raises:
            TooFewRecordings: While it runs, if no clip of one of the two can be decoded.
        """
        caller = itertools.islice(_repeated(self.caller_clips), ticks)
        yield from itertools.islice(caller, change_tick)
        intruder = itertools.islice(_repeated(self.intruder_clips), _HALF_SENTENCE_TICKS, None)
        for (_, sound), (picture, _) in zip(caller, intruder, strict=False):
            yield picture, sound


def choose_cast(clips_dir: Path) -> RecordedCast:
    """Choose three speakers from a folder of clips.

    The genuine participant is the speaker with most good clips, the one whose face is exchanged the next.
    Only pictures are taken of the third, so clips whose sound does not fit them serve there.

    Args:
        clips_dir: Folder with clips and a ``manifest.csv``.

    Raises:
        MediaError: If the folder or its manifest cannot be read.
        TooFewRecordings: If there are not three such speakers.
    """
    corpus, speakers = _read_manifest(clips_dir)
    by_voice = sorted(speakers, key=lambda name: (-_length_s(speakers[name], voiced=True), name))
    if len(by_voice) < 3 or _length_s(speakers[by_voice[1]], voiced=True) < _SHORTEST_TALK_S:
        raise TooFewRecordings(f"there are too few {CORPUS_PREFIX} clips in {clips_dir}")
    genuine, caller, *others = by_voice
    intruder = max(others, key=lambda name: (_length_s(speakers[name], voiced=False), name))
    return RecordedCast(
        corpus=corpus,
        genuine_clips=tuple(clip for clip in speakers[genuine] if clip.voice_fits),
        caller_clips=tuple(clip for clip in speakers[caller] if clip.voice_fits),
        intruder_clips=tuple(speakers[intruder]),
    )


def _read_manifest(clips_dir: Path) -> tuple[str, dict[str, list[Recording]]]:
    manifest = clips_dir / "manifest.csv"
    fix = "Point to a folder of clips with a manifest.csv, or leave the folder out for a synthetic pair."
    speakers: dict[str, list[Recording]] = defaultdict(list)
    corpus = CORPUS_PREFIX
    try:
        with manifest.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            if not set(_COLUMNS) <= set(rows.fieldnames or ()):
                raise MediaError(
                    f"The manifest {manifest} lacks one of the columns {', '.join(_COLUMNS)}.", fix=fix
                )
            for row in rows:
                if row["label"] != "real" or not (row["licence_corpus"] or "").startswith(CORPUS_PREFIX):
                    continue
                path = clips_dir / row["file"]
                if row["quality"] in {"good", "sync_suspect"} and path.is_file():
                    corpus = row["licence_corpus"]
                    speakers[row["speaker"]].append(
                        Recording(path, float(row["duration_s"]), row["quality"] == "good")
                    )
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise MediaError(f"The clips' manifest {manifest} cannot be read: {error}.", fix=fix) from error
    return corpus, {name: sorted(clips, key=lambda clip: clip.path.name) for name, clips in speakers.items()}


def _length_s(clips: Sequence[Recording], *, voiced: bool) -> float:
    return sum(clip.duration_s for clip in clips if clip.voice_fits or not voiced)


def _repeated(clips: Sequence[Recording]) -> Iterator[Tick]:
    """Yield the ticks of clip after clip, over and over; clips that cannot be used are left out."""
    while True:
        usable = False
        for clip in clips:
            for tick in _decode(clip.path):
                usable = True
                yield tick
        if not usable:
            raise TooFewRecordings("none of a speaker's clips can be decoded")


def _decode(path: Path) -> list[Tick]:
    """Return a 25 fps clip's pictures with their sound; nothing for a clip that cannot be used."""
    pictures: list[UInt8] = []
    blocks: list[Float32] = []
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
    try:
        with av.open(str(path)) as container:
            if not container.streams.video or not container.streams.audio:
                return []
            if round(float(container.streams.video[0].average_rate or 0)) != FRAME_RATE_HZ:
                return []
            for frame in container.decode(video=0, audio=0):
                if isinstance(frame, av.VideoFrame):
                    picture = frame.to_ndarray(format="rgb24")
                    pictures.append(
                        np.asarray(cv2.resize(picture, PICTURE_SIZE, interpolation=cv2.INTER_AREA), np.uint8)
                    )
                elif isinstance(frame, av.AudioFrame):
                    blocks += [
                        np.asarray(part.to_ndarray()[0], np.float32) for part in resampler.resample(frame)
                    ]
            blocks += [np.asarray(part.to_ndarray()[0], np.float32) for part in resampler.resample(None)]
    except (OSError, av.error.FFmpegError):
        return []
    if not pictures or not blocks:
        return []
    samples = np.concatenate(blocks)
    length = len(pictures) * SAMPLES_PER_TICK
    padded = np.pad(samples, (0, max(0, length - samples.size)))[:length]
    return list(zip(pictures, padded.reshape(-1, SAMPLES_PER_TICK), strict=True))
