"""WHEP against a real server: HTTP, ICE, DTLS and RTP over this machine's network."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from clients.joining.adapter import CallLostError, JoinError
from clients.joining.target import join_target
from clients.joining.whep import WhepAdapter
from clients.publisher.prepare import prepare_clip
from realtime.ingest.sink import EndReason
from tests.support.joining_room import PATIENCE_S, FakeRoom, attended
from tests.support.media import write_clip
from tests.support.whep_server import ClipPlayer, WhepServer, serving


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whep")
    source = write_clip(folder / "clip.mkv", seconds=3, size=(160, 120), audio_codec="pcm_s16le")
    return prepare_clip(source, folder / "clip.webm")


def playing(clip: Path) -> Callable[[], Awaitable[ClipPlayer]]:
    return partial(ClipPlayer.open, clip)


def adapter(server: WhepServer, path: str = "/live/studio", *, token: str | None = None) -> WhepAdapter:
    return WhepAdapter(join_target(f"whep+{server.url}{path}", token=token))


@pytest.mark.parametrize("counter_offer", [False, True], ids=["answer", "counter-offer"])
async def test_a_stream_is_watched_and_left_politely(clip: Path, counter_offer: bool) -> None:
    room = FakeRoom()
    async with (
        serving(WhepServer(playing(clip), token="secret", counter_offer=counter_offer)) as server,
        attended(adapter(server, token="secret"), room) as attending,
    ):
        sink = room.sinks["studio"]
        await room.until(lambda _: len(sink.sizes) > 25 and sink.samples > 16_000)
        assert len(server.sessions) == 1
        attending.cancel()
        await asyncio.wait([attending])
        assert attending.cancelled()
        assert server.sessions == {}
    methods = [method for method, _ in server.requests]
    assert methods == ["OPTIONS", "POST", *(["PATCH"] if counter_offer else []), "DELETE"]
    assert room.events == [("appeared", "studio", "studio")]
    assert set(sink.sizes) == {(160, 120)}
    assert len(sink.ends) == 1


async def test_the_end_of_the_stream_is_noticed(clip: Path) -> None:
    room = FakeRoom()
    async with serving(WhepServer(playing(clip))) as server, attended(adapter(server), room) as attending:
        await room.until(lambda r: bool(r.sinks["studio"].sizes))
        await server.end_all()
        with pytest.raises(CallLostError, match="The server ended the stream"):
            async with asyncio.timeout(PATIENCE_S):
                await attending
        assert room.sinks["studio"].ends == [EndReason.PEER_LEFT]
    assert server.requests[-1][0] == "DELETE"


async def test_a_redirected_offer_arrives(clip: Path) -> None:
    room = FakeRoom()
    async with serving(WhepServer(playing(clip), token="secret")) as server:
        async with attended(adapter(server, "/moved/studio", token="secret"), room):
            await room.until(lambda r: bool(r.sinks["studio"].sizes))
        assert server.requests[-3:-1] == [("POST", "/moved/studio"), ("POST", "/live/studio")]
        assert server.sessions == {}


async def test_refusals(clip: Path) -> None:
    async with serving(WhepServer(playing(clip), token="secret")) as server:
        with pytest.raises(JoinError, match="wants a token"):
            await adapter(server).attend(FakeRoom(), pytest.fail)
        with pytest.raises(CallLostError, match="Nothing is published there"):
            await adapter(server, "/nowhere").attend(FakeRoom(), pytest.fail)
        with pytest.raises(CallLostError, match="room is full"):
            await adapter(server, token="secret").attend(FakeRoom(seats=0), pytest.fail)
        server.live = False
        with pytest.raises(CallLostError, match="Nothing is published there") as caught:
            await adapter(server, token="secret").attend(FakeRoom(), pytest.fail)
        assert caught.value.retry_after_s == 7
        assert server.sessions == {}
    with pytest.raises(CallLostError, match="does not answer"):
        await adapter(server).attend(FakeRoom(), pytest.fail)
