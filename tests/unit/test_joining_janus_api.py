import asyncio
import json

import pytest

from clients.joining.adapter import CallLostError
from clients.joining.janus_api import KEEPALIVE_S, REQUEST_TIMEOUT_S, JanusSession
from clients.joining.janus_messages import JanusRefusedError, ServerMessage
from tests.support.janus_double import VIDEOROOM, DoubleSocket, JanusDouble
from tests.support.virtual_time import run_virtually


class Connected:
    """A session whose messages are read in the background."""

    def __init__(self, server: JanusDouble) -> None:
        self.socket = DoubleSocket(server)
        self.session = JanusSession(self.socket, token=server.token)
        self.events: list[ServerMessage] = []

    async def __aenter__(self) -> "Connected":
        self.reading = asyncio.create_task(self.session.read())
        return self

    async def __aexit__(self, *error: object) -> None:
        self.reading.cancel()
        await asyncio.gather(self.reading, return_exceptions=True)


def test_a_request_is_answered_by_the_event_behind_its_acknowledgement() -> None:
    async def check() -> None:
        async with Connected(JanusDouble(token="t")) as connected:
            await connected.session.create()
            handle = await connected.session.attach(VIDEOROOM, connected.events.append)
            reply = await handle.request({"request": "join", "room": 1234, "display": "m", "pin": None})
            assert reply.data["videoroom"] == "joined"
            assert connected.events == []

    run_virtually(check())


def test_refusals_of_the_core_and_of_a_plugin_carry_their_code() -> None:
    async def check() -> None:
        async with Connected(JanusDouble()) as connected:
            await connected.session.create()
            with pytest.raises(JanusRefusedError) as refused:
                await connected.session.attach("janus.plugin.none", connected.events.append)
            assert refused.value.code == 460
            handle = await connected.session.attach(VIDEOROOM, connected.events.append)
            with pytest.raises(JanusRefusedError) as refused:
                await handle.request({"request": "join", "room": 1, "display": "m"})
            assert refused.value.code == 426

    run_virtually(check())


def test_a_silent_server_is_given_up_after_the_time_for_a_reply() -> None:
    async def check() -> None:
        server = JanusDouble()
        server.mute = {"create"}
        async with Connected(server) as connected:
            started_s = asyncio.get_running_loop().time()
            with pytest.raises(CallLostError):
                await connected.session.create()
            waited_s = asyncio.get_running_loop().time() - started_s
            assert waited_s == pytest.approx(REQUEST_TIMEOUT_S, abs=0.1)

    run_virtually(check())


def test_events_go_to_their_handle_until_it_is_detached() -> None:
    async def check() -> None:
        async with Connected(JanusDouble()) as connected:
            await connected.session.create()
            handle = await connected.session.attach(VIDEOROOM, connected.events.append)
            other = await connected.session.attach(VIDEOROOM, lambda message: None)
            number = json.dumps({"janus": "webrtcup", "sender": 1001})
            connected.socket.push(number)
            await asyncio.sleep(1)
            assert [message.kind for message in connected.events] == ["webrtcup"]
            await handle.detach()
            connected.socket.push(number)
            await asyncio.sleep(1)
            assert len(connected.events) == 1
            await other.detach()
            await other.detach()

    run_virtually(check())


def test_keepalives_go_out_and_a_missing_acknowledgement_loses_the_call() -> None:
    async def check() -> None:
        server = JanusDouble()
        async with Connected(server) as connected:
            await connected.session.create()
            keeping = asyncio.create_task(connected.session.keep_alive())
            await asyncio.sleep(4 * KEEPALIVE_S)
            assert 3 <= server.requests.count(("keepalive", "")) <= 4
            server.mute = {"keepalive"}
            with pytest.raises(CallLostError):
                await keeping

    run_virtually(check())


def test_a_forgotten_session_loses_the_call() -> None:
    async def check() -> None:
        server = JanusDouble()
        async with Connected(server) as connected:
            await connected.session.create()
            server.session_id = None
            with pytest.raises(CallLostError):
                await connected.session.keep_alive()

    run_virtually(check())


@pytest.mark.parametrize("how", ["close", "timeout"])
def test_the_end_of_the_connection_or_the_session_fails_what_waits_and_what_comes(how: str) -> None:
    async def check() -> None:
        server = JanusDouble()
        async with Connected(server) as connected:
            await connected.session.create()
            server.mute = {"attach"}
            waiting = asyncio.create_task(connected.session.attach(VIDEOROOM, connected.events.append))
            await asyncio.sleep(1)
            if how == "close":
                connected.socket.close()
            else:
                connected.socket.push(json.dumps({"janus": "timeout", "session_id": 1000}))
            started_s = asyncio.get_running_loop().time()
            for lost in (waiting, connected.reading, connected.session.destroy()):
                with pytest.raises(CallLostError):
                    await lost
            assert asyncio.get_running_loop().time() - started_s < 1

    run_virtually(check())


def test_unreadable_and_unknown_messages_are_passed_over() -> None:
    async def check() -> None:
        async with Connected(JanusDouble()) as connected:
            for text in ("junk", "[]", '{"janus":"event","sender":5}', '{"janus":"ack","transaction":"99"}'):
                connected.socket.push(text)
            await connected.session.create()
            assert not connected.reading.done()

    run_virtually(check())
