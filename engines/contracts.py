"""The contracts of the roles: what an engine takes and gives, whatever is behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engines.frontend.lips import LIP_POINTS
from engines.frontend.mel import MEL_BINS
from engines.frontend.mouth import MOUTH_SIZE_PX
from engines.spec import Role, TensorSpec

FRONTEND_VERSION = 1
"""Raised whenever a frontend computes something else under an identifier that it had before."""

SPEECH_FEATURES = 384

MAX_VAD_CHUNKS = 16
"""Chunks of 32 ms in one run of the VAD."""

STEPS_PER_TICK: Mapping[Role, int] = {Role.VISUAL: 1, Role.SPEECH: 4, Role.AUDIO: 2}
"""Entries of the time axis in one video tick, of the roles whose inputs are windows."""

_STRIDES = (8, 16, 32)
_YUNET_OUTPUTS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """Inputs and outputs of a role, and the preprocessing that its inputs went through.

    Attributes:
        inputs: Tensors by name.
        outputs: Tensors by name.
        frontend: Identifier of the preprocessing.
    """

    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    frontend: str


def identity_contract(dimension: int) -> Contract:
    """Return the contract of a face recogniser.

    Args:
        dimension: Length D of its embeddings.

    Returns:
        ``faces`` RGB in [0, 255], aligned to the five-point template, to ``embedding``, not normalised.
    """
    return Contract(
        inputs={"faces": TensorSpec(shape=(None, 3, 112, 112))},
        outputs={"embedding": TensorSpec(shape=(None, dimension))},
        frontend="five-point-112-rgb-0-255",
    )


def visual_contract(dimension: int) -> Contract:
    """Return the contract of gamma: F ticks of lips and mouth pictures to F - 2R frame embeddings.

    Args:
        dimension: Length D of an embedding.
    """
    return Contract(
        inputs={
            "lips": TensorSpec(shape=(None, None, LIP_POINTS, 2)),
            "mouth": TensorSpec(shape=(None, None, MOUTH_SIZE_PX, MOUTH_SIZE_PX)),
        },
        outputs={"frames": TensorSpec(shape=(None, None, dimension))},
        frontend="lips-40-eye-normalised+mouth-64-grey-0-255",
    )


def audio_contract(dimension: int) -> Contract:
    """Return the contract of alpha: speech features of F ticks, two a tick, to F - 2R frame embeddings.

    Args:
        dimension: Length D of an embedding.
    """
    return Contract(
        inputs={"speech": TensorSpec(shape=(None, None, SPEECH_FEATURES))},
        outputs={"frames": TensorSpec(shape=(None, None, dimension))},
        frontend="whisper-tiny.en-layer-2-50hz",
    )


CONTRACTS: Mapping[Role, Contract] = {
    Role.DETECTOR: Contract(
        inputs={"image": TensorSpec(shape=(1, 3, None, None), multiples=(1, 1, 32, 32))},
        outputs={
            f"{name}_{stride}": TensorSpec(shape=(1, None, width))
            for name, width in _YUNET_OUTPUTS.items()
            for stride in _STRIDES
        },
        frontend="picture-bgr-0-255",
    ),
    Role.IDENTITY: identity_contract(128),
    Role.LANDMARKS: Contract(
        inputs={"faces": TensorSpec(shape=(None, 192, 192, 3))},
        outputs={
            "landmarks": TensorSpec(shape=(None, 468, 3)),
            "confidence": TensorSpec(shape=(None,)),
        },
        frontend="five-point-roi-192-rgb-0-1",
    ),
    Role.VAD: Contract(
        inputs={
            "input": TensorSpec(shape=(None, 576)),
            "state": TensorSpec(shape=(2, 1, 128)),
            "sr": TensorSpec(shape=(), dtype="int64"),
        },
        outputs={"output": TensorSpec(shape=(None, 1)), "stateN": TensorSpec(shape=(2, 1, 128))},
        frontend="pcm-16khz-64-512",
    ),
    Role.SPEECH: Contract(
        inputs={"mel": TensorSpec(shape=(None, None, MEL_BINS), multiples=(1, 2, 1))},
        outputs={"features": TensorSpec(shape=(None, None, SPEECH_FEATURES))},
        frontend="whisper-log-mel-80-100hz",
    ),
}
"""Detector: ``image`` BGR in [0, 255] to YuNet's maps, one row a cell, for strides 8, 16 and 32.

Landmarks: ``faces`` RGB in [0, 1], channels last, to ``landmarks`` (x, y, depth) in px of the 192x192 region
and ``confidence``, the logit that a face is there.

VAD: ``input``, rows that follow each other, at most ``MAX_VAD_CHUNKS``, of 64 samples of context and 512 new
ones at ``sr`` = 16000 Hz, and the carried ``state``, to ``output``, each row's probability of speech, and
``stateN``, the state after the last one.

Speech: ``mel`` as from ``engines.frontend.mel``, 4 F frames, to ``features``, 2 F states of a Whisper encoder
after its second layer.
"""
