import asyncio

import httpx
import jsonschema
import pytest
from starlette.requests import Request

from realtime.errors import ConfigurationError, SignallingError
from realtime.server.app import create_app
from realtime.server.auth import COOKIE_NAME, Auth
from realtime.server.body import MAX_BODY_BYTES, read_text
from realtime.server.ports import Health, HealthState, ParticipantSnapshot
from realtime.server.runner import MonitorServer
from tests.support.fake_monitor import OFFER, draft, joined, running, score

SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}


@pytest.fixture
async def service(tmp_path):
    async with running(tmp_path) as service:
        yield service


@pytest.fixture
async def http(service):
    async with httpx.AsyncClient(base_url=service.url, trust_env=False) as client:
        yield client


def assert_problem(response, status):
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["fix"]
    assert "Traceback" not in response.text
    return body


async def test_publish_and_leave(service, http):
    created = await http.post("/whip/call-1/ann", content=OFFER, headers=SDP)
    assert created.status_code == 201
    assert created.headers["content-type"].startswith("application/sdp")
    assert created.headers["etag"].startswith('"')
    assert created.text == "v=0\r\ns=r1\r\n"
    assert service.monitor.offers == [OFFER]
    assert service.monitor.sessions == {"r1": ("call-1", "ann")}
    location = created.headers["location"]
    assert (await http.delete(location)).status_code == 200
    assert service.monitor.sessions == {}
    assert_problem(await http.delete(location), 404)


@pytest.mark.parametrize("body", ["", "garbage", "v=0\r\n", "\0", "{}", "v=0v=0v=0"])
async def test_garbage_sdp(service, http, body):
    assert_problem(await http.post("/whip/c/p", content=body, headers=SDP), 400)
    assert_problem(await http.post("/whip/c/p", content=b"\xff\xfe\x00", headers=SDP), 400)
    assert service.monitor.offers == []


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/json", "application/sdpx"])
async def test_another_media_type(http, content_type):
    headers = {} if content_type is None else {"Content-Type": content_type}
    body = assert_problem(await http.post("/whip/c/p", content=OFFER, headers=headers), 415)
    assert "application/sdp" in body["fix"]


async def test_media_type_parameters_and_case_do_not_matter(http):
    headers = {"Content-Type": "Application/SDP; charset=utf-8"}
    assert (await http.post("/whip/c/p", content=OFFER, headers=headers)).status_code == 201


async def test_ten_megabytes_are_refused_and_the_connection_goes_on(service, http):
    large = b"v=0" + b"x" * 10_000_000

    async def chunks():
        for start in range(0, len(large), 65_536):
            yield large[start : start + 65_536]

    assert_problem(await http.post("/whip/c/p", content=large, headers=SDP), 413)
    assert_problem(await http.post("/whip/c/p", content=chunks(), headers=SDP), 413)
    assert (await http.post("/whip/c/p", content=OFFER, headers=SDP)).status_code == 201
    assert service.monitor.offers == [OFFER]


async def test_a_large_body_is_not_read_beyond_the_limit():
    read_bytes = 0

    async def receive():
        nonlocal read_bytes
        read_bytes += 10_000
        return {"type": "http.request", "body": b"x" * 10_000, "more_body": True}

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", b"application/sdp")]}
    with pytest.raises(SignallingError) as caught:
        await read_text(Request(scope, receive), "application/sdp")
    assert caught.value.status == 413
    assert read_bytes <= MAX_BODY_BYTES + 10_000


async def test_a_body_of_the_largest_size_passes(service, http):
    offer = OFFER + "a" * (MAX_BODY_BYTES - len(OFFER))
    assert (await http.post("/whip/c/p", content=offer, headers=SDP)).status_code == 201
    assert_problem(await http.post("/whip/c/p", content=offer + "a", headers=SDP), 413)


@pytest.mark.parametrize(
    "path", ["/whip/a%20b/p", "/whip/c/%C3%A4", "/whip/" + "x" * 65 + "/p", "/whip/c/p%00"]
)
async def test_names_that_cannot_be(http, path):
    assert_problem(await http.post(path, content=OFFER, headers=SDP), 404)


@pytest.mark.parametrize("path", ["/whip", "/whip/c", "/whip/c/p/q", "/nothing", "/../secret", "/calls/c"])
async def test_unknown_paths(http, path):
    assert_problem(await http.get(path), 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/whip/c/p", {"POST", "OPTIONS"}),
        ("PUT", "/whip/c/p", {"POST", "OPTIONS"}),
        ("POST", "/whip/resource/r1", {"DELETE", "PATCH", "OPTIONS"}),
        ("GET", "/whip/resource/r1", {"DELETE", "PATCH", "OPTIONS"}),
        ("POST", "/healthz", {"GET", "HEAD"}),
        ("DELETE", "/", {"GET", "HEAD"}),
    ],
)
async def test_methods_that_are_not_allowed(http, method, path, allowed):
    response = await http.request(method, path)
    assert_problem(response, 405)
    assert set(response.headers["allow"].split(", ")) == allowed


