import asyncio
import contextlib
import json
import socket

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from realtime.server.runner import _AbortingWebSocket
from realtime.server.wire import CLOSE_TOO_FAR_BEHIND, CLOSE_UNAUTHORISED, MESSAGE, SUBPROTOCOL
from tests.support.fake_monitor import draft, joined, left, matrices, running, score


@pytest.fixture
async def service(tmp_path):
    async with running(tmp_path) as service:
        yield service


def open_alerts(service, query="", **options):
    options.setdefault("subprotocols", [SUBPROTOCOL])
    return connect(service.alerts_url + query, proxy=None, **options)


async def read(connection, count=1):
    return [MESSAGE.validate_json(await connection.recv()) for _ in range(count)]


async def nobody_subscribes(service):
    await service.hub._no_subscribers.wait()


def problem_in(caught, status):
    response = caught.value.response
    assert response.status_code == status
    body = json.loads(response.body)
    assert body["fix"]
    return body


async def test_hello_then_state_then_live_messages(service):
    service.hub.publish_participant(joined())
    service.hub.publish_score(score(1.0))
    async with open_alerts(service, "?matrices=1") as connection:
        assert connection.subprotocol == SUBPROTOCOL
        hello, present, newest = await read(connection, 3)
        assert (hello.type, hello.last_seq, hello.after, hello.oldest_seq) == ("hello", 0, 0, 0)
        assert hello.encoders == service.monitor.encoders
        assert present == joined()
        assert newest == score(1.0)
        service.hub.publish_matrices(matrices())
        assert await read(connection) == [matrices()]
        assert await service.hub.publish_alert(draft(5.0)) == 1
        (alert,) = await read(connection)
        assert (alert.seq, alert.time_s, alert.reasons) == (1, 5.0, ["identity_changed"])


async def test_resume_behind_a_number(service):
    for n in range(5):
        await service.hub.publish_alert(draft(n))
    async with open_alerts(service, "?after=3") as connection:
        hello, *alerts = await read(connection, 3)
        assert (hello.after, hello.last_seq, hello.oldest_seq) == (3, 5, 1)
        assert [alert.seq for alert in alerts] == [4, 5]
        await service.hub.publish_alert(draft(9))
        assert [alert.seq for alert in await read(connection)] == [6]
    async with open_alerts(service) as connection:
        (hello,) = await read(connection)
        assert hello.after == 6


async def test_a_restart_on_the_same_store_loses_nothing(tmp_path):
    path = tmp_path / "alerts.sqlite3"
    async with running(tmp_path, store_path=path) as service:
        await service.hub.publish_alert(draft(1.0))
        await service.hub.publish_alert(draft(2.0))
    async with running(tmp_path, store_path=path) as service:
        await service.hub.publish_alert(draft(3.0))
        async with open_alerts(service, "?after=1") as connection:
            _, *alerts = await read(connection, 3)
            assert [(alert.seq, alert.time_s) for alert in alerts] == [(2, 2.0), (3, 3.0)]


async def test_filters(service):
    async with open_alerts(service, "?call=c2") as connection:
        await read(connection)
        for call in ("c1", "c2"):
            service.hub.publish_participant(joined(call=call))
            service.hub.publish_matrices(matrices(call=call))
            service.hub.publish_score(score(1, call=call))
        assert [(message.type, message.call) for message in await read(connection, 2)] == [
            ("participant", "c2"),
            ("score", "c2"),
        ]


@pytest.mark.parametrize(
    "query", ["?after=-1", "?after=x", "?after=", "?after=1e3", "?matrices=yes", "?call=a%2Fb"]
)
async def test_queries_that_make_no_sense(service, query):
    with pytest.raises(InvalidStatus) as caught:
        await open_alerts(service, query)
    problem_in(caught, 400)


