"""How a Janus call begins and ends: refusals, losses and leaving, against a server double in virtual time."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from clients.joining.adapter import CallLostError, JoinError
from clients.joining.janus import JanusAdapter
from clients.joining.target import join_target
from tests.support.attended_janus import Attended, adapter_for, in_a_call
from tests.support.janus_double import ROOM, JanusDouble
from tests.support.scripted_room import ScriptedReceiver, ScriptedRoom
from tests.support.virtual_time import run_virtually


def test_a_destroyed_room_is_the_end_of_the_call() -> None:
    server = JanusDouble()
    server.publish(5)

    async def check(call: Attended) -> None:
        server.say({"videoroom": "destroyed", "room": ROOM})
        await call.task
        assert server.session_id is None

    in_a_call(check, server=server)


def test_a_moderator_can_send_the_monitor_away() -> None:
    server = JanusDouble()

    async def check(call: Attended) -> None:
        server.say({"videoroom": "event", "leaving": "ok", "reason": "kicked"})
        with pytest.raises(JoinError, match="moderator"):
            await call.task

    in_a_call(check, server=server)


@pytest.mark.parametrize("how", ["close", "timeout", "detached", "silent", "flood"])
def test_a_lost_session_is_a_lost_call(how: str) -> None:
    server = JanusDouble()
    server.publish(5)

    async def check(call: Attended) -> None:
        socket = server.connections[0]
        if how == "close":
            socket.close()
        elif how == "timeout":
            socket.push(json.dumps({"janus": "timeout", "session_id": server.session_id}))
        elif how == "detached":
            socket.push(json.dumps({"janus": "detached", "sender": server.control.id}))
        elif how == "silent":
            server.mute = {"keepalive", "destroy", "leave"}
        else:
            for feed in range(100_000):
                server.say({"videoroom": "event", "unpublished": feed})
        with pytest.raises(CallLostError):
            await call.task
        assert await call.adapter.post("still there?") is False

    in_a_call(check, server=server)


@pytest.mark.parametrize(
    ("code", "error", "hint"),
    [
        (426, JoinError, "room"),
        (433, JoinError, "--pin"),
        (429, JoinError, "--pin"),
        (432, CallLostError, "publishers"),
        (499, CallLostError, "log"),
    ],
)
def test_a_refusal_on_the_way_in_says_what_to_do(code: int, error: type[Exception], hint: str) -> None:
    async def run() -> None:
        server = JanusDouble()
        server.errors["join"] = [code]
        call = Attended(server, ScriptedRoom(), adapter_for(server))
        await call.begin()
        with pytest.raises(error) as refused:
            await call.task
        assert hint in str(refused.value)
        assert call.joined == 0
        assert server.session_id is None

    run_virtually(run())


def test_a_server_without_the_right_token_or_plugin_refuses_for_good() -> None:
    async def run() -> None:
        for server, hint in ((JanusDouble(token="t"), "--token"), (JanusDouble(), "videoroom")):
            server.plugins.clear()
            call = Attended(server, ScriptedRoom(), adapter_for(server))
            await call.begin()
            with pytest.raises(JoinError, match=hint):
                await call.task

    run_virtually(run())


def test_a_cancelled_monitor_leaves_politely() -> None:
    server = JanusDouble()
    server.publish(5)

    async def check(call: Attended) -> None:
        call.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call.task
        assert server.requests[-2:] == [("message", "leave"), ("destroy", "")]
        assert await call.adapter.post("still there?") is False

    in_a_call(check, server=server)


@pytest.mark.parametrize("mute", [{"leave"}, {"destroy"}, {"leave", "destroy"}])
def test_a_server_that_does_not_answer_holds_nobody_up(mute: set[str]) -> None:
    server = JanusDouble()
    server.publish(5)

    async def check(call: Attended) -> None:
        server.mute = mute
        started_s = asyncio.get_running_loop().time()
        call.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call.task
        assert asyncio.get_running_loop().time() - started_s < 3

    in_a_call(check, server=server)


def test_cancelling_while_the_connection_goes_is_still_a_cancellation() -> None:
    server = JanusDouble()

    async def check(call: Attended) -> None:
        server.connections[0].close()
        await asyncio.sleep(0)
        call.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call.task

    in_a_call(check, server=server)


@pytest.mark.parametrize("steps", range(60))
def test_cancelled_at_any_moment_nothing_is_left_behind(steps: int) -> None:
    """``run_virtually`` checks that no task is left."""

    async def run() -> None:
        server, room = JanusDouble(), ScriptedRoom()
        receivers: list[ScriptedReceiver] = []

        def receiver(sink: Any, *, clock_ns: Callable[[], int]) -> ScriptedReceiver:
            receivers.append(ScriptedReceiver(sink, clock_ns=clock_ns))
            return receivers[-1]

        for feed in (5, 6):
            server.publish(feed)
        adapter = JanusAdapter(
            join_target(f"janus://localhost/room/{ROOM}"),
            open_socket=server.open_socket,
            open_receiver=receiver,
        )
        task = asyncio.create_task(adapter.attend(room, lambda: None))
        for _ in range(steps):
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ("attach", "") not in server.requests or server.requests[-1] == ("destroy", "")
        assert all(source.closed for source in receivers if source not in room.sources.values())

    run_virtually(run())


def test_a_token_does_not_travel_in_the_clear() -> None:
    with pytest.raises(JoinError, match="unencrypted"):
        JanusAdapter(join_target("janus://198.51.100.7/room/1", token="t"))
    JanusAdapter(join_target("januss://198.51.100.7/room/1", token="t"))
