"""Tampers with a recording in memory."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from realtime.errors import ConfigurationError, MediaError
from realtime.timebase import FRAME_RATE_HZ, SAMPLE_RATE_HZ, SAMPLES_PER_TICK
from realtime.types import Float32, UInt8
from training.tamper.face_swap import FaceSwap, choose_portrait, turn
from training.tamper.identity_changes import drift_weights, flicker_weights
from training.tamper.kind_list import BY_MACHINE, GENUINE, KINDS
from training.tamper.landmarks import LandmarkFinder, LandmarkTrack
from training.tamper.loudness import active_blocks, matched_level, spliced
from training.tamper.machine_voice import PROGRAM, machine_voice
from training.tamper.mouth_swap import MouthSwap, other_moment, retimed
from training.tamper.portrait import TalkingPortrait
from training.tamper.recording import Recording
from training.tamper.vocoder import resynthesise
from training.tamper.voice import choose_shift_s, shifted_voice, swapped_voice

SHORTEST_S: Final = 1.0

_FACE_SHARE: Final = 0.5
_PITCH_FACTORS: Final = (0.72, 0.8, 1.2, 1.3)


class Subject:
    """A recording with its landmarks, which are found when they are first needed.

    Args:
        recording: The recording.
        finder: Finds the landmarks; None where no face will be asked for.
    """

    def __init__(self, recording: Recording, finder: LandmarkFinder | None) -> None:
        self.recording = recording
        self._finder = finder
        self._track: LandmarkTrack | None = None

    @property
    def track(self) -> LandmarkTrack:
        """The landmarks.

        Raises:
            MediaError: If a face is found on less than half of the pictures.
        """
        if self._track is None:
            if self._finder is None:
                raise RuntimeError("a landmark finder is needed for face kinds")
            self._track = self._finder.track(self.recording)
        if self._track.present.mean() < _FACE_SHARE:
            raise MediaError(
                f"No face is found on most of the pictures of {self.recording.name}.",
                fix="Use a clip that shows one face, upright and at least 48 px large.",
            )
        return self._track


@dataclass(frozen=True, slots=True, kw_only=True)
class Tampered:
    """What became of a recording.

    Attributes:
        kind: What was done.
        frame: Picture of a tick; None where the pictures are as they were.
        audio: float32, 16 kHz, as long as before.
        ticks: Number of pictures.
        from_s: Where the tampering begins; None where nothing was done.
        to_s: Where it ends; None where nothing was done.
        sources: Names of the recordings that it was made from, the altered one first.
        variant: Which way it was done, where a kind has several.
        amount: How strongly: seconds of a shift (positive: voice late), mean seconds of a re-timing, factor
            of a pitch; None where a kind has no such number.
    """

    kind: str
    frame: Callable[[int], UInt8] | None
    audio: Float32
    ticks: int
    from_s: float | None
    to_s: float | None
    sources: tuple[str, ...]
    variant: str = ""
    amount: float | None = None

    def frames(self, original: Recording) -> Iterator[UInt8]:
        """Make the pictures, one by one."""
        if self.frame is None:
            yield from original.frames
        else:
            for tick in range(self.ticks):
                yield self.frame(tick)


@dataclass(frozen=True, slots=True)
class _Work:
    subject: Subject
    others: Sequence[Subject]
    first_tick: int
    rng: np.random.Generator

    @property
    def recording(self) -> Recording:
        return self.subject.recording

    @property
    def first_sample(self) -> int:
        return self.first_tick * SAMPLES_PER_TICK


@dataclass(frozen=True, slots=True)
class _Made:
    frame: Callable[[int], UInt8] | None = None
    audio: Float32 | None = None
    variant: str = ""
    amount: float | None = None
    used: tuple[Subject, ...] = ()


def tamper(
    kind: str, subject: Subject, others: Sequence[Subject] = (), *, from_s: float = 0.0, seed: int
) -> Tampered:
    """Tamper with a recording.

    Args:
        kind: A name in ``KINDS``.
        subject: The recording to alter.
        others: Recordings of other people, for kinds that need one; a face is taken from the first.
        from_s: Where the tampering begins.
        seed: Seed of everything random; the outcome also depends on the kind and the recording's name.

    Raises:
        ConfigurationError: If there is no such kind, or it needs a recording of another person.
        MediaError: If the recording is too short, or a face or a voice is missing.
    """
    if kind not in KINDS:
        raise ConfigurationError(f"There is no kind {kind!r}.", fix=f"Choose one of {', '.join(KINDS)}.")
    chosen, recording = KINDS[kind], subject.recording
    if chosen.needs_other and not others:
        raise ConfigurationError(
            f"The kind {kind} needs a clip of another person.", fix="Name one with --with."
        )
    first_tick = round(from_s * FRAME_RATE_HZ)
    if (recording.ticks - first_tick) / FRAME_RATE_HZ < SHORTEST_S:
        raise MediaError(
            f"{recording.name} has {recording.duration_s:.2f} s: too short to tamper from {from_s:g} s on.",
            fix=f"Use a longer clip, or leave at least {SHORTEST_S:g} s after --from.",
        )
    rng = np.random.default_rng([seed, zlib.crc32(kind.encode()), zlib.crc32(recording.name.encode())])
    made = _MAKERS[kind](_Work(subject, others, first_tick, rng))
    altered = chosen.alters != "nothing"
    return Tampered(
        kind=kind,
        frame=made.frame,
        audio=recording.audio if made.audio is None else made.audio,
        ticks=recording.ticks,
        from_s=first_tick / FRAME_RATE_HZ if altered else None,
        to_s=recording.duration_s if altered else None,
        sources=(recording.name, *(used.recording.name for used in made.used)),
        variant=made.variant,
        amount=made.amount,
    )


def _genuine(_work: _Work) -> _Made:
    return _Made()


def _voice_swapped(work: _Work) -> _Made:
    donors = [other.recording.audio for other in work.others]
    audio = swapped_voice(work.recording.audio, donors, work.first_sample, work.rng)
    return _Made(audio=audio, used=tuple(work.others))


def _voice_shifted(work: _Work) -> _Made:
    span_s = (len(work.recording.audio) - work.first_sample) / SAMPLE_RATE_HZ
    shift_s = choose_shift_s(span_s, work.rng)
    return _Made(audio=shifted_voice(work.recording.audio, shift_s, work.first_sample), amount=shift_s)


def _voice_resynthesised(work: _Work) -> _Made:
    audio = work.recording.audio
    factor = float(work.rng.choice(_PITCH_FACTORS))
    voice = matched_level(resynthesise(audio, factor, work.rng), audio)
    return _Made(
        audio=spliced(audio, voice, work.first_sample), variant="LPC vocoder, timing kept", amount=factor
    )


def _voice_by_machine(work: _Work) -> _Made:
    audio = work.recording.audio
    spoken = machine_voice(len(audio), work.rng)
    if not active_blocks(spoken).any():
        raise MediaError(f"{PROGRAM} stayed silent.", fix="Check that it runs on its own.")
    voice = swapped_voice(audio, [spoken], work.first_sample, work.rng)
    return _Made(audio=voice, variant=f"{PROGRAM}, other words")


def _swap(work: _Work) -> tuple[FaceSwap, _Made]:
    other = work.others[0]
    track = work.subject.track
    wanted = float(np.median(turn(track.points[track.ticks])))
    portrait = choose_portrait(other.recording, other.track, wanted_turn=wanted, open_share=0.3)
    return FaceSwap(work.recording, track, portrait), _Made(used=(other,))


def _face_by_weights(work: _Work, weights: Float32) -> _Made:
    swap, made = _swap(work)

    def frame(tick: int) -> UInt8:
        return swap.frame(tick, float(weights[tick]))

    return _Made(frame=frame, used=made.used)


def _face_swapped(work: _Work) -> _Made:
    weights = (np.arange(work.recording.ticks) >= work.first_tick).astype(np.float32)
    return _face_by_weights(work, weights)


def _identity_drift(work: _Work) -> _Made:
    return _face_by_weights(work, drift_weights(work.recording.ticks, work.first_tick, work.rng))


def _identity_flicker(work: _Work) -> _Made:
    return _face_by_weights(work, flicker_weights(work.recording.ticks, work.first_tick, work.rng))


def _lips_by_moments(work: _Work, moments: Mapping[int, int]) -> _Made:
    swap = MouthSwap(work.recording, work.subject.track, moments)
    away = [abs(moment - tick) for tick, moment in moments.items()]
    return _Made(frame=swap.frame, amount=round(float(np.mean(away)) / FRAME_RATE_HZ, 3) if away else 0.0)


def _lips_retimed(work: _Work) -> _Made:
    return _lips_by_moments(work, retimed(work.subject.track, work.first_tick, work.rng))


def _lips_other_moment(work: _Work) -> _Made:
    return _lips_by_moments(work, other_moment(work.subject.track, work.first_tick, work.rng))


def _talking_portrait(work: _Work) -> _Made:
    recording, track = work.recording, work.subject.track
    moves = bool(work.rng.random() < 0.7)
    portrait = choose_portrait(recording, track, wanted_turn=0.0, open_share=0.8 if moves else 0.4)
    animation = TalkingPortrait(portrait, track, work.rng, mouth_moves=moves)

    def frame(tick: int) -> UInt8:
        return recording.frames[tick] if tick < work.first_tick else animation.frame(tick)

    return _Made(frame=frame, variant="mouth follows the clip" if moves else "mouth at rest")


_MAKERS: Final[Mapping[str, Callable[[_Work], _Made]]] = MappingProxyType(
    {
        GENUINE: _genuine,
        "voice_swapped": _voice_swapped,
        "voice_shifted": _voice_shifted,
        "voice_resynthesised": _voice_resynthesised,
        BY_MACHINE: _voice_by_machine,
        "face_swapped": _face_swapped,
        "identity_drift": _identity_drift,
        "identity_flicker": _identity_flicker,
        "lips_retimed": _lips_retimed,
        "lips_other_moment": _lips_other_moment,
        "talking_portrait": _talking_portrait,
    }
)