async def test_only_other_subprotocols_are_refused_and_none_is_taken_for_version_1(service):
    with pytest.raises(InvalidStatus) as caught:
        await open_alerts(service, subprotocols=["seamwatch.alerts.v9"])
    assert SUBPROTOCOL in problem_in(caught, 400)["fix"]
    async with open_alerts(service, subprotocols=["seamwatch.alerts.v9", SUBPROTOCOL]) as connection:
        assert connection.subprotocol == SUBPROTOCOL
    async with open_alerts(service, subprotocols=None) as connection:
        assert connection.subprotocol is None
        assert (await read(connection))[0].type == "hello"


async def test_a_foreign_origin_gets_no_connection(service):
    for origin in ("http://evil.example", "null"):
        with pytest.raises(InvalidStatus) as caught:
            await open_alerts(service, origin=origin)
        problem_in(caught, 403)
    async with open_alerts(service, origin=service.url):
        pass


async def test_a_rebound_name_gets_no_connection(service):
    port = service.server.port
    with pytest.raises(InvalidStatus) as caught:
        await connect(f"ws://evil.example:{port}/alerts", host="127.0.0.1", port=port, proxy=None)
    problem_in(caught, 421)


async def test_programs_without_the_token_get_401_and_pages_4401(tmp_path):
    async with running(tmp_path, token="t0ken") as service:
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            with pytest.raises(InvalidStatus) as caught:
                await open_alerts(service, additional_headers=headers)
            problem_in(caught, 401)
        async with open_alerts(service, origin=service.url) as connection:
            with pytest.raises(ConnectionClosed) as closed:
                await connection.recv()
            assert closed.value.rcvd.code == CLOSE_UNAUTHORISED
        async with open_alerts(service, additional_headers={"Authorization": "Bearer t0ken"}) as connection:
            assert (await read(connection))[0].type == "hello"


async def test_a_peer_that_talks_is_closed(service):
    async with open_alerts(service) as connection:
        await connection.send("hello?")
        with pytest.raises(ConnectionClosed) as closed:
            await read(connection, 2)
        assert closed.value.rcvd.code == 1008


async def test_a_huge_message_from_a_peer_is_closed(service):
    connection = await open_alerts(service)
    with contextlib.suppress(ConnectionClosed):
        await connection.send("x" * 1_000_000)
    await connection.wait_closed()
    assert connection.close_code in {1006, 1009}
    await nobody_subscribes(service)


async def test_peers_that_come_and_go_leave_nothing(service):
    for _ in range(20):
        async with open_alerts(service) as connection:
            await read(connection)
    broken = await open_alerts(service)
    broken.transport.abort()
    await nobody_subscribes(service)


async def test_too_many_subscribers(service):
    service.hub._max_subscribers = 1
    async with open_alerts(service):
        with pytest.raises(InvalidStatus) as caught:
            await open_alerts(service)
        problem_in(caught, 503)


async def test_a_store_that_fails_is_told(service):
    async with open_alerts(service) as connection:
        await read(connection)
        await service.hub.publish_alert(draft())
        await read(connection)
        await service.hub.store._run(lambda: service.hub.store._connection.execute("DROP TABLE alerts"))
        service.hub.store._last_seq = 2
        service.hub.publish_participant(joined())
        present, error = await read(connection, 2)
        assert present.type == "participant"
        assert (error.type, error.code) == ("error", "alert_store_failed")
        with pytest.raises(ConnectionClosed) as closed:
            await connection.recv()
        assert closed.value.rcvd.code == 1011


def subscribers(service):
    return service.hub.metrics.registry.get_sample_value("seamwatch_subscribers")


def deaf_socket(service):
    """A connected socket whose receive buffer holds next to nothing."""
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.connect(("127.0.0.1", service.server.port))
    deaf.setblocking(False)
    return deaf


