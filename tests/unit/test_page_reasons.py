"""The page and the programs have words for the same reasons."""

from __future__ import annotations

import re

from clients import web
from clients.reasons import CONTRADICTIONS, REASONS
from realtime.alerts.machine import CONSISTENT_AGAIN, EVIDENCE_RAN_OUT
from realtime.decision.channel import NOT_CALIBRATED, QUALITY_UNKNOWN
from realtime.identity.reference import NOT_THE_REFERENCE
from realtime.scoring import gating, scorer

SCRIPT = (web.FOLDER / "reasons.js").read_text(encoding="utf-8")
ABOUT_FILES_ONLY = {"too_short", "truncated", "unreadable"}


def test_the_page_has_a_sentence_for_every_reason_of_a_live_call() -> None:
    table = SCRIPT[SCRIPT.index("SENTENCES") : SCRIPT.index("});")]
    sentences = dict(re.findall(r'^  (\w+):\s+"(.+)",$', table, re.MULTILINE))
    assert set(sentences) == set(REASONS) - ABOUT_FILES_ONLY
    assert all(sentence.endswith(".") and "_" not in sentence for sentence in sentences.values())


def test_what_the_core_names_has_words() -> None:
    named = {CONSISTENT_AGAIN, EVIDENCE_RAN_OUT, NOT_CALIBRATED, QUALITY_UNKNOWN, NOT_THE_REFERENCE}
    named |= {gating.NO_FACE, gating.NO_SPEECH, gating.NO_AUDIO, gating.NO_VIDEO}
    named |= {gating.LOW_FRAME_RATE, gating.CLOCK_UNSURE, scorer.WARMING_UP}
    named |= {scorer.IDENTITY_CHANGED, scorer.LIPS_DO_NOT_FIT_VOICE}
    assert named <= set(REASONS)


def test_the_page_accuses_by_the_same_reasons() -> None:
    listed = re.search(r"MANIPULATION = new Set\(\[(.*?)\]\)", SCRIPT)
    assert listed is not None
    assert set(re.findall(r'"(\w+)"', listed[1])) == CONTRADICTIONS
