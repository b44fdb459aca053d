"""Blocks of observations, and levels of quality."""

from __future__ import annotations

from dataclasses import replace

import pytest

from realtime.decision.blocks import BlockBuilder, BlockRule
from realtime.decision.quality import LEVEL_EDGES, Level, factors, level_of
from realtime.errors import ConfigurationError
from realtime.types import Modality, TimeSpan
from tests.support.decision import GOOD, HOP_NS, WINDOW_NS, observed

RULE = BlockRule(observations=3, max_pause_ns=5 * HOP_NS, hop_ns=HOP_NS)


def built(observations, rule=RULE):
    builder = BlockBuilder(Modality.CROSS, rule)
    return [block for block in map(builder.add, observations) if block is not None]


def test_blocks_share_no_observation():
    blocks = built(observed([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]))
    assert [block.value for block in blocks] == pytest.approx([0.2, 0.5])
    assert [block.span for block in blocks] == [
        TimeSpan(start_ns=first * HOP_NS + WINDOW_NS, end_ns=(first + 2) * HOP_NS + WINDOW_NS)
        for first in (0, 3)
    ]


@pytest.mark.parametrize(("pause", "values"), [(5, [0.2]), (6, [])])
def test_a_block_does_not_span_a_long_pause(pause, values):
    observations = observed([0.1, 0.2]) + observed([0.3], first=1 + pause)
    assert [block.value for block in built(observations)] == pytest.approx(values)


def test_after_a_long_pause_a_block_begins_anew():
    observations = observed([0.9, 0.9]) + observed([0.1, 0.2, 0.3], first=40)
    assert [block.value for block in built(observations)] == pytest.approx([0.2])


def test_a_block_is_as_good_as_its_poorest_window():
    first, second, third = observed([0.1, 0.2, 0.3])
    small, soft = LEVEL_EDGES["face_px"][0], LEVEL_EDGES["sharpness"][0]
    second = replace(second, quality=replace(GOOD, face_px=small))
    third = replace(third, quality=replace(GOOD, sharpness=soft))
    (block,) = built([first, second, third])
    assert block.factors == {"face_px": small, "sharpness": soft, "picture_ratio": 1.0}
    assert block.level is Level.FAIR


def test_a_window_of_unknown_quality_enters_no_block():
    observations = observed([0.1, 0.2, 0.3, 0.4])
    observations[1] = replace(observations[1], quality=replace(GOOD, sharpness=None), value=-1.0)
    assert [block.value for block in built(observations)] == pytest.approx([(0.1 + 0.3 + 0.4) / 3])


@pytest.mark.parametrize("factor", LEVEL_EDGES)
def test_the_worst_factor_decides_the_level(factor):
    fair, good = LEVEL_EDGES[factor]

    def level(value):
        return level_of(factors(Modality.CROSS, replace(GOOD, **{factor: value})))

    assert (level(good), level(good - 0.01)) == (Level.GOOD, Level.FAIR)
    assert (level(fair), level(fair - 0.01)) == (Level.FAIR, Level.POOR)


def test_speech_is_no_factor():
    assert level_of(factors(Modality.CROSS, replace(GOOD, speech_ratio=None))) is Level.GOOD


def test_a_face_is_remembered_whatever_the_lips_do():
    assert level_of(factors(Modality.INTRA, replace(GOOD, picture_ratio=None))) is Level.GOOD
    assert factors(Modality.CROSS, replace(GOOD, picture_ratio=None)) is None


def test_the_hop_and_the_size_give_the_pace():
    assert BlockRule(observations=2, hop_ns=HOP_NS).blocks_per_hour == pytest.approx(4500.0)
    for wrong in ({"observations": 0}, {"hop_ns": 0}, {"max_pause_ns": 1}):
        with pytest.raises(ConfigurationError):
            BlockRule(**wrong)
