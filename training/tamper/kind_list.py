"""The kinds of tampering by name: what each touches and what it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Alters = Literal["nothing", "voice", "face"]

GENUINE: Final = "genuine"
BY_MACHINE: Final = "voice_by_machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A way to tamper.

    Attributes:
        name: Its name in options and ground truth.
        alters: What it touches; the rest stays as it is until it is encoded.
        needs_other: Whether it needs a recording of another person.
        does: What it does, in words.
    """

    name: str
    alters: Alters
    needs_other: bool = False
    does: str


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind(name=GENUINE, alters="nothing", does="nothing: the control, encoded alike"),
            Kind(name="voice_swapped", alters="voice", needs_other=True, does="another person's speech"),
            Kind(name="voice_shifted", alters="voice", does="the voice early or late by 0.08-1 s"),
            Kind(
                name="voice_resynthesised",
                alters="voice",
                does="the same words at the same times from a vocoder, at another pitch",
            ),
            Kind(name=BY_MACHINE, alters="voice", does="other words, spoken by espeak-ng"),
            Kind(
                name="face_swapped",
                alters="face",
                needs_other=True,
                does="another face bent onto the head; the lips keep to the voice",
            ),
            Kind(name="identity_drift", alters="face", needs_other=True, does="another face comes slowly"),
            Kind(
                name="identity_flicker", alters="face", needs_other=True, does="another face comes and goes"
            ),
            Kind(name="lips_retimed", alters="face", does="the mouth runs ahead and behind in turns"),
            Kind(name="lips_other_moment", alters="face", does="the mouth of another moment"),
            Kind(name="talking_portrait", alters="face", does="one picture, made to sway and to talk"),
        )
    }
)
