"""A reference can only make a judgement worse for the participant, never better."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.config import MonitorConfig
from realtime.identity.reference import Reference
from realtime.judge import EncodedWindow, Judge
from realtime.types import AlertState, Verdict
from tests.support.evidence import embedding, lag_embeddings, unit, window

CONFIG = MonitorConfig()
LAGS = 2 * CONFIG.windows.band_ticks + 1
DIMENSION = 8
KNOWN = Reference(looks=unit([np.eye(DIMENSION)[0]]), engine_id="test")
SEVERITY = {AlertState.CLEAR: 0, AlertState.SUSPICIOUS: 1, AlertState.ALERT: 2}

#: Which person is seen (None: nobody), how well the lips fit the voice (None: silence), and for how long.
scenes = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 0, 1, 2, None]),
        st.sampled_from([0.6, 0.6, 0.1, -0.2, None]),
        st.integers(1, 40),
        st.integers(0, 2**32),
    ),
    min_size=1,
    max_size=8,
)


def encoded(index, person, fit, rng):
    identity = None
    if person is not None:
        identity = embedding(index, np.eye(DIMENSION)[person] + 0.05 * rng.normal(size=DIMENSION))
    lips = voice = None
    if person is not None and fit is not None:
        direction, other = unit(rng.normal(size=(2, DIMENSION)))
        rows = unit(rng.normal(size=(LAGS, DIMENSION)))
        rows[CONFIG.windows.band_ticks] = unit(fit * direction + (1 - abs(fit)) * other)
        lips, voice = embedding(index, direction), lag_embeddings(index, rows)
    return EncodedWindow(
        window=window(
            index,
            CONFIG.windows,
            faces=0.0 if person is None else 1.0,
            speech=0.0 if fit is None else 1.0,
        ),
        identity=identity,
        lips=lips,
        voice=voice,
    )


@settings(max_examples=40)
@given(scenes)
def test_no_state_is_milder_and_no_verdict_better_than_without_a_reference(call):
    plain, checked = Judge(CONFIG), Judge(CONFIG, reference=KNOWN)
    index = 0
    for person, fit, windows, seed in call:
        rng = np.random.default_rng(seed)
        for _ in range(windows):
            one = encoded(index, person, fit, rng)
            without, with_reference = plain.take(one), checked.take(one)
            index += 1
            assert SEVERITY[with_reference.state] >= SEVERITY[without.state]
            assert with_reference.score.margin == without.score.margin
            if with_reference.verdict is not without.verdict:
                assert with_reference.verdict in (Verdict.SUSPICIOUS, Verdict.FAKE)
