"""Records of clips, and prepared clips of noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from training.data.clip import Clip
from training.data.prepared_clip import PreparedClip


def clip_record(name: str = "a/1.mp4", **fields: Any) -> Clip:
    """Return a record; speaker, source and path follow from the name unless they are given."""
    values: dict[str, Any] = {
        "path": Path(name),
        "name": name,
        "corpus": "corpus",
        "speaker": name.split("/", maxsplit=1)[0],
        "source": name,
        "duration_s": 3.0,
    }
    return Clip(**values | fields)


def noise_clip(clip: Clip, ticks: int = 10, seed: int = 0) -> PreparedClip:
    """Return features of the right shapes; every second tick has an identity."""
    rng = np.random.default_rng(seed)
    identity = rng.normal(size=(ticks // 2, 128)).astype(np.float32)
    return PreparedClip(
        clip=clip,
        lips=rng.normal(size=(ticks, 40, 2)).astype(np.float32),
        mouth=rng.integers(0, 256, (ticks, 64, 64), np.uint8),
        present=rng.random(ticks) < 0.9,
        track=np.zeros(ticks, np.int32),
        audio=rng.integers(-(2**15), 2**15, ticks * 640, np.int16),
        speech=rng.random(ticks, np.float32),
        identity=identity / np.linalg.norm(identity, axis=1, keepdims=True),
        identity_ticks=np.arange(0, ticks - 1, 2, dtype=np.int32),
        face_size_px=120.0,
        sharpness=0.5,
    )


def assert_same(left: PreparedClip, right: PreparedClip) -> None:
    """Compare everything but the paths of the clips."""
    assert left.clip.to_json() == right.clip.to_json()
    for name in PreparedClip.__slots__:
        if name != "clip":
            np.testing.assert_array_equal(getattr(left, name), getattr(right, name), err_msg=name)
