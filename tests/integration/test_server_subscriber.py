import asyncio
import contextlib
import itertools

import pytest
from websockets.asyncio.server import serve as serve_websocket

from clients.subscriber import Subscriber, SubscriptionError, alerts_url, backoff_delays
from realtime.errors import ConfigurationError
from realtime.server.wire import Hello
from tests.support.fake_monitor import draft, joined, matrices, running, score


def soon():
    return itertools.repeat(0.01)


def subscriber(url, **options):
    return Subscriber(url, delays=soon, **options)


async def read(stream, count):
    return [await anext(stream) for _ in range(count)]


async def first_error(url, **options):
    async with contextlib.aclosing(subscriber(url, **options).messages()) as stream:
        with pytest.raises(SubscriptionError) as caught:
            await anext(stream)
    return caught.value


async def test_every_kind_of_message_comes_through(tmp_path):
    async with (
        running(tmp_path) as service,
        contextlib.aclosing(subscriber(service.url, matrices=True).messages()) as stream,
    ):
        (hello,) = await read(stream, 1)
        assert isinstance(hello, Hello)
        service.hub.publish_participant(joined())
        service.hub.publish_score(score(1.0))
        service.hub.publish_matrices(matrices())
        await service.hub.publish_alert(draft())
        assert {m.type for m in await read(stream, 4)} == {"participant", "score", "matrices", "alert"}


async def test_alerts_across_restarts_and_lost_connections_come_once_each(tmp_path):
    path, port = tmp_path / "alerts.sqlite3", 0
    received = []
    mine = None
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(3):
            async with running(tmp_path, store_path=path, port=port) as service:
                port = service.server.port
                if mine is None:
                    mine = subscriber(service.alerts_url)
                    stream = await stack.enter_async_context(contextlib.aclosing(mine.messages()))
                    assert isinstance(await anext(stream), Hello)
                else:
                    # Stored before the subscriber is back.
                    await service.hub.publish_alert(draft())
                for _ in range(3):
                    await service.hub.publish_alert(draft())
                    while (message := await anext(stream)).type != "alert":
                        assert message.type == "hello"
                    received.append(message.seq)
                    for subscription in tuple(service.hub._subscriptions):
                        subscription.end(1011)
        assert mine.last_seq == received[-1]
    assert received == list(range(1, len(received) + 1))


async def test_an_alert_raised_before_the_first_reconnect_is_not_lost(tmp_path):
    async with running(tmp_path) as service:
        await service.hub.publish_alert(draft())
        async with contextlib.aclosing(subscriber(service.url).messages()) as stream:
            assert (await anext(stream)).after == 1
            for subscription in tuple(service.hub._subscriptions):
                subscription.end(1011)
            await service.hub._no_subscribers.wait()
            await service.hub.publish_alert(draft())
            while (message := await anext(stream)).type != "alert":
                assert message.type == "hello"
            assert message.seq == 2


async def test_a_new_store_behind_the_same_address_is_read_from_its_beginning(tmp_path):
    async with running(tmp_path) as service:
        port = service.server.port
        for _ in range(3):
            await service.hub.publish_alert(draft())
        stream = subscriber(service.url, after=0).messages()
        await read(stream, 4)
    async with running(tmp_path, port=port) as service, contextlib.aclosing(stream):
        await service.hub.publish_alert(draft(7.0))
        hello, alert = await read(stream, 2)
        assert hello.after == 0
        assert (alert.seq, alert.time_s) == (1, 7.0)


async def test_too_far_behind_is_resumed(tmp_path):
    async with (
        running(tmp_path) as service,
        contextlib.aclosing(subscriber(service.url).messages()) as stream,
    ):
        await anext(stream)
        (subscription,) = service.hub._subscriptions
        subscription._max_events = 0
        await service.hub.publish_alert(draft())
        service.hub.publish_participant(joined())
        kinds = [message.type for message in await read(stream, 3)]
        assert sorted(kinds) == ["alert", "hello", "participant"]