async def test_options_describe_and_open_nothing_to_other_origins(http):
    response = await http.options("/whip/c/p", headers={"Origin": "http://evil.example"})
    assert response.status_code == 204
    assert response.headers["accept-post"] == "application/sdp"
    assert not [name for name in response.headers if name.startswith("access-control")]


async def test_patch_where_trickle_is_not_supported(http):
    await http.post("/whip/c/p", content=OFFER, headers=SDP)
    refused = await http.patch("/whip/resource/r1", content="a=candidate", headers=FRAGMENT)
    assert_problem(refused, 405)
    assert refused.headers["allow"] == "DELETE, OPTIONS"
    assert_problem(await http.patch("/whip/resource/none", content="a=x", headers=FRAGMENT), 404)
    assert_problem(await http.patch("/whip/resource/r1", content="a=x", headers=SDP), 415)


async def test_patch_where_it_is(service, http):
    await http.post("/whip/c/p", content=OFFER, headers=SDP)
    service.monitor.trickle = ""
    assert (await http.patch("/whip/resource/r1", content="a=x", headers=FRAGMENT)).status_code == 204
    service.monitor.trickle = "a=ice-ufrag:new"
    answered = await http.patch("/whip/resource/r1", content="a=x", headers=FRAGMENT)
    assert (answered.status_code, answered.text) == (200, "a=ice-ufrag:new")
    assert answered.headers["etag"]


async def test_a_full_monitor(service, http):
    service.monitor.full = True
    response = await http.post("/whip/c/p", content=OFFER, headers=SDP)
    assert_problem(response, 503)
    assert int(response.headers["retry-after"]) > 0


async def test_a_bug_in_the_monitor_tells_the_client_nothing(http):
    response = await http.post("/whip/explode/p", content=OFFER, headers=SDP)
    assert_problem(response, 500)
    assert "secret" not in response.text
    assert "ValueError" not in response.text
    assert (await http.get("/healthz")).status_code == 200


async def test_page_and_its_files(http):
    page = await http.get("/")
    assert page.status_code == 200
    assert "Seamwatch" in page.text
    assert "text/javascript" in (await http.get("/main.js")).headers["content-type"]
    assert_problem(await http.get("/__init__.py"), 404)
    assert_problem(await http.get("/..%2f..%2fetc%2fpasswd"), 404)


@pytest.mark.parametrize("path", ["/", "/main.js", "/healthz", "/nothing", "/calls"])
async def test_security_headers_everywhere(http, path):
    headers = (await http.get(path)).headers
    assert headers["content-security-policy"].startswith("default-src 'self';")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "server" not in headers


async def test_health(service, http):
    service.monitor.state = Health(state=HealthState.DEGRADED, reasons=("overload",), participants=2)
    degraded = await http.get("/healthz")
    assert degraded.status_code == 200
    assert degraded.json()["status"] == "degraded"
    assert degraded.json()["reasons"] == ["overload"]
    assert degraded.json()["participants"] == 2
    service.monitor.state = Health(state=HealthState.FAILING, reasons=("models_missing",))
    assert (await http.get("/healthz")).status_code == 503


async def test_calls(service, http):
    assert (await http.get("/calls")).json() == {"calls": []}
    service.monitor.snapshots = [
        ParticipantSnapshot(call="c1", participant="ann", latest=score(3.0)),
        ParticipantSnapshot(call="c2", participant="eve", latest=None),
        ParticipantSnapshot(call="c1", participant="bob", latest=None),
    ]
    calls = (await http.get("/calls")).json()["calls"]
    assert [(c["call"], [p["participant"] for p in c["participants"]]) for c in calls] == [
        ("c1", ["ann", "bob"]),
        ("c2", ["eve"]),
    ]
    assert calls[0]["participants"][0]["latest"]["time_s"] == 3.0


async def test_thumbnail(service, http):
    path = "/calls/c1/participants/ann/thumbnail.jpg"
    assert_problem(await http.get(path), 404)
    service.monitor.pictures["c1", "ann"] = b"\xff\xd8jpeg"
    picture = await http.get(path)
    assert picture.content == b"\xff\xd8jpeg"
    assert picture.headers["content-type"] == "image/jpeg"
    assert picture.headers["cache-control"] == "no-store"


