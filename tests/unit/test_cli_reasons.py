"""Every identifier that the monitor uses has words."""

from __future__ import annotations

import pytest

from clients.reasons import REASONS, describe, in_words
from realtime.types import FaceReason, GapReason

NAMED_BY_THE_CORE = {
    "identity_changed",
    "lips_do_not_fit_voice",
    "no_speech",
    "no_audio",
    "no_video",
    "low_frame_rate",
    "clock_unsure",
    "warming_up",
    "evidence_ran_out",
    "truncated",
    "unreadable",
}


@pytest.mark.parametrize("identifier", sorted(NAMED_BY_THE_CORE | set(FaceReason) | set(GapReason)))
def test_every_identifier_has_words(identifier: str) -> None:
    reason = REASONS[identifier]
    assert reason.sentence.endswith(".")
    assert not reason.short.endswith(".")
    assert "_" not in reason.short + reason.sentence


def test_an_unknown_identifier_is_spelt_out() -> None:
    assert describe("sun_in_lens") == ("sun in lens", "Sun in lens.")
    assert describe("").short == "unknown reason"


def test_several_reasons_are_one_phrase() -> None:
    assert in_words(["no_audio", "muted"]) == "no sound, muted"
    assert in_words([]) == ""
