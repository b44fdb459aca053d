"""A face recogniser on every picture, that remembers nothing but the picture before."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.peers.neighbours import largest_change
from engines.frontend.alignment import ALIGNED_SIZE_PX, similarity_transform
from realtime.config import MonitorConfig
from realtime.encoders.suite import load_encoders
from realtime.faces.detector import FaceDetector
from realtime.ingest.file import read_media
from realtime.ingest.sink import PendingPicture
from realtime.types import Float32, VideoFrame


class FaceOfPictures:
    """YuNet and SFace from the store, both on every picture."""

    def __init__(self) -> None:
        config = MonitorConfig()
        self._least = config.faces.min_detection_confidence
        self._encoders = load_encoders(config, checkpoint_dir=None)
        self._detector = FaceDetector(self._encoders.engines.detector)

    def largest_change(self, clip: Path) -> float | None:
        """Return the largest 1 - cosine of two neighbouring pictures' faces; None without two of them."""
        with read_media(clip) as media:
            return largest_change(
                self._face(item.resolve()) for item in media if isinstance(item, PendingPicture)
            )

    def _face(self, frame: VideoFrame) -> Float32 | None:
        found = () if frame.image is None else self._detector.detect(frame.image)
        if frame.image is None or not found or found[0].confidence < self._least:
            return None
        crop = frame.image.warped(similarity_transform(found[0].points), ALIGNED_SIZE_PX, repeat_edge=False)
        return np.asarray(self._encoders.identity.embed(crop[np.newaxis])[0], np.float32)
