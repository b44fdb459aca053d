import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

import clients.joining.livekit as livekit_module
import clients.joining.livekit_sdk as sdk_module
from clients.joining.adapter import CallLostError, JoinError, Sighting
from clients.joining.livekit import LiveKitAdapter
from clients.joining.livekit_sdk import refusal, require_sdk
from clients.joining.target import JoinTarget, join_target
from tests.support.livekit_scripted import Publication, ScriptedSdk
from tests.support.scripted_room import ScriptedRoom

CAMERA, MICROPHONE, SCREEN, SCREEN_AUDIO = 1, 2, 3, 4
TARGET = "livekit+wss://rooms.example/"


def target(url: str = TARGET, **options: Any) -> JoinTarget:
    return join_target(url, token=options.pop("token", "t0k3n"), **options)


@pytest.fixture
def sdk(monkeypatch: pytest.MonkeyPatch) -> ScriptedSdk:
    scripted = ScriptedSdk()
    monkeypatch.setattr(livekit_module, "require_sdk", lambda: scripted)
    monkeypatch.setattr(livekit_module, "LOOK_INTERVAL_S", 0.01)
    return scripted


@asynccontextmanager
async def attended(
    room: ScriptedRoom, adapter: LiveKitAdapter | None = None
) -> AsyncIterator[asyncio.Task[None]]:
    """Attend until joined; leaving cancels, and requires that nothing is left running."""
    joined = asyncio.Event()
    attending = asyncio.create_task((adapter or LiveKitAdapter(target())).attend(room, joined.set))
    try:
        await joined.wait()
        yield attending
    finally:
        attending.cancel()
        await asyncio.gather(attending, return_exceptions=True)
        await room.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        for _ in iter(condition, True):
            await asyncio.sleep(0.001)


async def test_it_joins_without_subscribing_to_everything_and_leaves(sdk: ScriptedSdk) -> None:
    async with attended(ScriptedRoom()):
        assert sdk.connected_to == ("wss://rooms.example/", "t0k3n")
        assert sdk.options.auto_subscribe is False
    assert sdk.disconnects == 1


async def test_cameras_and_microphones_are_watched_and_shared_screens_are_not(sdk: ScriptedSdk) -> None:
    room = ScriptedRoom()
    media = [Publication(source) for source in (SCREEN, CAMERA, SCREEN_AUDIO, MICROPHONE)]
    async with attended(room):
        sdk.enter("presenter", Publication(SCREEN), Publication(SCREEN_AUDIO))
        alice = sdk.enter("alice", *media, name="Alice")
        await until(lambda: sdk.AudioStream.opened + sdk.VideoStream.opened == 2)
        assert room.names == {alice: "Alice"}
        assert [one.requests for one in media] == [[], [True], [], [True]]
    assert sdk.AudioStream.closed == sdk.VideoStream.closed == 1


async def test_who_has_no_name_is_called_by_identity(sdk: ScriptedSdk) -> None:
    room = ScriptedRoom()
    async with attended(room):
        bob = sdk.enter("bob", Publication(MICROPHONE))
        await until(lambda: room.names == {bob: "bob"})


async def test_a_participant_appears_with_the_first_track_and_leaves_once(sdk: ScriptedSdk) -> None:
    room = ScriptedRoom()
    async with attended(room):
        alice = sdk.enter("alice")
        await asyncio.sleep(0.05)
        assert room.events == []
        tracks = sdk.remote_participants["alice"].track_publications
        tracks["a"] = Publication(MICROPHONE)
        sdk.emit("track_published", None, None)
        await until(lambda: sdk.AudioStream.opened == 1)
        tracks["v"] = Publication(CAMERA)
        sdk.emit("track_published", None, None)
        await until(lambda: sdk.VideoStream.opened == 1)
        sdk.leave("alice")
        await until(lambda: room.events == [("appeared", alice), ("left", alice)])
        assert sdk.VideoStream.closed == sdk.AudioStream.closed == 1


async def test_a_track_that_goes_and_comes_back_is_read_again(sdk: ScriptedSdk) -> None:
    room = ScriptedRoom()
    async with attended(room):
        alice = sdk.enter("alice", Publication(CAMERA))
        await until(lambda: sdk.VideoStream.opened == 1)
        tracks = sdk.remote_participants["alice"].track_publications
        tracks.clear()
        sdk.emit("track_unpublished", None, None)
        await until(lambda: sdk.VideoStream.closed == 1)
        tracks["new"] = Publication(CAMERA)
        sdk.emit("track_published", None, None)
        await until(lambda: sdk.VideoStream.opened == 2)
        assert room.events == [("appeared", alice)]