async def test_metrics(service, http):
    service.hub.publish_participant(joined())
    service.hub.publish_score(score(1.0))
    await service.hub.publish_alert(draft())
    text = (await http.get("/metrics")).text
    assert "seamwatch_participants 1.0" in text
    assert 'seamwatch_windows_scored_total{status="ok"} 1.0' in text
    assert 'seamwatch_alerts_total{state="suspicious"} 1.0' in text
    assert "seamwatch_latency_seconds_count 1.0" in text
    assert "ann" not in text


async def test_the_schema_accepts_what_is_sent_and_nothing_else(http):
    schema = (await http.get("/schema/alerts.v1.json")).json()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(score(1.0).model_dump(mode="json"))
    validator.validate(joined().model_dump(mode="json"))
    assert not validator.is_valid({"type": "score", "v": 1})
    assert not validator.is_valid({**joined().model_dump(mode="json"), "state": "asleep"})


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
async def test_a_foreign_origin_changes_nothing(service, http, origin):
    headers = {**SDP, "Origin": origin}
    assert_problem(await http.post("/whip/c/p", content=OFFER, headers=headers), 403)
    assert_problem(await http.delete("/whip/resource/r1", headers={"Origin": origin}), 403)
    assert service.monitor.offers == []
    own = {**SDP, "Origin": service.url}
    assert (await http.post("/whip/c/p", content=OFFER, headers=own)).status_code == 201


async def test_a_rebound_name_is_refused(service, http):
    host = {"Host": f"evil.example:{service.server.port}"}
    assert_problem(await http.get("/calls", headers=host), 421)
    assert_problem(await http.get("/", headers={"Host": ""}), 421)
    assert (await http.get("/", headers={"Host": f"localhost:{service.server.port}"})).status_code == 200


async def test_token(tmp_path):
    async with (
        running(tmp_path, token="t0ken") as service,
        httpx.AsyncClient(base_url=service.url, trust_env=False) as http,
    ):
        for path in ("/", "/main.js", "/healthz", "/metrics", "/calls", "/schema/alerts.v1.json"):
            refused = await http.get(path)
            assert_problem(refused, 401)
            assert refused.headers["www-authenticate"].startswith("Bearer")
        assert_problem(await http.post("/whip/c/p", content=OFFER, headers=SDP), 401)
        assert_problem(await http.get("/", headers={"Authorization": "Bearer wrong"}), 401)
        assert_problem(await http.get("/?token=wrong"), 401)
        assert_problem(await http.get("/calls?token=t0ken"), 401)
        assert (await http.get("/calls", headers={"Authorization": "Bearer t0ken"})).status_code == 200

        signed_in = await http.get("/?token=t0ken")
        assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")
        cookie = signed_in.headers["set-cookie"]
        assert cookie.startswith(f"{COOKIE_NAME}=")
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        assert "t0ken" not in cookie
        assert (await http.get("/")).status_code == 200
        assert (await http.post("/whip/c/p", content=OFFER, headers=SDP)).status_code == 201


async def test_requests_that_are_no_http_disturb_nobody(service, http):
    for garbage in (
        b"\x16\x03\x01 not http\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"\0" * 70_000,
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", service.server.port)
        writer.write(garbage)
        writer.write_eof()
        answer = await reader.read()
        assert b"Traceback" not in answer
        writer.close()
    assert (await http.get("/healthz")).status_code == 200


async def test_a_port_in_use_is_named(service, tmp_path):
    app = create_app(
        service.monitor, service.hub, auth=Auth.for_bind("127.0.0.1", None), static_dir=tmp_path / "web"
    )
    second = MonitorServer(app, host="127.0.0.1", port=service.server.port)
    with pytest.raises(ConfigurationError, match="in use") as caught:
        await second.start()
    assert "another port" in caught.value.fix


@pytest.mark.parametrize(
    ("host", "port"), [("192.0.2.1", 0), ("no-such-host.invalid", 0), ("127.0.0.1", 99999)]
)
async def test_an_address_that_cannot_be_bound(service, tmp_path, host, port):
    app = create_app(service.monitor, service.hub, auth=Auth.for_bind(host, "t"), static_dir=tmp_path / "web")
    with pytest.raises(ConfigurationError, match="cannot be bound"):
        await MonitorServer(app, host=host, port=port).start()


async def test_a_missing_page_is_named(service, tmp_path):
    with pytest.raises(ConfigurationError, match="missing"):
        create_app(service.monitor, service.hub, auth=Auth.for_bind("::1", None), static_dir=tmp_path)
