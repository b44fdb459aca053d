"""Verdicts in the shape of Microsoft Graph (beta), and the commands that print them."""

import json
import uuid
from dataclasses import replace

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from clients.cli.alert_options import alert_routes
from clients.cli.main import main
from clients.cli.scan_output import unreadable_result
from clients.graph_schema import scan_detection
from clients.reasons import CONTRADICTIONS
from realtime.delivery.graph import CHANNELS, alert_detection, as_graph, share_of_alarm
from realtime.delivery.outlet import LineOutlet
from realtime.server import wire
from realtime.types import Alert, AlertState, Score, ScoreStatus, Verdict
from tests.support.wire_messages import alert

ENGINES = {role: wire.EncoderInfo(engine=f"{role}-1") for role in ("detector", "identity", "visual", "audio")}
LIPS = wire.SeamInfo(kind="cross", a=(10.4, 11.4), b=(10.6, 11.6), value=0.1)
FACES = wire.SeamInfo(kind="intra", a=(30.4, 31.4), b=(8.0, 9.0), value=0.1)


def report(**changes):
    return alert_detection(alert("ann", engines=ENGINES, **changes))["reportSyntheticMedia"]


def so_far(progress, **channels):
    return wire.TestState(
        evidence=6 * progress,
        threshold=6.0,
        progress=progress,
        channels=channels,
        false_alarms_per_hour=0.04,
        supported=True,
        reasons=[],
    )


def test_a_face_that_changed_is_a_face_swap_at_the_later_moment():
    body = report(seams=[LIPS, FACES], margin=-0.3)
    assert (body["severity"], body["overallConfidence"], body["isMalicious"]) == ("high", 1.0, False)
    assert body["detectionDateTime"] == "2026-01-02T03:04:05Z"
    assert body["detections"] == [
        {
            "modelName": "identity-1",
            "modality": "video",
            "modelTasks": ["faceSwap"],
            "segment": {"startTimeSec": 30, "endTimeSec": 32, "frameIndices": []},
            "confidence": 1.0,
        }
    ]
    assert body["contentMetadata"]["isRealTime"]
    assert (body["contentMetadata"]["byteSize"], body["contentMetadata"]["duration"]) == (0, 2)


def test_lips_that_do_not_fit_are_lip_sync_over_both_spans_and_never_a_cloned_voice():
    (found,) = report(seams=[LIPS], reasons=["lips_do_not_fit_voice"])["detections"]
    assert (found["modelTasks"], found["modality"]) == (["lipSync"], "multimodal")
    assert found["modelName"] == "visual-1 + audio-1"
    assert (found["segment"]["startTimeSec"], found["segment"]["endTimeSec"]) == (10, 12)


def test_confidence_is_the_share_of_the_evidence_that_an_alarm_takes():
    both = ["identity_changed", "lips_do_not_fit_voice"]
    body = report(
        state="suspicious",
        reasons=both,
        test=so_far(0.75, identity_changed=1.5, lips_do_not_fit_voice=9.0),
    )
    assert (body["severity"], body["overallConfidence"]) == ("medium", 0.75)
    assert [found["confidence"] for found in body["detections"]] == [0.25, 1.0]
    untested = report(state="suspicious", reasons=both, margin=0.2)
    assert [found["confidence"] for found in untested["detections"]] == [0.8, 0.8]


@given(st.none() | st.floats())
def test_a_margin_is_a_share_between_none_and_all(margin):
    assert 0.0 <= share_of_alarm(margin) <= 1.0


@given(st.floats(-2, 3), st.floats(-2, 3))
def test_a_lower_margin_is_no_lower_share(a, b):
    assert (share_of_alarm(a) >= share_of_alarm(b)) or a > b


def test_an_alarm_that_is_lifted_accuses_nobody():
    body = report(previous="alert", state="clear", reasons=["consistent_again"], margin=0.95, seams=[])
    assert (body["severity"], body["detections"]) == ("low", [])
    assert body["overallConfidence"] == pytest.approx(0.05)


