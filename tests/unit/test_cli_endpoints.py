"""Addresses of a monitor, and names made safe."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.cli.endpoints import endpoints
from clients.names import safe_name, safe_unique_names
from realtime.errors import ConfigurationError
from realtime.server.ports import is_name


@pytest.mark.parametrize(
    ("address", "http", "alerts"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "ws://127.0.0.1:8080/alerts"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080", "ws://127.0.0.1:8080/alerts"),
        ("ws://127.0.0.1:8080/alerts", "http://127.0.0.1:8080", "ws://127.0.0.1:8080/alerts"),
        ("https://monitor.example", "https://monitor.example", "wss://monitor.example/alerts"),
        ("wss://[::1]:9000/sw/alerts", "https://[::1]:9000/sw", "wss://[::1]:9000/sw/alerts"),
    ],
)
def test_addresses(address: str, http: str, alerts: str) -> None:
    where = endpoints(address)
    assert (where.http, where.alerts) == (http, alerts)
    assert where.whip("call", "anna") == f"{http}/whip/call/anna"


@pytest.mark.parametrize(
    "address",
    ["", "monitor", "127.0.0.1:8080", "ftp://x", "http://", "http://x:port", "http://[", "ws://x?y"],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError):
        endpoints(address)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("anna", "anna"),
        ("Anna Müller (2)", "Anna-M-ller-2"),
        ("../../etc/passwd", "etc-passwd"),
        ("...", "participant"),
        ("人", "participant"),
        ("", "participant"),
    ],
)
def test_safe_names(text: str, name: str) -> None:
    assert safe_name(text) == name


@given(st.lists(st.text(max_size=80), max_size=12))
def test_names_are_unique_and_acceptable_to_the_server(texts: list[str]) -> None:
    names = safe_unique_names(texts)
    assert len(names) == len(texts)
    assert len(set(names)) == len(names)
    assert all(is_name(name) for name in names)


def test_a_taken_name_gets_the_next_free_number() -> None:
    assert safe_unique_names(["a", "a-2", "a", "a"]) == ["a", "a-2", "a-3", "a-4"]
