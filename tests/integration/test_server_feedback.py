"""Answering alerts over HTTP, and who may."""

import asyncio
import json
from contextlib import asynccontextmanager

import httpx
import pytest
from websockets.asyncio.client import connect

from realtime.alerts.feedback_file import FeedbackFile, FeedbackFileError
from realtime.alerts.feedback_line import FeedbackLine
from realtime.errors import ConfigurationError
from realtime.server import wire
from realtime.server.wire import MESSAGE, SUBPROTOCOL, Feedback
from tests.support.fake_monitor import OFFER, draft, joined, running

FALSE, SEEN = {"state": "false_alarm"}, {"state": "acknowledged"}
SDP = {"Content-Type": "application/sdp"}


@pytest.fixture
def file(tmp_path):
    return FeedbackFile(tmp_path / "feedback.jsonl")


@asynccontextmanager
async def monitor(folder, **options):
    async with (
        running(folder, **options) as service,
        httpx.AsyncClient(base_url=service.url, trust_env=False) as http,
    ):
        yield service, http


@asynccontextmanager
async def subscribed(service, query="", **headers):
    async with connect(
        service.alerts_url + query, proxy=None, subprotocols=[SUBPROTOCOL], additional_headers=headers
    ) as connection:
        yield connection


async def read(connection, count=1):
    return [MESSAGE.validate_json(await connection.recv()) for _ in range(count)]


def lines(file):
    return [FeedbackLine.model_validate_json(line) for line in file.path.read_text().splitlines()]


def answer(http, seq, body, **headers):
    return http.post(f"/alerts/{seq}/feedback", json=body, headers=headers)


async def test_an_answer_is_told_to_everybody_and_after_a_restart(tmp_path):
    store = tmp_path / "alerts.sqlite3"
    async with monitor(tmp_path, store_path=store) as (service, http):
        await service.hub.publish_alert(draft(1.0))
        async with subscribed(service) as early, subscribed(service, "?call=other") as elsewhere:
            await read(early)
            await read(elsewhere)
            taken = await answer(http, 1, FALSE)
            assert taken.status_code == 200
            (told,) = await read(early)
            assert isinstance(told, Feedback)
            assert (told.call, told.seq, told.state) == ("c1", 1, "false_alarm")
            assert told.model_dump(mode="json") == taken.json()
            service.hub.publish_participant(joined(call="other"))
            assert (await read(elsewhere))[0].type == "participant"
    async with (
        running(tmp_path, store_path=store) as service,
        subscribed(service, "?after=0") as late,
        subscribed(service, "?after=1") as resumed,
    ):
        assert [message.type for message in await read(late, 3)] == ["hello", "alert", "feedback"]
        assert (await read(resumed, 2))[1] == told


async def test_many_answers_come_behind_their_alerts(tmp_path):
    async with running(tmp_path) as service:
        for seq in range(1, 151):
            await service.hub.publish_alert(draft(float(seq)))
            if seq % 2:
                await service.hub.publish_feedback(seq, "acknowledged", "2026-01-02T03:04:05Z")
        async with subscribed(service, "?after=0") as connection:
            _, *messages = await read(connection, 1 + 150 + 75)
            known = set()
            for message in messages:
                if message.type == "alert":
                    known.add(message.seq)
                else:
                    assert message.seq in known
            assert len(known) == 150


async def test_what_cannot_be_answered(tmp_path):
    async with monitor(tmp_path) as (service, http):
        await service.hub.publish_alert(draft())
        await service.hub.publish_alert(draft().model_copy(update={"previous": "alert", "state": "clear"}))
        for seq in (0, 3, 2**63, 10**30):
            assert (await answer(http, seq, FALSE)).status_code == 404
        assert (await answer(http, 2, FALSE)).status_code == 409
        for body in ({}, {"state": "nonsense"}, {**FALSE, "call": "x"}, []):
            refused = await answer(http, 1, body)
            assert refused.status_code == 400
            assert "false_alarm" in refused.json()["fix"]
        form = await http.post("/alerts/1/feedback", data=FALSE)
        assert form.status_code == 415
        foreign = await answer(http, 1, FALSE, Origin="http://evil.example")
        assert foreign.status_code == 403
        assert service.hub.store.last_change == 0


