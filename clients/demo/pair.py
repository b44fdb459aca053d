"""The two clips of the demo call: from recorded clips where there are some, else generated and labelled."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from clients.demo.cast import (
    CALLER_FACE,
    CALLER_VOICE,
    GENUINE_FACE,
    GENUINE_VOICE,
    INTRUDER_FACE,
    act,
    act_exchanged,
    in_the_room_of,
)
from clients.demo.clip_writer import Tick, clip_suffix, write_clip
from clients.demo.recordings import RecordedCast, TooFewRecordings, choose_cast
from clients.demo.synthetic_voice import synthesise
from clients.demo.utterance import draw_utterance
from realtime.errors import MediaError
from realtime.timebase import FRAME_RATE_HZ, SAMPLES_PER_TICK

Progress = Callable[[str, float], None]
"""Receives what is being made and how much of it is done, from 0 to 1."""

_RECIPE = 1
_SHORTEST_S = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPair:
    """The clips of a demo call.

    Attributes:
        genuine: A clip in which nothing was changed.
        tampered: A clip whose face is exchanged, and whose lips no longer follow the voice, from
            ``change_at_s`` on.
        description: Where the clips come from, in words for the user.
        synthetic: Whether the people in them are generated.
        change_at_s: When the tampering begins, in seconds of the clip.
    """

    genuine: Path
    tampered: Path
    description: str
    synthetic: bool
    change_at_s: float


def _silent(_what: str, _fraction: float) -> None:
    return


def demo_pair(
    clips_dir: Path | None,
    out_dir: Path,
    *,
    seconds: float = 60,
    seed: int = 0,
    progress: Progress = _silent,
) -> DemoPair:
    """Return the demo call's clips; make them where an earlier call has not.

    Args:
        clips_dir: Folder of recorded clips with a ``manifest.csv``; None for a synthetic pair.
        out_dir: Where the clips are kept.
        seconds: Length of both clips, at least 4.
        seed: Which words the synthetic people say; recorded clips ignore it.
        progress: Told about the making.

    Raises:
        MediaError: If ``clips_dir`` or its manifest cannot be read, a clip cannot be written, or ``seconds``
            is too short.
    """
    if seconds < _SHORTEST_S:
        raise MediaError(
            f"A demo call of {seconds:g} s is too short.", fix=f"Ask for at least {_SHORTEST_S:g} seconds."
        )
    ticks = round(seconds * FRAME_RATE_HZ)
    if clips_dir is None:
        return _synthetic_pair(out_dir, ticks, seed, progress, because="")
    try:
        cast = choose_cast(clips_dir)
        return _recorded_pair(cast, out_dir, ticks, progress)
    except TooFewRecordings as shortage:
        return _synthetic_pair(out_dir, ticks, seed, progress, because=f" ({shortage})")


def synthetic_genuine(path: Path, *, seconds: float, seed: int = 0, progress: Progress = _silent) -> None:
    """Write the synthetic genuine clip: one person, one voice, lips that follow it.

    Args:
        path: Where to.
        seconds: Length.
        seed: Which words are said.
        progress: Told about the making.

    Raises:
        MediaError: If the clip cannot be written.
    """
    words = draw_utterance(seconds, 2 * seed)
    sound = synthesise(words, GENUINE_VOICE).reshape(-1, SAMPLES_PER_TICK)
    ticks = zip(act(GENUINE_FACE, words, seed=seed), sound, strict=True)
    _write(path, ticks, len(sound), "synthetic genuine participant", progress)


def synthetic_exchanged(
    path: Path, *, seconds: float, change_at_s: float, seed: int = 0, progress: Progress = _silent
) -> None:
    """Write the synthetic tampered clip: in mid-call another head appears, whose lips say something else.

    Args:
        path: Where to.
        seconds: Length.
        change_at_s: When the face is exchanged.
        seed: Which words are said.
        progress: Told about the making.

    Raises:
        MediaError: If the clip cannot be written.
    """
    words, other_words = draw_utterance(seconds, 2 * seed + 1), draw_utterance(seconds, 2 * seed + 100_001)
    pictures = act_exchanged(
        CALLER_FACE,
        in_the_room_of(INTRUDER_FACE, CALLER_FACE),
        words,
        other_words,
        round(change_at_s * FRAME_RATE_HZ),
        seed=seed + 1,
    )
    sound = synthesise(words, CALLER_VOICE).reshape(-1, SAMPLES_PER_TICK)
    ticks = zip(pictures, sound, strict=True)
    _write(path, ticks, len(sound), "synthetic tampered participant", progress)


def _synthetic_pair(out_dir: Path, ticks: int, seed: int, progress: Progress, *, because: str) -> DemoPair:
    key, suffix = _key("synthetic", ticks, seed), clip_suffix()
    genuine = out_dir / f"synthetic-genuine-{key}{suffix}"
    tampered = out_dir / f"synthetic-tampered-{key}{suffix}"
    seconds, change_at_s = ticks / FRAME_RATE_HZ, (ticks // 2) / FRAME_RATE_HZ
    if not genuine.exists():
        synthetic_genuine(genuine, seconds=seconds, seed=seed, progress=progress)
    if not tampered.exists():
        synthetic_exchanged(tampered, seconds=seconds, change_at_s=change_at_s, seed=seed, progress=progress)
    return DemoPair(
        genuine=genuine,
        tampered=tampered,
        description=(
            f"synthetic people and voices, generated by Seamwatch{because}; at {change_at_s:g} s one face is "
            "exchanged and its lips no longer follow the voice"
        ),
        synthetic=True,
        change_at_s=change_at_s,
    )


def _recorded_pair(cast: RecordedCast, out_dir: Path, ticks: int, progress: Progress) -> DemoPair:
    key, suffix = _key(*cast.fingerprint, ticks), clip_suffix()
    genuine = out_dir / f"recorded-genuine-{key}{suffix}"
    tampered = out_dir / f"recorded-tampered-{key}{suffix}"
    change_tick = ticks // 2
    change_at_s = change_tick / FRAME_RATE_HZ
    if not genuine.exists():
        _write(genuine, cast.genuine(ticks), ticks, "recorded genuine participant", progress)
    if not tampered.exists():
        played = cast.exchanged(ticks, change_tick)
        _write(tampered, played, ticks, "recorded participant, tampered with", progress)
    return DemoPair(
        genuine=genuine,
        tampered=tampered,
        description=(
            f"recorded speakers of the {cast.corpus}; at {change_at_s:g} s one face is exchanged and its "
            "lips no longer follow the voice"
        ),
        synthetic=False,
        change_at_s=change_at_s,
    )


def _key(*parts: object) -> str:
    return hashlib.sha256(repr((_RECIPE, parts)).encode()).hexdigest()[:10]


def _write(path: Path, ticks: Iterable[Tick], count: int, title: str, progress: Progress) -> None:
    def counted() -> Iterator[Tick]:
        for index, tick in enumerate(ticks):
            if index % FRAME_RATE_HZ == 0:
                progress(title, index / count)
            yield tick

    write_clip(path, counted(), title=title)
    progress(title, 1.0)