async def test_nobody_there(unused_tcp_port):
    error = await first_error(f"http://127.0.0.1:{unused_tcp_port}")
    assert "No monitor answers" in error.message
    assert "seamwatch serve" in error.fix


async def test_wrong_and_missing_token(tmp_path):
    async with running(tmp_path, token="t0ken") as service:
        for token in (None, "wrong"):
            error = await first_error(service.url, token=token)
            assert "token" in error.message
        async with contextlib.aclosing(subscriber(service.url, token="t0ken").messages()) as stream:
            assert isinstance(await anext(stream), Hello)


async def test_a_refusal_is_passed_on_in_the_words_of_the_monitor(tmp_path):
    async with running(tmp_path) as service:
        error = await first_error(service.url, call="no such call")
        assert "no such call" in error.message
        assert "characters" in error.fix
        error = await first_error(service.url + "/nothing")
        assert "403" in error.message


async def test_a_server_of_another_kind(unused_tcp_port):
    async def chat(connection):
        await connection.send("hi")

    async with serve_websocket(chat, "127.0.0.1", unused_tcp_port):
        error = await first_error(f"ws://127.0.0.1:{unused_tcp_port}")
        assert "does not speak seamwatch.alerts.v1" in error.message


@pytest.mark.parametrize("text", ["hi", "[]", '{"v": 2, "type": "hello"}', '{"v": 1, "type": "hello"}'])
async def test_messages_that_are_not_of_version_1(unused_tcp_port, text):
    async def odd(connection):
        await connection.send(text)

    serving = serve_websocket(odd, "127.0.0.1", unused_tcp_port, subprotocols=["seamwatch.alerts.v1"])
    async with serving:
        error = await first_error(f"ws://127.0.0.1:{unused_tcp_port}")
        assert "does not speak" in error.message


async def test_types_that_came_later_are_passed_over(unused_tcp_port):
    async def newer(connection):
        await connection.send('{"v": 1, "type": "weather", "rain": true}')
        await connection.send(joined().model_dump_json()[:-1] + ', "new_field": 1}')
        await connection.wait_closed()

    serving = serve_websocket(newer, "127.0.0.1", unused_tcp_port, subprotocols=["seamwatch.alerts.v1"])
    async with (
        serving,
        contextlib.aclosing(subscriber(f"ws://127.0.0.1:{unused_tcp_port}").messages()) as stream,
    ):
        assert await anext(stream) == joined()


async def test_closing_ends_the_connection(tmp_path):
    async with running(tmp_path) as service:
        stream = subscriber(service.url).messages()
        await anext(stream)
        await stream.aclose()
        await service.hub._no_subscribers.wait()


async def test_cancelling_ends_the_connection(tmp_path):
    async with running(tmp_path) as service:
        started = asyncio.Event()

        async def watch():
            async for _ in subscriber(service.url):
                started.set()

        watching = asyncio.create_task(watch(), name="test-watch")
        await started.wait()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await service.hub._no_subscribers.wait()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/alerts"),
        ("https://example.org/", "wss://example.org/alerts"),
        ("ws://[::1]:80/alerts", "ws://[::1]:80/alerts"),
        ("wss://example.org/behind/proxy/alerts", "wss://example.org/behind/proxy/alerts"),
    ],
)
def test_addresses(url, expected):
    assert alerts_url(url) == expected


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8080", "ftp://host", "ws://", "ws://host:port", "ws://[::1", "ws://h:0"]
)
def test_what_is_no_address(url):
    with pytest.raises(ConfigurationError) as caught:
        Subscriber(url)
    assert "ws://127.0.0.1:8080/alerts" in caught.value.fix


def test_delays_double_up_to_the_cap():
    longest = list(
        itertools.islice(backoff_delays(first_s=1, longest_s=10, uniform=lambda _low, high: high), 6)
    )
    shortest = list(
        itertools.islice(backoff_delays(first_s=1, longest_s=10, uniform=lambda low, _high: low), 6)
    )
    assert longest == [1, 2, 4, 8, 10, 10]
    assert shortest == [0.5, 1, 2, 4, 5, 5]
    assert next(itertools.islice(backoff_delays(), 5_000, None)) <= 30
