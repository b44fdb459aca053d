"""The report: self-contained, escaped, and true to the results."""

from __future__ import annotations

import base64
import dataclasses
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from clients.cli.scan_output import unreadable_result
from clients.report import write_report
from clients.report.heatmap import MOST_CELLS, colours, heatmap_svg, seam_cell, thinned
from clients.report.page import report_html
from clients.report.scan_report import scan_report
from clients.report.subject import Report, shares
from clients.report.timeline import (
    NARROW,
    WIDE,
    state_spans,
    thinned_out,
    timeline_svg,
    unjudged_spans,
    unkept_spans,
)
from clients.wording import seam_sentence
from realtime.errors import ConfigurationError
from realtime.evidence.media import Envelope, FacePicture, KeptMedia
from realtime.evidence.record import EngineInfo, Provenance
from realtime.scan import ScanResult
from realtime.timebase import NS_PER_S
from realtime.types import Alert, AlertState, Modality, Score, ScoreStatus, Seam, SimilarityMatrix, Verdict
from tests.support.scan_results import exchanged, matrix, scores, span

MADE_AT = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
VOID = {"meta", "br", "img", "link"}
TICKS = (5, 15, 190, 200, 400)
PROGRAM = "seamwatch 1.2.3"


class Page(HTMLParser):
    """Collects text, tags and attribute values, and checks that tags nest."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.values: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(document)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.values += [value or "" for _, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.values += [value or "" for _, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def report(*results: ScanResult) -> Report:
    return scan_report(results, MADE_AT, program=PROGRAM)


def page(*results: ScanResult) -> Page:
    return Page(report_html(report(*results)))


def test_the_page_needs_neither_network_nor_script() -> None:
    document = report_html(report(exchanged(), unreadable_result("x", {})))
    assert "://" not in document
    assert "@import" not in document
    assert not re.search(r"url\(", document)
    parsed = Page(document)
    assert not {"script", "link", "iframe", "img", "object", "a"} & set(parsed.tags)
    references = re.findall(r'(?:href|src)="([^"]*)"', document)
    assert len(references) == 4
    assert all(reference.startswith("data:image/png;base64,") for reference in references)


def test_file_names_and_other_text_are_escaped() -> None:
    nasty = "<script>alert('\"&')</script>\u202e.mp4"
    parsed = page(exchanged(file=nasty, reasons=(nasty,), engines={nasty: nasty}, verdict=Verdict.FAKE))
    assert "script" not in parsed.tags
    assert parsed.text.count("<script>alert('\"&')</script>") >= 3
    assert "\u202e" not in parsed.text


def test_a_contradiction_is_told_in_words_with_its_moments() -> None:
    text = page(exchanged()).text
    assert "contradicts itself" in text
    assert "looks like a different person" in text
    assert "0:07.6\N{EN DASH}0:08.6" in text
    assert "Alert 0:07.0" in text
    assert "Baseline encoders: untrained." in text
    assert "1 file: 1 fake." in text
    assert "2026-01-02 03:04 UTC" in text


def test_no_contradiction_is_never_called_proof() -> None:
    text = page(exchanged(verdict=Verdict.GENUINE, reasons=())).text
    assert "not a proof" in text
    one_sided = page(exchanged(verdict=Verdict.GENUINE, reasons=(), cross=None, score=None)).text
    assert "a false voice would have gone unnoticed" in one_sided


def test_what_was_missing_is_named_with_its_share() -> None:
    text = page(exchanged(verdict=Verdict.INSUFFICIENT, reasons=("no_audio",), seams=(), alerts=())).text
    assert "There is no sound." in text
    assert "Too little has been seen" in text
    assert "(16% of the time)" in text
    assert "Of 0:08.6 on record, 84% could be judged." in text
    assert "says nothing either way" in text


def test_trained_engines_carry_no_warning() -> None:
    assert "untrained" not in page(exchanged(engines={"visual": "gamma-v1"})).text


def test_a_file_that_could_not_be_read_has_its_place() -> None:
    parsed = page(unreadable_result("notes.txt", {}), exchanged())
    assert "notes.txt" in parsed.text
    assert "2 files: 1 fake, 1 not enough to judge." in parsed.text


@pytest.mark.parametrize("windows", [1, 2, 3])
def test_short_files_draw(windows: int) -> None:
    result = exchanged(
        timeline=scores(windows, change=9, warming_up=0),
        intra_matrix=matrix(windows),
        cross_matrix=matrix(windows),
    )
    assert page(result).tags.count("svg") == 4


def test_no_number_is_ever_nan() -> None:
    odd = dataclasses.replace(scores(20, change=10)[5], recent_intra=float("nan"), intra=float("inf"))
    document = report_html(report(exchanged(score=float("nan"), timeline=(odd, *scores(20, change=10)))))
    assert not re.search(r"\bnan\b|\binf\b", re.sub(r'"data:[^"]*"', "", document), re.IGNORECASE)


def test_writing(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    write_report(report(exchanged(file="caf\udce9.mp4")), out)
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        write_report(report(exchanged()), tmp_path / "absent" / "report.html")


def test_colours_are_ordered_and_missing_cells_transparent() -> None:
    values = np.array([[-1.0, 0.0, 0.5, 1.0, np.nan]], dtype=np.float32)
    pixels = colours(values, 0.0, 1.0)
    luminance = cv2.cvtColor(pixels[:, :, :3], cv2.COLOR_BGR2GRAY)[0].astype(int)
    assert luminance[0] == luminance[1] < luminance[2] < luminance[3]
    assert pixels[0, :, 3].tolist() == [255, 255, 255, 255, 0]


def test_the_picture_of_a_matrix_is_the_matrix() -> None:
    drawn = matrix(6, change=3, missing=(1,))
    svg = heatmap_svg(drawn, label="x", low=0.0, high=1.0)
    encoded = re.findall(r"base64,([^\"]*)", svg)[0]
    pixels = cv2.imdecode(np.frombuffer(base64.b64decode(encoded), np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(pixels, colours(drawn.values, 0.0, 1.0))


def test_a_large_matrix_is_averaged_without_its_missing_cells() -> None:
    side = 4 * MOST_CELLS
    values = np.full((side, side), 0.25, dtype=np.float32)
    values[:, ::2] = np.nan
    values[: side // 2, : side // 2] = np.nan
    small = thinned(values)
    assert small.shape == (MOST_CELLS, MOST_CELLS)
    half = MOST_CELLS // 2
    assert np.isnan(small[:half, :half]).all()
    np.testing.assert_allclose(small[half:, :], 0.25, atol=1e-6)
    assert thinned(small) is small


def test_the_worst_pair_is_marked_at_its_row_and_column() -> None:
    drawn = matrix(10)
    worst = Seam(kind=Modality.INTRA, a=drawn.spans[2], b=drawn.spans[7], value=0.1)
    lips = Seam(kind=Modality.CROSS, a=drawn.spans[4], b=span(1.72), value=0.1)
    elsewhere = Seam(kind=Modality.INTRA, a=span(70.0), b=span(80.0), value=0.1)
    svg = heatmap_svg(drawn, [(3, worst), (4, elsewhere)], label="x", low=0.0, high=1.0)
    assert '<rect class="mark" x="306.0" y="80.0" width="36.0" height="36.0" rx="2"/>' in svg
    assert svg.count('class="mark"') == svg.count('class="mark-number"') == 1
    assert ">3</text>" in svg
    assert seam_cell(drawn, lips) == (4, 4)
    assert "mark" not in heatmap_svg(drawn, label="x", low=0.0, high=1.0)


def test_an_empty_matrix_is_said_in_words() -> None:
    assert "svg" not in heatmap_svg(matrix(0), label="x", low=0.0, high=1.0)
    nothing = SimilarityMatrix(
        values=np.full((2, 2), np.nan, dtype=np.float32), spans=matrix(2).spans, worst=None
    )
    assert "svg" not in heatmap_svg(nothing, label="x", low=0.0, high=1.0)


def test_thinning_keeps_the_evidence() -> None:
    values = [0.9, None, 0.1, 0.8, None, None]
    assert thinned_out(values, 3, min) == [0.9, 0.1, None]
    assert thinned_out(values, 6, min) == values
    long = [0.5] * 10_000
    long[7_777] = -0.5
    thinned = thinned_out(long, 900, min)
    assert len(thinned) == 900
    assert thinned.count(-0.5) == 1
    assert thinned_out([0.1, 0.7, None, 0.2], 2, max) == [0.7, 0.2]


def test_the_way_to_the_alarm_is_drawn_where_a_test_ran() -> None:
    def drawn(result: ScanResult) -> str:
        return timeline_svg(scan_report([result], MADE_AT, program="seamwatch 1").subjects[0], WIDE)

    tested = exchanged()
    untested = exchanged(progress=(None,) * len(tested.timeline))
    assert 'class="series evidence"' in drawn(tested)
    assert "raises an alarm" in drawn(tested)
    assert "evidence" not in drawn(untested)


def transition(time_s: int, state: AlertState) -> Alert:
    return Alert(time_ns=time_s * NS_PER_S, previous=AlertState.CLEAR, state=state, margin=0.0, reasons=())


def test_states_last_until_the_next_transition_or_the_end() -> None:
    alerts = [
        transition(2, AlertState.SUSPICIOUS),
        transition(4, AlertState.ALERT),
        transition(7, AlertState.CLEAR),
        transition(9, AlertState.SUSPICIOUS),
    ]
    assert state_spans(alerts, 10 * NS_PER_S) == [
        (AlertState.SUSPICIOUS, span(2.0, 2.0)),
        (AlertState.ALERT, span(4.0, 3.0)),
        (AlertState.SUSPICIOUS, span(9.0)),
    ]


def test_stretches_that_touch_are_one() -> None:
    statuses = [
        ScoreStatus.WARMING_UP,
        ScoreStatus.INSUFFICIENT,
        ScoreStatus.OK,
        ScoreStatus.DEGRADED,
        ScoreStatus.INSUFFICIENT,
    ]
    timeline = [Score(time_ns=(k + 1) * NS_PER_S, status=status) for k, status in enumerate(statuses)]
    assert unjudged_spans(tuple(timeline)) == [span(0.0, 2.0), span(4.0)]


def test_a_line_breaks_where_there_is_no_value() -> None:
    timeline = list(scores(12, change=99, warming_up=0))
    timeline[5] = dataclasses.replace(timeline[5], recent_cross=None)
    whole, broken = (
        timeline_svg(report(exchanged(timeline=tuple(scored), alerts=())).subjects[0], WIDE)
        for scored in (scores(12, change=99, warming_up=0), timeline)
    )
    assert whole.count('class="series voice"') == 1
    assert broken.count('class="series voice"') == 2
    assert broken.count('class="series face"') == 1


def test_what_was_not_kept_is_no_line_and_no_judgement() -> None:
    early, late = scores(10, change=99, warming_up=0), scores(10, change=99, warming_up=10)
    late = tuple(dataclasses.replace(score, time_ns=score.time_ns + 60 * NS_PER_S) for score in late)
    timeline = (*early, *late)
    assert unkept_spans(timeline, span(0.0, 70.0)) == [span(4.6, 55.4), span(64.6, 5.4)]
    assert unkept_spans((), span(0.0, 70.0)) == []
    (subject,) = report(exchanged(timeline=timeline, alerts=())).subjects
    for size in (WIDE, NARROW):
        drawn = timeline_svg(subject, size)
        assert drawn.count('class="running face"') == 1
        assert f'viewBox="0 0 {size.width} ' in drawn
    divided = shares(timeline)
    assert divided.recorded_ns == round(9.2 * NS_PER_S)
    assert divided.judged == pytest.approx(0.5)
    assert divided.reasons == (("warming_up", pytest.approx(0.5)),)


def test_pairs_are_numbered_alike_in_words_pictures_and_timeline() -> None:
    document = report_html(report(exchanged()))
    assert '<span class="seam-number">1</span>The face at 0:00.0' in document
    assert '<span class="seam-number">2</span>The lips at 0:06.0' in document
    assert document.count('class="mark-number"') == 2
    assert document.count('class="pointer"') == 2 * 3


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (Modality.INTRA, 0.1, "does not look like"),
        (Modality.INTRA, 0.6, "looks a little unlike"),
        (Modality.INTRA, 0.9, "looks like"),
        (Modality.CROSS, 0.0, "do not go with"),
        (Modality.CROSS, 0.2, "hardly go with"),
        (Modality.CROSS, 0.5, "go with"),
    ],
)
def test_a_pair_that_is_alike_is_not_called_unlike(kind: Modality, value: float, words: str) -> None:
    sentence = seam_sentence(Seam(kind=kind, a=span(1.0), b=span(2.0), value=value))
    assert f" 0:01.0\N{EN DASH}0:02.0 {words} the " in sentence


def media() -> KeptMedia:
    faces = tuple(
        FacePicture(tick=tick, track_id=1, jpeg=b"\xff\xd8\xffx") for tick in (5, 15, 190, 200, 400)
    )
    rms = np.full(225, 0.1, np.float32)
    rms[150:160] = np.nan
    return KeptMedia(faces=faces, envelope=Envelope(first_tick=0, rms=rms))


def test_faces_and_loudness_are_shown_where_media_was_kept_and_only_there() -> None:
    without = page(exchanged())
    assert "img" not in without.tags
    assert "because media was not kept" in without.text
    assert "--keep-media" in without.text
    document = report_html(report(exchanged(media=media())))
    kept = Page(document)
    assert kept.tags.count("img") == 4
    assert document.count('class="inside" width') == 4
    assert "media was not kept" not in kept.text
    assert "How loud" in kept.text
    assert "Treat it as the evidence itself" in kept.text
    assert document.count('class="loud inside"') == 25 - 7
    sources = re.findall(r'src="([^"]*)"', document)
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)


def test_what_made_the_scores_is_named_with_its_hashes() -> None:
    made = Provenance(
        program="seamwatch 9.9",
        config={},
        config_sha256="c" * 64,
        engines={"identity": EngineInfo(id="sface", source_sha256="d" * 64, backend="onnxruntime")},
    )
    text = Page(report_html(scan_report([exchanged()], MADE_AT, program=PROGRAM, provenance=made))).text
    for fact in ("seamwatch 9.9", "c" * 64, "sface", "d" * 64, "onnxruntime", "MODEL_CARD.md", PROGRAM):
        assert fact in text
    assert "evidence verify" in text