async def test_a_request_that_came_to_nothing_is_repeated(sdk: ScriptedSdk) -> None:
    camera = Publication(CAMERA, obeys=False)
    async with attended(ScriptedRoom()):
        sdk.enter("alice", camera)
        await until(lambda: camera.requests == [True, True])


async def test_who_finds_no_seat_gets_one_when_somebody_leaves(sdk: ScriptedSdk) -> None:
    room = ScriptedRoom(seats=1)
    async with attended(room):
        sdk.enter("alice", Publication(CAMERA))
        await until(lambda: len(room.sources) == 1)
        late = Publication(CAMERA)
        bob = sdk.enter("bob", late)
        await until(lambda: room.refused_for_capacity == 1)
        await asyncio.sleep(0.05)
        assert room.refused_for_capacity == 1
        assert late.requests == []
        sdk.leave("alice")
        await until(lambda: bob in room.sources and late.requests == [True])


async def test_what_the_monitor_ended_is_unsubscribed_and_stays_so(sdk: ScriptedSdk) -> None:
    room = ScriptedRoom()
    camera = Publication(CAMERA)
    async with attended(room):
        alice = sdk.enter("alice", camera)
        await until(lambda: sdk.VideoStream.opened == 1)
        await room.sources[alice].close()
        await until(lambda: sdk.VideoStream.closed == 1)
        await asyncio.sleep(0.05)
        assert camera.requests == [True, False]
        assert room.events == [("appeared", alice)]


async def test_a_track_that_cannot_be_read_ends_only_its_participant(sdk: ScriptedSdk) -> None:
    room = ScriptedRoom()
    async with attended(room) as attending:
        sdk.VideoStream.broken = True
        alice = sdk.enter("alice", Publication(CAMERA))
        await until(lambda: alice in room.sources and getattr(room.sources[alice], "ended", False))
        sdk.enter("bob", Publication(MICROPHONE))
        await until(lambda: sdk.AudioStream.opened == 1)
        assert not attending.done()


@pytest.mark.parametrize("rotation", [0, 1, 2, 3])
async def test_pictures_come_upright(sdk: ScriptedSdk, rotation: int) -> None:
    sizes: list[tuple[int, int]] = []

    class Sink:
        def on_picture(self, picture: Any) -> None:
            sizes.append(picture.convert().shape[:2])

        def __getattr__(self, name: str) -> Callable[..., None]:
            return lambda *_: None

    class Room(ScriptedRoom):
        async def appeared(self, feed: str, name: str, open_source: Any) -> None:
            self.sources[feed] = await open_source(Sink())

    async with attended(Room()):
        sdk.VideoStream.rotation = rotation
        sdk.enter("alice", Publication(CAMERA))
        await until(lambda: sizes != [])
    assert sizes[0] == ((8, 6) if rotation % 2 else (6, 8))


async def test_a_smaller_layer_is_asked_for_where_the_face_is_large(sdk: ScriptedSdk) -> None:
    room = ScriptedRoom()
    camera, plain = Publication(CAMERA, simulcasted=True), Publication(CAMERA)
    async with attended(room):
        for identity, publication in (("alice", camera), ("bob", plain)):
            sid = sdk.enter(identity, publication)
            room.sightings[sid] = Sighting(face_px=600.0, picture_px=(1280, 720))
        await until(lambda: camera.qualities[:1] == [sdk.VideoQuality.VIDEO_QUALITY_MEDIUM])
        assert plain.qualities == []


async def test_a_token_that_hides_the_monitor_is_refused(sdk: ScriptedSdk) -> None:
    sdk.local_participant.permissions.hidden = True
    with pytest.raises(JoinError, match="hides"):
        await LiveKitAdapter(target()).attend(ScriptedRoom(), lambda: None)
    assert sdk.disconnects == 1


async def test_a_token_that_may_not_watch_is_refused(sdk: ScriptedSdk) -> None:
    sdk.local_participant.permissions.can_subscribe = False
    with pytest.raises(JoinError, match="canSubscribe"):
        await LiveKitAdapter(target()).attend(ScriptedRoom(), lambda: None)


@pytest.mark.parametrize("may_rename", [True, False])
async def test_the_monitor_goes_by_its_name_where_the_token_lets_it(
    sdk: ScriptedSdk, may_rename: bool
) -> None:
    sdk.local_participant.name = "somebody"
    sdk.local_participant.permissions.can_update_metadata = may_rename
    with capture_logs() as logs:
        async with attended(ScriptedRoom()):
            pass
    assert sdk.local_participant.name == ("Seamwatch monitor" if may_rename else "somebody")
    assert any(entry["event"] == "livekit_name_differs" for entry in logs) is not may_rename