def test_without_evidence_there_is_no_report_rather_than_a_low_one():
    silent = alert_detection(alert("ann", state="clear", reasons=["evidence_ran_out"], margin=None))
    assert (silent["syntheticMediaDetection"], silent["reportSyntheticMedia"]) == (None, None)
    assert (silent["state"], silent["seq"]) == ("clear", 7)


def test_an_alert_has_one_identifier_whenever_it_is_told():
    first, again, other = (
        json.loads(as_graph(alert("ann", seq=seq)))["reportSyntheticMedia"]["id"] for seq in (7, 7, 8)
    )
    assert first == again != other
    assert uuid.UUID(first)


def test_both_shapes_of_one_detection_agree():
    told = alert_detection(alert("ann", margin=0.4, state="suspicious"))
    info, body = told["syntheticMediaDetection"], told["reportSyntheticMedia"]
    assert info["detectionId"] == body["id"]
    assert info["syntheticConfidence"] == body["overallConfidence"] == 0.6
    assert info["isParticipantTrusted"] is False
    assert info["detectorBot"].startswith("seamwatch")


def test_every_reason_that_accuses_has_a_task():
    assert set(CHANNELS) == CONTRADICTIONS


def scanned(verdict, **changes):
    result = replace(unreadable_result("clip.mp4", {"identity": "identity-1"}), verdict=verdict, **changes)
    return scan_detection(result, scanned_at="2026-01-02T03:04:05Z", size_bytes=99)


def raised(margin):
    return Alert(
        time_ns=0,
        previous=AlertState.SUSPICIOUS,
        state=AlertState.ALERT,
        margin=margin,
        reasons=("identity_changed",),
    )


def test_a_file_is_reported_without_a_stream_relative_time():
    told = scanned(
        Verdict.FAKE,
        reasons=("identity_changed", "truncated"),
        alerts=(raised(0.3), raised(-0.1)),
        duration_s=12.6,
    )
    body = told["reportSyntheticMedia"]
    assert (body["severity"], body["overallConfidence"]) == ("high", 1.0)
    (found,) = body["detections"]
    assert found["segment"] == {"startTimeSec": 0, "endTimeSec": 0, "frameIndices": []}
    media = body["contentMetadata"]
    assert (media["isRealTime"], media["mimeType"], media["byteSize"], media["duration"]) == (
        False,
        "video/mp4",
        99,
        13,
    )
    assert told["verdict"] == "fake"


def test_a_genuine_file_accuses_nobody_and_is_low():
    scores = tuple(Score(time_ns=n, status=ScoreStatus.OK, margin=m) for n, m in enumerate((0.1, 0.9, 0.95)))
    body = scanned(Verdict.GENUINE, reasons=(), timeline=scores)["reportSyntheticMedia"]
    assert (body["severity"], body["detections"]) == ("low", [])
    assert body["overallConfidence"] == pytest.approx(0.1)


def test_too_little_evidence_in_a_file_is_no_report():
    told = scanned(Verdict.INSUFFICIENT, reasons=("no_face",))
    assert told["reportSyntheticMedia"] is None
    assert (told["verdict"], told["reasons"]) == ("insufficient", ["no_face"])


async def test_where_alerts_go_they_have_the_shape_that_was_asked_for():
    lines = []

    async def post(line):
        lines.append(json.loads(line))
        return True

    message = alert("ann")
    await LineOutlet(post, render=as_graph).attempt(message, "id")
    await LineOutlet(post).attempt(message, "id")
    assert lines == [alert_detection(message), message.model_dump(mode="json")]
    assert alert_routes(["stdout"], [], room=False, render=as_graph).render is as_graph


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["watch", "--schema", "graph"], "--json"),
        (["watch", "--schema", "graph", "--json", "--scores"], "running scores"),
        (["scan", "clip.mp4", "--schema", "graph"], "--json"),
        (["serve", "--schema", "unheard-of"], "unheard-of"),
    ],
)
def test_a_schema_that_shapes_nothing_is_refused(arguments, complaint):
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr
