import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.errors import ConfigurationError
from realtime.server.auth import COOKIE_NAME, Auth, is_loopback, require_token
from realtime.server.ports import is_name


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "LOCALHOST"])
def test_loopback_needs_no_token(host):
    require_token(host, None)
    assert Auth.for_bind(host, None).local_only


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org", "", "127.0.0.1.example.org"])
def test_other_binds_need_a_token(host):
    with pytest.raises(ConfigurationError, match="needs a token") as caught:
        require_token(host, None)
    assert "127.0.0.1" in caught.value.fix
    assert not Auth.for_bind(host, "secret").local_only


@pytest.mark.parametrize("token", ["", " ", "two words", "schlüssel", "line\nbreak"])
def test_a_token_must_fit_into_a_header(token):
    with pytest.raises(ConfigurationError, match="printable"):
        require_token("127.0.0.1", token)


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "localhost", "127.0.0.1"])
def test_loopback_host_headers(host):
    auth = Auth.for_bind("127.0.0.1", None)
    assert auth.refusal_of_source({"host": host}, method="GET") is None


@pytest.mark.parametrize(
    "host", ["evil.example:8080", "", "127.0.0.1.evil.example", "[::1", "localhost.evil", "0.0.0.0"]
)
def test_rebound_names_are_refused_on_loopback_and_only_there(host):
    refusal = Auth.for_bind("127.0.0.1", "t").refusal_of_source({"host": host}, method="GET")
    assert refusal is not None
    assert refusal.status == 421
    assert Auth.for_bind("0.0.0.0", "t").refusal_of_source({"host": host}, method="GET") is None


@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH", "PUT", "WEBSOCKET", "BREW"])
@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://localhost:8081",
        "",
        "http://localhost:8080@evil.example",
        "http://[",
    ],
)
def test_foreign_origins_are_refused_where_something_happens(method, origin):
    auth = Auth.for_bind("127.0.0.1", None)
    refusal = auth.refusal_of_source({"host": "localhost:8080", "origin": origin}, method=method)
    assert refusal is not None
    assert refusal.status == 403


@pytest.mark.parametrize("method", ["POST", "WEBSOCKET"])
def test_the_own_origin_and_programs_pass(method):
    auth = Auth.for_bind("127.0.0.1", None)
    own = {"host": "LocalHost:8080", "origin": "http://localhost:8080"}
    assert auth.refusal_of_source(own, method=method) is None
    assert auth.refusal_of_source({"host": "localhost:8080"}, method=method) is None


def test_reading_is_not_judged_by_origin():
    headers = {"host": "localhost:1", "origin": "http://evil.example"}
    assert Auth.for_bind("127.0.0.1", None).refusal_of_source(headers, method="GET") is None


@pytest.mark.parametrize("header", ["Bearer secret", "bearer secret", "BEARER  secret"])
def test_bearer_tokens_that_pass(header):
    assert Auth.for_bind("::", "secret").refusal_of_token({"authorization": header}, {}) is None


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer secre", "Bearer secrets", "Basic secret", "secret", "Bearer sécret"],
)
def test_bearer_tokens_that_do_not(header):
    refusal = Auth.for_bind("::", "secret").refusal_of_token({"authorization": header}, {})
    assert refusal is not None
    assert refusal.status == 401


def test_the_cookie_proves_the_token_without_holding_it():
    auth = Auth.for_bind("::", "secret")
    assert "secret" not in auth.cookie_value
    assert auth.refusal_of_token({}, {COOKIE_NAME: auth.cookie_value}) is None
    for value in ("", "secret", Auth.for_bind("::", "other").cookie_value):
        assert auth.refusal_of_token({}, {COOKIE_NAME: value}) is not None


def test_without_a_token_nothing_is_asked():
    assert Auth.for_bind("127.0.0.1", None).refusal_of_token({}, {}) is None


@given(st.text(max_size=12))
def test_only_the_token_is_the_token(candidate):
    auth = Auth.for_bind("::", "secret")
    assert auth.is_token(candidate) == (candidate == "secret")


def test_is_loopback_of_garbage():
    assert not is_loopback("1.2.3")


@pytest.mark.parametrize("name", ["a", "A-b_c.9", "x" * 64, "..."])
def test_names(name):
    assert is_name(name)


@pytest.mark.parametrize("name", ["", ".", "..", "x" * 65, "a b", "a/b", "ä", "a\n", "a\0"])
def test_what_is_no_name(name):
    assert not is_name(name)
