"""The short form of ``bench.janus_call``: a real Janus, two Chromium participants, and ``seamwatch join``."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bench.janus.call import call_in_janus
from bench.janus.cast import make_cast
from bench.janus.janus_server import janus_room
from bench.janus.network import call_network
from bench.janus.room_list import who_is_there
from bench.janus.script import CallScript
from engines.store.store import ModelStore

pytest_plugins = ["tests.support.janus_room"]
pytestmark = pytest.mark.browser

CLIP_S = 16.0


@pytest.mark.timeout(900)
async def test_everybody_in_a_call_gets_the_right_name_and_verdict(
    call_bench: None, model_store: ModelStore, tmp_path: Path
) -> None:
    cast = make_cast(2, None, tmp_path / "cast", seconds=CLIP_S)
    async with call_in_janus(cast, tmp_path) as call:
        checks = await CallScript(call, cast, thorough=False, show=lambda check: None).play()
        witness = call.witness
        complaints = {name: person.complaints for name, person in call.people.items()}
    assert {check.what: check.detail for check in checks if not check.held} == {}
    assert set(witness.comings) == {"alice", "bob"}
    assert witness.states("alice")[:3] == ["joined", "left", "joined"]
    assert witness.states("bob")[:3] == ["joined", "left", "joined"]
    assert {alert.call for alert in witness.alerts["bob"]} == {"1234"}
    assert complaints == {"alice": [], "bob": []}


async def test_nothing_is_left_behind_when_a_run_fails(call_bench: None, tmp_path: Path) -> None:
    namespaces: list[str] = []

    async def fail() -> None:
        with call_network() as network:
            namespaces.append(network.namespace)
            async with janus_room(network, tmp_path) as room:
                assert await who_is_there(room) == {}
                assert namespaces[0] in listed("netns", "list")
                raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        await fail()
    assert namespaces[0] not in listed("netns", "list")
    assert namespaces[0].removeprefix("seamwatch-") not in listed("link", "show")
    assert "Bye!" in (tmp_path / "janus.log").read_text()


async def test_two_rooms_exist_side_by_side(call_bench: None, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    with call_network() as one, call_network() as other:
        async with (
            janus_room(one, tmp_path / "first") as first,
            janus_room(other, tmp_path / "second") as second,
        ):
            assert first.websocket_url != second.websocket_url
            assert await who_is_there(first) == await who_is_there(second) == {}


def listed(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout
