"""The three people of the synthetic demo call, and how a part of the call is played by them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from clients.demo.head_identity import HeadIdentity, draw_identity
from clients.demo.performance import perform
from clients.demo.synthetic_head import SyntheticHead
from clients.demo.synthetic_voice import VoiceIdentity
from clients.demo.utterance import Utterance
from realtime.types import UInt8

PICTURE_SIZE = (640, 480)

GENUINE_FACE = draw_identity(43)
CALLER_FACE = draw_identity(66)
INTRUDER_FACE = draw_identity(69)
"""With the others' seeds chosen so that a face recogniser tells the three apart (SFace cosine below 0.4)."""

GENUINE_VOICE = VoiceIdentity(pitch_hz=112.0, formant_scale=1.0, breath=0.2, seed=1)
CALLER_VOICE = VoiceIdentity(pitch_hz=150.0, formant_scale=1.06, breath=0.2, seed=2)


def in_the_room_of(face: HeadIdentity, owner: HeadIdentity) -> HeadIdentity:
    """Return the first person's head in the second one's clothes and room."""
    return replace(face, cloth=owner.cloth, backdrop=owner.backdrop, room_seed=owner.room_seed)


def act(
    face: HeadIdentity, lips: Utterance, *, seed: int, size: tuple[int, int] = PICTURE_SIZE
) -> Iterator[UInt8]:
    """Yield the pictures of one person who says one utterance, uint8 RGB (height, width, 3), 25 a second.

    Args:
        face: Who.
        lips: What the mouth says.
        seed: Seed of head motion, blinks and light.
        size: Width and height in pixels, even.
    """
    yield from act_exchanged(face, face, lips, lips, 0, seed=seed, size=size)


def act_exchanged(
    face: HeadIdentity,
    other_face: HeadIdentity,
    lips: Utterance,
    other_lips: Utterance,
    change_tick: int,
    *,
    seed: int,
    size: tuple[int, int] = PICTURE_SIZE,
) -> Iterator[UInt8]:
    """Yield pictures in which, from a tick on, another head with other lips carries on the same motion.

    Args:
        face: Who is seen before the change.
        other_face: Who is seen from it on.
        lips: What the mouth says before the change.
        other_lips: What the mouth says from it on.
        change_tick: The first picture after the change.
        seed: Seed of head motion, blinks and light.
        size: Width and height in pixels, even.
    """
    head = SyntheticHead(face, size=size)
    other_head = head if other_face == face else SyntheticHead(other_face, size=size)
    for tick, (before, after) in enumerate(zip(perform(lips, seed), perform(other_lips, seed), strict=True)):
        yield head.render(before) if tick < change_tick else other_head.render(after)
