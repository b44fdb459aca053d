"""Who a synthetic head is: its proportions and colours. Nobody real; every number is drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Colour = tuple[float, float, float]

_COMPLEXIONS: tuple[tuple[Colour, tuple[Colour, ...]], ...] = (
    ((0.86, 0.66, 0.55), ((0.30, 0.19, 0.11), (0.62, 0.47, 0.27), (0.42, 0.19, 0.09), (0.10, 0.075, 0.06))),
    ((0.74, 0.52, 0.40), ((0.30, 0.19, 0.11), (0.10, 0.075, 0.06), (0.50, 0.36, 0.20))),
    ((0.50, 0.32, 0.22), ((0.05, 0.04, 0.035), (0.10, 0.075, 0.06))),
    ((0.27, 0.165, 0.12), ((0.03, 0.025, 0.025), (0.06, 0.05, 0.045))),
)
_GREY: Colour = (0.52, 0.51, 0.50)
_CLOTH: tuple[Colour, ...] = (
    (0.07, 0.10, 0.20),
    (0.30, 0.06, 0.07),
    (0.08, 0.19, 0.13),
    (0.45, 0.44, 0.42),
    (0.05, 0.05, 0.06),
)
_IRIS: tuple[Colour, ...] = ((0.25, 0.15, 0.09), (0.30, 0.42, 0.52), (0.32, 0.38, 0.22))


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadIdentity:
    """Proportions in centimetres around the middle of the eye line (x right, y down), colours in linear RGB.

    Attributes:
        face_half_width: At the cheekbones.
        jaw_half_width: At the height of the mouth.
        chin_y: Bottom of the chin.
        eye_half_distance: From the middle to the centre of an eye.
        eye_half_width: From the centre of an eye to its corner.
        eye_half_height: Opening of the upper lid.
        eye_tilt: Rise of the outer corner over the inner one.
        nose_y: Height of the tip of the nose.
        nose_half_width: At the wings.
        nose_depth: How far the tip stands out.
        mouth_y: Height of the line between the lips.
        mouth_half_width: From the middle to a corner.
        upper_lip: Height of the upper lip's red.
        lower_lip: Height of the lower lip's red.
        brow_y: Height of the brows, negative.
        brow_thickness: Thickness of the brows.
        brow_arch: Rise of the middle of a brow.
        brow_slant: Rise of the outer end of a brow over the inner one.
        parting_x: Where the hair parts.
        hairline_y: Height of the hairline at the middle, negative.
        hair_volume: How far the hair stands off the skull.
        hair_length_y: How far down the hair reaches at the sides.
        cheek: Prominence of the cheekbones.
        beard: Density of the beard, in [0, 1].
        age: Depth of folds, in [0, 1].
        freckles: Density of freckles, in [0, 1].
        glasses: Whether glasses are worn.
        skin: Skin colour.
        hair: Hair colour.
        iris: Colour of the eyes.
        cloth: Colour of the clothes.
        backdrop: Colour of the wall behind.
        texture_seed: Seed of the fine texture.
        room_seed: Seed of what stands in the room behind.
    """

    face_half_width: float = 7.0
    jaw_half_width: float = 5.7
    chin_y: float = 11.0
    eye_half_distance: float = 3.15
    eye_half_width: float = 1.5
    eye_half_height: float = 0.62
    eye_tilt: float = 0.05
    nose_y: float = 4.3
    nose_half_width: float = 1.65
    nose_depth: float = 2.2
    mouth_y: float = 6.9
    mouth_half_width: float = 2.5
    upper_lip: float = 0.6
    lower_lip: float = 0.85
    brow_y: float = -2.0
    brow_thickness: float = 0.5
    brow_arch: float = 0.35
    brow_slant: float = 0.0
    parting_x: float = 1.5
    hairline_y: float = -6.2
    hair_volume: float = 0.9
    hair_length_y: float = 0.5
    cheek: float = 0.8
    beard: float = 0.0
    age: float = 0.2
    freckles: float = 0.0
    glasses: bool = False
    skin: Colour = _COMPLEXIONS[0][0]
    hair: Colour = _COMPLEXIONS[0][1][0]
    iris: Colour = _IRIS[0]
    cloth: Colour = (0.12, 0.17, 0.28)
    backdrop: Colour = (0.42, 0.44, 0.46)
    texture_seed: int = 0
    room_seed: int = 0


def draw_identity(seed: int) -> HeadIdentity:
    """Draw an identity at random.

    Args:
        seed: Any non-negative integer; the same seed gives the same identity.
    """
    rng = np.random.default_rng([seed, 0xFACE])

    def spread(middle: float, deviation: float) -> float:
        return float(middle + deviation * np.clip(rng.normal(), -1.8, 1.8))

    def tint(colour: Colour, amount: float) -> Colour:
        lighter = 1 + 3 * amount * rng.uniform(-1, 1)
        r, g, b = (
            float(np.clip(c * lighter * (1 + amount * rng.uniform(-1, 1)), 0.02, 0.92)) for c in colour
        )
        return r, g, b

    complexion = int(rng.integers(len(_COMPLEXIONS)))
    skin, hair_colours = _COMPLEXIONS[complexion]
    age = float(rng.uniform(0.0, 1.0))
    hair = _GREY if age > 0.7 else hair_colours[int(rng.integers(len(hair_colours)))]
    bearded = rng.random() < 0.35
    face = spread(7.0, 0.55)
    return HeadIdentity(
        face_half_width=face,
        jaw_half_width=min(spread(5.7, 0.6), 0.86 * face),
        chin_y=spread(11.0, 0.8),
        eye_half_distance=spread(3.15, 0.28),
        eye_half_width=spread(1.5, 0.15),
        eye_half_height=spread(0.62, 0.14),
        eye_tilt=spread(0.08, 0.16),
        nose_y=spread(4.3, 0.5),
        nose_half_width=spread(1.65, 0.3),
        nose_depth=spread(2.2, 0.55),
        mouth_y=spread(6.9, 0.3),
        mouth_half_width=spread(2.5, 0.3),
        upper_lip=spread(0.6, 0.18),
        lower_lip=spread(0.85, 0.22),
        brow_y=spread(-2.0, 0.3),
        brow_thickness=spread(0.5, 0.2),
        brow_arch=spread(0.35, 0.25),
        brow_slant=spread(0.0, 0.2),
        parting_x=spread(0.0, 2.5),
        hairline_y=spread(-6.2, 0.9),
        hair_volume=spread(0.9, 0.4),
        hair_length_y=0.5 if bearded or rng.random() < 0.4 else spread(7.0, 2.0),
        cheek=spread(0.8, 0.35),
        beard=float(rng.uniform(0.4, 1.0)) if bearded else 0.0,
        age=age,
        freckles=float(complexion < 2 and rng.random() < 0.4) * float(rng.uniform(0.3, 1.0)),
        glasses=bool(rng.random() < 0.25),
        skin=tint(skin, 0.04),
        hair=tint(hair, 0.05),
        iris=tint(_IRIS[int(rng.integers(len(_IRIS))) if complexion < 2 else 0], 0.1),
        cloth=tint(_CLOTH[int(rng.integers(len(_CLOTH)))], 0.15),
        backdrop=tint((0.42, 0.44, 0.46), 0.12),
        texture_seed=seed,
        room_seed=seed,
    )