async def test_a_line_goes_into_the_chat_only_while_joined_and_allowed(sdk: ScriptedSdk) -> None:
    adapter = LiveKitAdapter(target())
    assert not await adapter.post("too early")
    async with attended(ScriptedRoom(), adapter):
        assert await adapter.post("hello")
        sdk.local_participant.fails = True
        assert not await adapter.post("fails")
        sdk.local_participant.fails = False
        sdk.local_participant.permissions.can_publish_data = False
        assert not await adapter.post("not allowed")
    assert not await adapter.post("too late")
    assert sdk.local_participant.texts == [("lk.chat", "hello")]


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        ("ROOM_DELETED", None),
        ("ROOM_CLOSED", None),
        ("PARTICIPANT_REMOVED", JoinError),
        ("DUPLICATE_IDENTITY", JoinError),
        ("SERVER_SHUTDOWN", CallLostError),
        ("UNKNOWN_REASON", CallLostError),
    ],
)
async def test_how_it_ends_says_whether_to_come_back(
    sdk: ScriptedSdk, reason: str, outcome: type[Exception] | None
) -> None:
    room = ScriptedRoom()
    async with attended(room) as attending:
        sdk.enter("alice", Publication(CAMERA))
        await until(lambda: sdk.VideoStream.opened == 1)
        sdk.emit("disconnected", getattr(sdk.DisconnectReason, reason))
        if outcome is None:
            await attending
        else:
            with pytest.raises(outcome):
                await attending
        assert sdk.VideoStream.closed == 1


async def test_whoever_gives_up_while_connecting_does_not_stay_in_the_room(sdk: ScriptedSdk) -> None:
    sdk.let_in.clear()
    attending = asyncio.create_task(LiveKitAdapter(target()).attend(ScriptedRoom(), lambda: None))
    await sdk.connecting.wait()
    attending.cancel()
    await asyncio.sleep(0)
    assert not attending.done()
    sdk.let_in.set()
    with pytest.raises(asyncio.CancelledError):
        await attending
    assert sdk.disconnects == 1


@pytest.mark.parametrize(
    ("message", "kind", "word"),
    [
        ("engine: signal failure: client error: 401 Unauthorized - invalid token", JoinError, "token"),
        ("engine: signal failure: client error: 403 Forbidden - refused", JoinError, "token"),
        ("engine: signal failure: client error: 404 Not Found - ", JoinError, "URL"),
        ("engine: signal failure: client error: 400 Bad Request - x", JoinError, "400"),
        ("engine: signal failure: client error: 429 Too Many Requests - x", CallLostError, "429"),
        ("engine: signal failure: server error: 503 Service Unavailable - x", CallLostError, "503"),
        ("engine: signal failure: handshake error: 503 Service Unavailable", CallLostError, "503"),
        (
            "engine: signal failure: transport connection error: IO error: Connection refused (os error 111)",
            CallLostError,
            "reached",
        ),
        ("", CallLostError, "reached"),
    ],
)
async def test_a_refusal_says_what_to_do(
    sdk: ScriptedSdk, message: str, kind: type[Exception], word: str
) -> None:
    sdk.refusal = message
    with pytest.raises(kind, match=word) as caught:
        await LiveKitAdapter(target()).attend(ScriptedRoom(), lambda: None)
    assert "t0k3n" not in str(caught.value)
    assert type(refusal(message)) is kind


async def test_without_a_token_nothing_is_tried() -> None:
    with pytest.raises(JoinError, match="--token"):
        await LiveKitAdapter(target(token=None)).attend(ScriptedRoom(), lambda: None)


async def test_a_token_travels_unencrypted_at_home_only(sdk: ScriptedSdk) -> None:
    async with attended(ScriptedRoom(), LiveKitAdapter(target("livekit+ws://127.0.0.1:7880/base?x=1"))):
        assert sdk.connected_to == ("ws://127.0.0.1:7880/base", "t0k3n")
    elsewhere = LiveKitAdapter(target("livekit+ws://rooms.example:7880"))
    with pytest.raises(JoinError, match="unencrypted"):
        await elsewhere.attend(ScriptedRoom(), lambda: None)


def test_a_missing_sdk_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(sdk_module.importlib, "import_module", missing)
    with pytest.raises(JoinError, match=r"seamwatch\[livekit\]"):
        require_sdk()


def test_the_sdk_does_not_log_who_is_in_a_call(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sdk_module.importlib, "import_module", lambda name: name)
    root = logging.getLogger()
    filters = list(root.filters)
    try:
        require_sdk()
        require_sdk()
        assert len(root.filters) <= len(filters) + 1
        logging.getLogger("livekit").error("Alice joined from 192.0.2.1")
        record = root.makeRecord("root", logging.ERROR, "/lib/livekit/rtc/room.py", 1, "Alice left", (), None)
        root.handle(record)
        root.error("somebody else's message")
    finally:
        root.filters[:] = filters
    assert [record.message for record in caplog.records] == ["somebody else's message"]
