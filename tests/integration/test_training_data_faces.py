"""Faces that are kept beside the other features, which they leave as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engines.loader import EngineSet
from realtime.encoders.identity import PooledIdentityEncoder
from tests.support.training_clips import clip_record
from training.data.features import features_of


def test_faces_come_five_a_second_and_change_nothing_else(genuine_clip: Path, engine_set: EngineSet) -> None:
    record = clip_record("genuine", path=genuine_clip, duration_s=None)
    bare, full = features_of(record, engine_set), features_of(record, engine_set, faces=True)
    for name in set(type(full).__slots__) - {"clip", "faces", "face_ticks"}:
        np.testing.assert_array_equal(getattr(full, name), getattr(bare, name), err_msg=name)
    assert len(bare.faces) == 0
    assert set(np.diff(full.face_ticks)) <= {5, 10}
    assert len(full.faces) > 0.8 * full.ticks / 5
    rows = np.flatnonzero(np.isin(full.face_ticks, full.identity_ticks))
    assert full.face_ticks[rows].tolist() == full.identity_ticks.tolist()
    encoder = PooledIdentityEncoder(engine_set.identity, full.identity.shape[1])
    np.testing.assert_allclose(encoder.embed(full.faces[rows[:1]])[0], full.identity[0], atol=1e-5)
