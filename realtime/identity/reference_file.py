"""A reference out of a photo or a clip: read once at the start, and kept in memory only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from engines.frontend.alignment import align_face
from engines.frontend.picture import RgbPicture
from engines.frontend.quality import face_size, face_turn, sharpness
from realtime.config import FaceConfig
from realtime.encoders.base import IdentityEncoder
from realtime.errors import MediaError
from realtime.faces.analyzer import Detector
from realtime.identity.prototypes import Prototypes
from realtime.identity.reference import Reference
from realtime.ingest.file import read_media
from realtime.ingest.sink import PendingPicture
from realtime.timebase import FRAME_RATE_HZ
from realtime.types import FaceReason, Float32, UInt8

#: A clip is looked at as often as a participant, and no further than this.
CLIP_INTERVAL_TICKS: Final = 15
MAX_CLIP_TICKS: Final = 60 * FRAME_RATE_HZ
#: Good views that a clip must show, about 2 s.
MIN_CLIP_VIEWS: Final = 3
#: Part of a clip's pictures that may show a passer-by, or another look than all others.
MAX_STRAY_RATIO: Final = 0.1
MAX_LOOKS: Final = 5
NOVEL_BELOW: Final = 0.8
#: The most typical face of a clip against each of them; two people lie far below.
SAME_PERSON_ABOVE: Final = 0.5

SEVERAL_FACES: Final = "several_faces"

_PHOTO_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
_MAX_PHOTO_BYTES: Final = 64 * 1024 * 1024
_FIXES = {
    FaceReason.NO_FACE: "Name a photo or a clip in which the face is seen from the front.",
    FaceReason.TOO_SMALL: "Name one in which the face is larger, or cut the face out.",
    FaceReason.TURNED_AWAY: "Name one in which the person looks at the camera.",
    FaceReason.BLURRED: "Name one in which the face is sharp.",
    SEVERAL_FACES: "Name one that shows this person alone, or cut the others away.",
}
_WORDS = {
    FaceReason.NO_FACE: "shows no face",
    FaceReason.TOO_SMALL: "shows a face that is too small",
    FaceReason.TURNED_AWAY: "shows a face that is turned away",
    FaceReason.BLURRED: "shows a face that is blurred",
    SEVERAL_FACES: "shows several faces",
}


def read_reference(path: Path, detector: Detector, identity: IdentityEncoder, faces: FaceConfig) -> Reference:
    """Read a photo (JPEG, PNG) or the first minute of a clip, and embed the face in it.

    Args:
        path: The file; only its pictures count.
        detector: As for participants.
        identity: As for participants.
        faces: What makes a face good enough, as for participants.

    Raises:
        MediaError: The file cannot be read, or does not show exactly one person well enough.
        EngineError: An engine fails.
    """
    photo = _photo(path)
    least = 1 if photo is not None else MIN_CLIP_VIEWS
    crops: list[UInt8] = []
    failures: Counter[str] = Counter()
    for picture in _clip(path) if photo is None else (photo,):
        view = _only_face(picture, detector, faces)
        if isinstance(view, str):
            failures[view] += 1
        else:
            crops.append(view)
    pictures = len(crops) + failures.total()
    if failures[SEVERAL_FACES] > MAX_STRAY_RATIO * pictures:
        raise _unfit(path, SEVERAL_FACES)
    if len(crops) < least:
        raise _unfit(path, max(failures, key=lambda reason: failures[reason], default=FaceReason.NO_FACE))
    vectors = np.concatenate([identity.embed(crop[np.newaxis]) for crop in crops])
    return Reference(looks=_looks(path, vectors), engine_id=identity.id)


def _photo(path: Path) -> UInt8 | None:
    """Return a photo as upright RGB; None where the file is something else."""
    try:
        with path.open("rb") as file:
            start = file.read(max(map(len, _PHOTO_STARTS)))
            if not start.startswith(_PHOTO_STARTS):
                return None
            encoded = start + file.read(_MAX_PHOTO_BYTES)
    except OSError as error:
        raise MediaError(
            f"The reference {path} cannot be read.", fix="Check the path, and that you may read it."
        ) from error
    try:
        picture = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        picture = None
    if picture is None or len(encoded) > _MAX_PHOTO_BYTES:
        raise MediaError(
            f"The reference {path} is no photo that can be decoded.",
            fix="Save it again as JPEG or PNG, in fewer pixels.",
        )
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def _clip(path: Path) -> Iterator[UInt8]:
    with read_media(path) as media:
        for item in media:
            if not isinstance(item, PendingPicture):
                continue
            if item.tick >= MAX_CLIP_TICKS:
                return
            if item.tick % CLIP_INTERVAL_TICKS == 0:
                yield item.convert()


def _only_face(picture: UInt8, detector: Detector, faces: FaceConfig) -> UInt8 | str:
    """Return the aligned crop of the one face in a picture, or why there is none."""
    sure = [
        one
        for one in detector.detect(RgbPicture(picture))
        if one.confidence >= faces.min_detection_confidence
    ]
    large = [one for one in sure if face_size(one.box) >= faces.min_face_px]
    if not large:
        return FaceReason.TOO_SMALL if sure else FaceReason.NO_FACE
    if len(large) > 1:
        return SEVERAL_FACES
    if not abs(face_turn(large[0].points)) <= faces.max_turn:
        return FaceReason.TURNED_AWAY
    crop = align_face(picture, large[0].points)
    return FaceReason.BLURRED if sharpness(crop) < faces.min_sharpness else crop


def _looks(path: Path, vectors: Float32) -> Float32:
    similarities = vectors @ vectors.T
    like = similarities[np.argmax(similarities.sum(axis=1))] >= SAME_PERSON_ABOVE
    if np.mean(~like) > MAX_STRAY_RATIO:
        raise _unfit(path, SEVERAL_FACES)
    looks = Prototypes(MAX_LOOKS, NOVEL_BELOW)
    for vector in vectors[like]:
        looks.add(vector, 1.0)
    return looks.means()


def _unfit(path: Path, reason: str) -> MediaError:
    return MediaError(f"The reference {path} {_WORDS[reason]}.", fix=_FIXES[reason])