async def test_a_subscriber_that_never_reads_is_closed_and_nobody_else_notices(tmp_path):
    async with running(tmp_path, send_timeout_s=0.2) as service:
        service.hub.publish_participant(joined())
        sent = []

        async def publish():
            # More than the kernel and uvicorn hold for one connection, until the deaf one is given up.
            while subscribers(service) == 2 or len(sent) < 20:
                service.hub.publish_matrices(matrices(size=60_000))
                sent.append(await service.hub.publish_alert(draft(len(sent))))
                await asyncio.sleep(0.005)
            service.hub.publish_participant(left())

        deaf = await open_alerts(
            service, "?matrices=1", sock=deaf_socket(service), max_queue=1, ping_interval=None
        )
        async with open_alerts(service, "?matrices=1") as good:
            publishing = asyncio.create_task(publish(), name="test-publish")
            received = []
            while (message := (await read(good))[0]).type != "participant" or message.state == "joined":
                if message.type == "alert":
                    received.append(message.seq)
            await publishing
            assert received == sent

            heard, code = [], None
            try:
                async for text in deaf:
                    message = MESSAGE.validate_json(text)
                    if message.type == "alert":
                        heard.append(message.seq)
            except ConnectionClosed as closed:
                code = closed.rcvd and closed.rcvd.code
            assert code in {None, CLOSE_TOO_FAR_BEHIND}
            assert heard == sent[: len(heard)]
            assert len(heard) < len(sent)
            async with open_alerts(service, f"?after={heard[-1] if heard else 0}") as again:
                await read(again)
                rest = [message.seq for message in await read(again, len(sent) - len(heard))]
            assert heard + rest == sent


async def test_the_connection_of_a_deaf_subscriber_is_freed_without_its_help(tmp_path, monkeypatch):
    lost = asyncio.Event()
    connection_lost = _AbortingWebSocket.connection_lost

    def noticed(self, exc):
        connection_lost(self, exc)
        lost.set()

    monkeypatch.setattr(_AbortingWebSocket, "connection_lost", noticed)
    async with running(tmp_path, send_timeout_s=0.1) as service:
        service.hub.publish_participant(joined())
        deaf = await open_alerts(
            service, "?matrices=1", sock=deaf_socket(service), max_queue=1, ping_interval=None
        )
        for _ in range(200):
            service.hub.publish_matrices(matrices(size=60_000))
            await asyncio.sleep(0)
        await nobody_subscribes(service)
        await lost.wait()
        deaf.transport.abort()


async def test_a_slow_reader_that_still_reads_is_told_from_where_to_resume(service):
    service.hub._max_events = 3
    await service.hub.publish_alert(draft())
    async with open_alerts(service) as connection:
        await read(connection)
        for n in range(10):
            service.hub.publish_participant(joined(f"p{n}"))
        with pytest.raises(ConnectionClosed) as closed:
            await read(connection, 11)
        assert closed.value.rcvd.code == CLOSE_TOO_FAR_BEHIND
        assert closed.value.rcvd.reason == "too far behind; resume with after=1"


async def test_a_peer_that_answers_no_ping_is_given_up(tmp_path):
    async with running(tmp_path, ping_interval_s=0.05) as service:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.server.port)
        writer.write(
            b"GET /alerts HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert b"101" in await reader.readline()
        await nobody_subscribes(service)
        await reader.read()
        writer.close()


async def test_shutdown_tells_everybody_even_beside_a_deaf_one(tmp_path):
    async with contextlib.AsyncExitStack() as stack:
        async with running(tmp_path) as service:
            service.hub.publish_participant(joined())
            deaf = await open_alerts(
                service, "?matrices=1", sock=deaf_socket(service), max_queue=1, ping_interval=None
            )
            stack.callback(deaf.transport.abort)
            good = await stack.enter_async_context(open_alerts(service))
            await read(good, 2)
            for _ in range(200):
                service.hub.publish_matrices(matrices(size=60_000))
                await asyncio.sleep(0)
        with pytest.raises(ConnectionClosed) as closed:
            await good.recv()
        assert closed.value.rcvd.code == 1001
        with pytest.raises(OSError):
            await open_alerts(service)
