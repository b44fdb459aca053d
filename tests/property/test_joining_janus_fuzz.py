"""The Janus adapter against a server that says anything: it ends as it may, and watches nobody who left."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from clients.joining.adapter import CallLostError, JoinError
from clients.joining.janus import JanusAdapter
from clients.joining.target import join_target
from tests.support.janus_double import ROOM, JanusDouble
from tests.support.scripted_room import ScriptedReceiver, ScriptedRoom
from tests.support.virtual_time import run_virtually

FEEDS = (5, 6, "7", "ok", True)
SETTLING_S = 120.0

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 2000)
    | st.floats(allow_nan=False)
    | st.sampled_from(("event", "ok", "kicked", "destroyed", "audio", "opus", "offer", "\ud800")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("id", "type", "mid", "codec", "sdp", "code", "data")), inner)
    ),
    max_leaves=8,
)
feeds = st.sampled_from(FEEDS)
streams = anything | st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(("audio", "video", "data")) | anything,
            "mid": st.sampled_from(("0", "1")) | anything,
            "codec": st.sampled_from(("opus", "vp8", "vp9")) | anything,
            "disabled": anything,
            "simulcast": anything,
        },
    ),
    max_size=3,
)
publishers = anything | st.lists(
    st.fixed_dictionaries({"id": feeds | anything, "streams": streams}, optional={"display": anything}),
    max_size=3,
)
room_data = st.fixed_dictionaries(
    {"videoroom": st.sampled_from(("event", "joined", "attached")) | anything},
    optional={
        "publishers": publishers,
        "unpublished": feeds | anything,
        "leaving": feeds | anything,
        "kicked": feeds | anything,
        "reason": anything,
        "error_code": anything,
        "streams": streams,
    },
)
messages = st.fixed_dictionaries(
    {
        "janus": st.sampled_from(("event", "success", "error", "ack", "hangup", "detached", "media"))
        | anything
    },
    optional={
        "transaction": st.integers(1, 30).map(str) | anything,
        "sender": st.integers(1000, 1015) | anything,
        "plugindata": st.fixed_dictionaries({"data": room_data}) | anything,
        "data": st.fixed_dictionaries({"id": st.integers(1000, 1015) | anything}) | anything,
        "jsep": st.fixed_dictionaries({"type": st.just("offer"), "sdp": anything | st.text()}) | anything,
        "error": st.fixed_dictionaries({"code": st.sampled_from((403, 458, 499)) | anything}) | anything,
    },
)


def run_without_surprise(check: Coroutine[Any, Any, None]) -> None:
    """Run in virtual time; no failure may be one that the adapter did not expect."""
    with capture_logs() as logs:
        run_virtually(check)
    assert [line for line in logs if line["log_level"] == "error"] == []


class LyingServer(JanusDouble):
    """Answers some requests with something else.

    Args:
        lies: What to answer, in turn; None for the truth.
    """

    def __init__(self, lies: list[dict[str, Any] | None]) -> None:
        super().__init__()
        self._lies = lies

    async def answer(self, text: str, send: Callable[[dict[str, Any]], None]) -> None:
        lie = self._lies.pop(0) if self._lies else None
        if lie is None:
            await super().answer(text, send)
        else:
            send({**lie, "transaction": json.loads(text)["transaction"]})


class Call:
    """An adapter that attends a call of a double."""

    def __init__(self, server: JanusDouble) -> None:
        self.server, self.room = server, ScriptedRoom(seats=3)
        self.adapter = JanusAdapter(
            join_target(f"janus://localhost/room/{ROOM}"),
            open_socket=server.open_socket,
            open_receiver=ScriptedReceiver,
        )

    async def end(self, task: asyncio.Task[None]) -> None:
        """Leave; the call may also be over, in the ways in which that is allowed."""
        task.cancel()
        (ending,) = await asyncio.gather(task, return_exceptions=True)
        assert ending is None or isinstance(ending, JoinError | CallLostError | asyncio.CancelledError), (
            ending
        )
        await self.room.close()


@settings(max_examples=150)
@given(said=st.lists(st.tuples(messages | room_data, st.sampled_from((0.0, 0.01, 3.0))), max_size=20))
def test_whatever_the_server_says_nobody_who_left_is_watched(
    said: list[tuple[dict[str, Any], float]],
) -> None:
    async def check() -> None:
        call = Call(JanusDouble())
        call.server.publish(5)
        task = asyncio.create_task(call.adapter.attend(call.room, lambda: None))
        await asyncio.sleep(1)
        for message, pause_s in said:
            if "janus" in message:
                call.server.connections[0].push(json.dumps(message))
            else:
                call.server.say(message)
            await asyncio.sleep(pause_s)
        await asyncio.sleep(SETTLING_S)
        appeared = {feed for what, feed in call.room.events if what == "appeared"}
        for feed in appeared:
            call.server.say({"videoroom": "event", "kicked": feed})
        await asyncio.sleep(SETTLING_S)
        assert task.done() or not appeared & set(call.room.sources)
        await call.end(task)

    run_without_surprise(check())


@settings(max_examples=150)
@given(
    lies=st.lists(st.none() | messages | messages, max_size=25),
    events=st.lists(room_data, max_size=5),
)
def test_whatever_the_server_answers_the_adapter_ends_as_it_may(
    lies: list[dict[str, Any] | None], events: list[dict[str, Any]]
) -> None:
    async def check() -> None:
        call = Call(LyingServer(lies))
        call.server.publish(5)
        call.server.publish(6)
        task = asyncio.create_task(call.adapter.attend(call.room, lambda: None))
        for event in events:
            await asyncio.sleep(5)
            call.server.say(event)
        await asyncio.sleep(SETTLING_S)
        await call.end(task)

    run_without_surprise(check())


@settings(max_examples=100)
@given(
    acts=st.lists(
        st.tuples(
            st.sampled_from(("publish", "change", "unpublish", "leaving", "kicked", "hang_up")),
            st.sampled_from((5, 6, "7", 8)),
            st.sampled_from((0.0, 0.004, 0.02, 2.0)),
        ),
        max_size=30,
    )
)
def test_after_any_coming_and_going_exactly_those_who_publish_are_watched(
    acts: list[tuple[str, int | str, float]],
) -> None:
    async def check() -> None:
        call = Call(JanusDouble())
        call.room.seats = 10
        task = asyncio.create_task(call.adapter.attend(call.room, lambda: None))
        await asyncio.sleep(1)
        for act, feed, pause_s in acts:
            there = feed in call.server.publishers
            if act == "publish" and not there:
                call.server.publish(feed)
            elif act == "change" and there:
                call.server.publish(feed, streams=[{"type": "audio", "mid": str(pause_s), "codec": "opus"}])
            elif act == "hang_up":
                call.server.hang_up(feed)
            elif act in ("unpublish", "leaving", "kicked") and there:
                call.server.unpublish(feed, how="unpublished" if act == "unpublish" else act)
            await asyncio.sleep(pause_s)
        await asyncio.sleep(SETTLING_S)
        assert set(call.room.sources) == {str(feed) for feed in call.server.publishers}
        assert len(call.server.handles) == 1 + len(call.server.publishers)
        await call.end(task)

    run_without_surprise(check())
