from __future__ import annotations

from pathlib import Path

import pytest

from clients.joining.calls_file import MAX_CALLS, read_calls
from clients.joining.target import MONITOR_NAME, join_target
from realtime.errors import ConfigurationError

RATE = "false_alarms_per_hour = "


@pytest.mark.parametrize(
    ("url", "call"),
    [
        ("janus://10.0.0.1:8188/room/1234", "1234"),
        ("januss://call.example/room/1234", "1234"),
        ("whep+https://media.example/whep/alice", "alice"),
        ("whep+https://media.example/alice/whep", "alice"),
        ("livekit+wss://call.example", "call.example"),
        ("livekit+ws://[::1]:7880", "--1"),
        ("peerjs://call.example:9000/?id=seamwatch", "call.example"),
    ],
)
def test_a_call_is_named_after_its_url(url: str, call: str) -> None:
    target = join_target(url)
    assert target.call == call
    assert target.display_name == MONITOR_NAME


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("https://call.example", "names no call that can be joined"),
        ("janus://", "names no call that can be joined"),
        ("janus://host:0/room/1", "names no call that can be joined"),
        ("janus://host:99999/room/1", "is not a URL"),
        ("janus://[::1/room/1", "is not a URL"),
        ("janus://me:secret@host/room/1", "user name or password"),
        ("", "names no call that can be joined"),
    ],
)
def test_other_urls_are_refused_with_the_forms_that_work(url: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint) as refusal:
        join_target(url)
    assert refusal.value.fix


def test_the_name_of_a_call_must_fit_into_an_address() -> None:
    with pytest.raises(ConfigurationError, match="cannot be named"):
        join_target("janus://host/room/1", call="two words")


def write(folder: Path, text: str) -> Path:
    path = folder / "calls.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_names_several_calls(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        [[call]]
        url = "janus://host/room/1"
        pin = "4321"
        name = "standup"
        [[call]]
        url = "livekit+wss://host"
        token = "t"
        display_name = "Watcher"
        """,
    )
    first, second = read_calls(path)
    assert (first.call, first.pin, first.token) == ("standup", "4321", None)
    assert (second.call, second.display_name, second.token) == ("host", "Watcher", "t")


def test_each_call_may_have_a_rate_of_false_alarms_of_its_own(tmp_path: Path) -> None:
    calls = [
        '[[call]]\nurl = "janus://h/room/1"\n' + line for line in ("", RATE + "2", RATE + "0.5", RATE + "60")
    ]
    found = read_calls(write(tmp_path, "\n".join(calls)))
    assert [target.false_alarms_per_hour for target in found] == [None, 2.0, 0.5, 60.0]


@pytest.mark.parametrize("value", ["0", "-1", "60.5", "inf", "nan", '"often"', "true", "[]"])
def test_a_rate_that_is_none_is_refused(tmp_path: Path, value: str) -> None:
    path = write(tmp_path, f'[[call]]\nurl = "janus://h/room/1"\n{RATE}{value}')
    with pytest.raises(ConfigurationError, match=r"call\.0\.false_alarms_per_hour"):
        read_calls(path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "call: Field required"),
        ("call = []", "at least 1 item"),
        ('[[call]]\nurl = "janus://h/room/1"\npni = "1"', "call.0.pni"),
        ("[[call]]\nurl = 7", "call.0.url"),
        ("[[call]]\n", "call.0.url"),
        ("[[call", "cannot be read"),
        ('[[call]]\nurl = "ftp://h"', "names no call"),
        ('[[call]]\nurl = "janus://h/room/1"\n' * (MAX_CALLS + 1), f"at most {MAX_CALLS}"),
    ],
)
def test_a_file_with_a_fault_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        read_calls(write(tmp_path, text))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_calls(tmp_path / "none.toml")
