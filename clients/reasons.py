"""What the stable reason identifiers mean, in words for people."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType
from typing import NamedTuple

CONTRADICTIONS = frozenset({"identity_changed", "lips_do_not_fit_voice", "not_the_reference"})


class Reason(NamedTuple):
    """One reason in words.

    Attributes:
        short: A few words for a table cell, lower case, no full stop.
        sentence: One full sentence for a layperson.
    """

    short: str
    sentence: str


REASONS: MappingProxyType[str, Reason] = MappingProxyType(
    {
        "identity_changed": Reason(
            "the face changes its identity",
            "At some moments the face looks like a different person than at others.",
        ),
        "lips_do_not_fit_voice": Reason(
            "the lips do not fit the voice",
            "The movement of the lips does not go with the sounds that are heard.",
        ),
        "not_the_reference": Reason(
            "not the person of the reference",
            "The face does not look like the person in the photo or clip that was given as the reference.",
        ),
        "no_face": Reason("no face", "No face could be found in the picture."),
        "face_too_small": Reason(
            "the face is too small", "The face is too small in the picture to be compared."
        ),
        "face_turned_away": Reason(
            "the face is turned away", "The face is turned too far away from the camera."
        ),
        "face_blurred": Reason("the face is blurred", "The face is too blurred to be compared."),
        "landmarks_unsure": Reason(
            "the mouth is hard to make out", "The shape of the mouth could not be made out reliably."
        ),
        "frozen": Reason(
            "the picture stands still", "The same picture was shown again and again, so it says nothing new."
        ),
        "no_speech": Reason(
            "no speech", "Nobody spoke long enough for the lips to be compared with the voice."
        ),
        "no_audio": Reason("no sound", "There is no sound."),
        "no_video": Reason("no picture track", "There is no video."),
        "warming_up": Reason(
            "too little seen so far", "Too little has been seen and heard so far for a judgement."
        ),
        "overload": Reason(
            "the computer is too busy", "This computer was too busy to look at every picture."
        ),
        "low_frame_rate": Reason(
            "identity only, too few pictures",
            "Too few pictures come in a second to compare the lips with the voice; only the face is watched.",
        ),
        "clock_unsure": Reason(
            "sound and picture not aligned yet",
            "It is not certain yet which sound belongs to which picture, so the lips were not compared with "
            "the voice.",
        ),
        "several_faces": Reason(
            "several faces in the picture",
            "More than one face is in the picture, so nobody knows whose voice it is.",
        ),
        "not_calibrated": Reason(
            "no calibration for such media",
            "There is no calibration material of such quality, so these moments count for nothing.",
        ),
        "not_enrolled": Reason(
            "the face is not known yet",
            "The face has not been seen well for long enough to compare later moments with it.",
        ),
        "quality_unknown": Reason(
            "the quality is unknown",
            "The quality of the media could not be measured, so these moments count for nothing.",
        ),
        "no_picture": Reason("pictures are missing", "The picture was missing for a while."),
        "muted": Reason("muted", "The microphone or the camera was switched off."),
        "loss": Reason("lost on the network", "Parts of the call were lost on the network."),
        "dropped": Reason(
            "media was dropped", "Parts of the call were dropped before they could be looked at."
        ),
        "ended": Reason("the track ended", "The sound or the picture ended."),
        "no_track": Reason("a track is missing", "The sound or the picture is missing altogether."),
        "evidence_ran_out": Reason(
            "nothing left to compare", "There was nothing left to compare, so the earlier alarm was lifted."
        ),
        "consistent_again": Reason(
            "consistent again",
            "Face and voice have held together again for a while, so the alarm was lifted.",
        ),
        "too_short": Reason("too short", "The recording is too short to be judged."),
        "analysis_failed": Reason(
            "the analysis failed", "The analysis of this participant failed and has ended."
        ),
        "truncated": Reason(
            "the file is cut off", "The file is damaged or cut off; only a part was readable."
        ),
        "unreadable": Reason("the file could not be read", "The file could not be read at all."),
    }
)


def describe(identifier: str) -> Reason:
    """Return a reason in words; an identifier that is not known is spelt out as it stands."""
    known = REASONS.get(identifier)
    if known is not None:
        return known
    words = identifier.replace("_", " ").strip() or "unknown reason"
    return Reason(words, f"{words[:1].upper()}{words[1:]}.")


def in_words(identifiers: Iterable[str]) -> str:
    """Return several reasons as one short, comma-separated phrase; empty for none."""
    return ", ".join(describe(identifier).short for identifier in identifiers)