async def test_false_alarms_go_to_the_file_without_names(tmp_path, file):
    test = wire.TestState(
        evidence=6.5, threshold=6.0, progress=1.0, channels={"identity_changed": 6.5},
        false_alarms_per_hour=0.1, supported=True, reasons=[],
    )  # fmt: skip
    alert = draft(participant="secret-ann", call="secret-call").model_copy(update={"test": test})
    async with monitor(tmp_path, feedback=file) as (service, http):
        await service.hub.publish_alert(alert)
        await service.hub.publish_alert(draft())
        for seq, body in ((1, FALSE), (1, FALSE), (2, SEEN)):
            assert (await answer(http, seq, body)).status_code == 200
        (marked,) = lines(file)
        for _ in range(2):
            assert (await answer(http, 1, SEEN)).status_code == 200
        store = service.hub.store.identity
    (withdrawn,) = lines(file)
    assert (marked.store, marked.seq, marked.state) == (store, 1, "false_alarm")
    assert (marked.reasons, marked.values, marked.margin) == (["identity_changed"], {"intra": 0.2}, 0.1)
    assert (marked.evidence, marked.threshold) == ({"identity_changed": 6.5}, 6.0)
    assert marked.engines == {"identity": "fake-1"}
    assert (withdrawn.store, withdrawn.seq, withdrawn.state) == (store, 1, "acknowledged")
    assert "secret" not in file.path.read_text()
    assert file.path.stat().st_mode & 0o077 == 0


async def test_answers_at_the_same_time_are_one_answer(tmp_path, file):
    async with monitor(tmp_path, feedback=file) as (service, http):
        await service.hub.publish_alert(draft())
        taken = await asyncio.gather(*(answer(http, 1, FALSE) for _ in range(8)))
        assert {response.text for response in taken} == {taken[0].text}
    assert len(lines(file)) == 1


async def test_an_answer_that_cannot_be_written_is_not_stored(tmp_path, file):
    async with monitor(tmp_path, feedback=file) as (service, http):
        await service.hub.publish_alert(draft())
        file.path.mkdir()
        refused = await answer(http, 1, FALSE)
        assert refused.status_code == 500
        assert str(tmp_path) not in refused.text
        assert service.hub.store.last_change == 0
        file.path.rmdir()
        assert (await answer(http, 1, FALSE)).status_code == 200


def test_a_torn_line_spoils_no_other(file):
    line = FeedbackLine(
        store="s", seq=1, at="t", state="false_alarm", alert_state="alert", margin=None, reasons=[],
        values={}, evidence={}, threshold=None, engines={},
    )  # fmt: skip
    file.append(line)
    with file.path.open("a") as torn:
        torn.write('{"v":1,"st')
    file.append(line)
    first, _, last = file.path.read_text().splitlines()
    assert json.loads(first) == json.loads(last) == line.model_dump()


def test_a_file_that_cannot_be_is_found_at_the_start(tmp_path):
    with pytest.raises(ConfigurationError, match="Feedback cannot be kept"):
        FeedbackFile(tmp_path).prepare()
    with pytest.raises(FeedbackFileError):
        FeedbackFile(tmp_path / "absent" / "file").append(
            FeedbackLine.model_construct(state="false_alarm", values={})
        )


async def test_a_viewer_looks_on(tmp_path):
    async with monitor(tmp_path, token="t0ken", viewer_token="l00k") as (service, http):
        await service.hub.publish_alert(draft())
        service.monitor.pictures["c1", "ann"] = b"\xff\xd8jpeg"
        picture = "/calls/c1/participants/ann/thumbnail.jpg"
        viewer, operator = ({"Authorization": f"Bearer {token}"} for token in ("l00k", "t0ken"))
        for path in ("/", "/main.js", "/calls", "/healthz", "/metrics", "/schema/alerts.v1.json"):
            assert (await http.get(path, headers=viewer)).status_code == 200
        for refused in (
            await http.get(picture, headers=viewer),
            await http.post("/whip/c/p", content=OFFER, headers={**SDP, **viewer}),
            await http.delete("/whip/resource/r1", headers=viewer),
            await answer(http, 1, FALSE, **viewer),
        ):
            assert refused.status_code == 403
            assert refused.json()["fix"]
        assert service.monitor.offers == []
        assert service.hub.store.last_change == 0
        assert (await http.get(picture, headers=operator)).status_code == 200
        assert (await answer(http, 1, FALSE, **operator)).status_code == 200
        for token, role in (("l00k", "viewer"), ("t0ken", "operator")):
            async with subscribed(service, Authorization=f"Bearer {token}") as connection:
                assert (await read(connection))[0].role == role


async def test_a_viewers_browser_stays_a_viewers(tmp_path):
    async with monitor(tmp_path, token="t0ken", viewer_token="l00k") as (service, http):
        await service.hub.publish_alert(draft())
        assert (await http.get("/?token=l00k")).status_code == 303
        assert (await http.get("/")).status_code == 200
        assert (await answer(http, 1, FALSE)).status_code == 403
        assert (await http.get("/?token=t0ken")).status_code == 303
        assert (await answer(http, 1, FALSE)).status_code == 200
