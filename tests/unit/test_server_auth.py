import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.errors import ConfigurationError
from realtime.server.auth import COOKIE_NAME, Auth, Role, is_loopback, refusal_of_role, require_tokens
from realtime.server.ports import is_name


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "LOCALHOST"])
def test_loopback_needs_no_token(host):
    require_tokens(host, None)
    assert Auth.for_bind(host, None).local_only


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org", "", "127.0.0.1.example.org"])
def test_other_binds_need_a_token(host):
    with pytest.raises(ConfigurationError, match="needs a token") as caught:
        require_tokens(host, None)
    assert "127.0.0.1" in caught.value.fix
    assert not Auth.for_bind(host, "secret").local_only


@pytest.mark.parametrize("token", ["", " ", "two words", "schlüssel", "line\nbreak"])
def test_a_token_must_fit_into_a_header(token):
    with pytest.raises(ConfigurationError, match="printable"):
        require_tokens("127.0.0.1", token)


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


BOTH = Auth.for_bind("::", "secret", "l00k")


@pytest.mark.parametrize(
    ("header", "role"),
    [
        ("Bearer secret", Role.OPERATOR),
        ("bearer secret", Role.OPERATOR),
        ("BEARER  secret", Role.OPERATOR),
        ("Bearer l00k", Role.VIEWER),
    ],
)
def test_bearer_tokens_that_pass(header, role):
    assert BOTH.role({"authorization": header}, {}) is role


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer secre",
        "Bearer secrets",
        "Basic secret",
        "secret",
        "Bearer sécret",
        "Bearer secretl00k",
        "Bearer None",
    ],
)
@pytest.mark.parametrize("auth", [BOTH, Auth.for_bind("::", "secret")])
def test_bearer_tokens_that_do_not(header, auth):
    assert auth.role({"authorization": header}, {}) is None


def test_without_a_viewers_token_there_are_no_viewers():
    auth = Auth.for_bind("::", "secret")
    assert auth.cookie_value(Role.VIEWER) is None
    assert auth.role({"authorization": "Bearer l00k"}, {}) is None


@pytest.mark.parametrize("role", Role)
def test_the_cookie_proves_the_token_without_holding_it(role):
    cookie = BOTH.cookie_value(role)
    assert "secret" not in cookie
    assert "l00k" not in cookie
    assert BOTH.role({}, {COOKIE_NAME: cookie}) is role
    others = Auth.for_bind("::", "l00k2", "secret2")
    for value in ("", "secret", "l00k", others.cookie_value(role)):
        assert BOTH.role({}, {COOKIE_NAME: value}) is None


def test_without_a_token_nothing_is_asked():
    assert Auth.for_bind("127.0.0.1", None).role({}, {}) is Role.OPERATOR


@given(st.text(max_size=12))
def test_only_the_tokens_are_tokens(candidate):
    expected = {"secret": Role.OPERATOR, "l00k": Role.VIEWER}.get(candidate)
    assert BOTH.role_of_token(candidate) is expected


@pytest.mark.parametrize(
    ("token", "viewer_token", "complaint"),
    [
        ("same", "same", "is the operator's"),
        (None, "l00k", "everybody an operator"),
        ("secret", "", "printable"),
        ("secret", "with space", "printable"),
    ],
)
def test_viewers_tokens_that_cannot_be(token, viewer_token, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        require_tokens("127.0.0.1", token, viewer_token)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/", True),
        ("HEAD", "/main.js", True),
        ("GET", "/calls", True),
        ("WEBSOCKET", "/alerts", True),
        ("GET", "/metrics", True),
        ("GET", "/calls/c/participants/p/thumbnail.jpg", False),
        ("POST", "/whip/c/p", False),
        ("DELETE", "/whip/resource/r1", False),
        ("PATCH", "/whip/resource/r1", False),
        ("POST", "/alerts/1/feedback", False),
        ("ANYTHING", "/added-later", False),
    ],
)
def test_a_viewer_reads_and_gets_no_pictures(method, path, allowed):
    refusal = refusal_of_role(Role.VIEWER, method=method, path=path)
    assert (refusal is None) == allowed
    assert refusal is None or refusal.status == 403
    assert refusal_of_role(Role.OPERATOR, method=method, path=path) is None


def test_is_loopback_of_garbage():
    assert not is_loopback("1.2.3")


@pytest.mark.parametrize("name", ["a", "A-b_c.9", "x" * 64, "..."])
def test_names(name):
    assert is_name(name)


@pytest.mark.parametrize("name", ["", ".", "..", "x" * 65, "a b", "a/b", "ä", "a\n", "a\0"])
def test_what_is_no_name(name):
    assert not is_name(name)
