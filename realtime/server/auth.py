"""Who may talk to the monitor and as what: the tokens, and where a request comes from and goes to."""

from __future__ import annotations

import enum
import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from realtime.errors import ConfigurationError

COOKIE_NAME = "seamwatch_session"

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_PICTURES = "/calls/"


class Role(enum.StrEnum):
    """What a client may do: an operator everything, a viewer look on, without pictures of participants."""

    OPERATOR = "operator"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a request is refused."""

    status: int
    detail: str
    fix: str


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address can only be reached from this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_tokens(host: str, token: str | None, viewer_token: str | None = None) -> None:
    """Refuse to serve beyond this machine without a token, and tokens that cannot do their work.

    Args:
        host: The address to bind.
        token: The token of operators, or None.
        viewer_token: The token of viewers, or None for no viewers.

    Raises:
        ConfigurationError: The bind needs a token, a token cannot be sent in a header, or the two tokens
            cannot be told apart.
    """
    if not all(map(_can_be_sent, filter(lambda given: given is not None, (token, viewer_token)))):
        raise ConfigurationError(
            "A token must consist of printable ASCII characters without spaces.",
            fix="Choose another, for example the output of: openssl rand -hex 16",
        )
    if token is None and viewer_token is not None:
        raise ConfigurationError(
            "A viewer's token alone would leave everybody an operator.",
            fix="Give an operator's token as well.",
        )
    if token is not None and viewer_token is not None and _equal(token, viewer_token):
        raise ConfigurationError("The viewer's token is the operator's.", fix="Choose two different tokens.")
    if token is None and not is_loopback(host):
        raise ConfigurationError(
            f"Serving on {host} lets other machines in, which needs a token.",
            fix="Give a token, or bind 127.0.0.1.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """The rules for requests.

    Attributes:
        token: What an operator must show, as a bearer token or through the cookie; None asks for nothing.
        viewer_token: What a viewer must show; None lets no viewers in.
        local_only: The bind is a loopback address: only loopback names are accepted as ``Host``, so that no
            web page can reach the monitor by pointing a name of its own to 127.0.0.1 (DNS rebinding).
    """

    token: str | None
    viewer_token: str | None = None
    local_only: bool

    @classmethod
    def for_bind(cls, host: str, token: str | None, viewer_token: str | None = None) -> Self:
        """Return the rules for a server on an address.

        Raises:
            ConfigurationError: See ``require_tokens``.
        """
        require_tokens(host, token, viewer_token)
        return cls(token=token, viewer_token=viewer_token, local_only=is_loopback(host))

    def refusal_of_source(self, headers: Mapping[str, str], *, method: str) -> Refusal | None:
        """Judge the ``Host`` and ``Origin`` of a request.

        Args:
            headers: The request's headers, by lower-case name.
            method: Its method; "WEBSOCKET" for a handshake.
        """
        host = headers.get("host", "")
        if self.local_only and not is_loopback(_host_name(host)):
            return Refusal(
                status=421,
                detail="This monitor answers to loopback names only.",
                fix="Open it as 127.0.0.1 or localhost.",
            )
        origin = headers.get("origin")
        if origin is not None and method not in _SAFE_METHODS and not _same_origin(origin, host):
            return Refusal(
                status=403,
                detail="The request comes from a page of another origin.",
                fix="Use the monitor's own page, or a client that is no browser.",
            )
        return None

    def role(self, headers: Mapping[str, str], cookies: Mapping[str, str]) -> Role | None:
        """Return what a request may do by its token or its cookie; None for nothing."""
        if self.token is None:
            return Role.OPERATOR
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        by_token = self.role_of_token(credentials.strip()) if scheme.lower() == "bearer" else None
        cookie = cookies.get(COOKIE_NAME, "")
        return by_token or self._matching({role: self.cookie_value(role) for role in Role}, cookie)

    def role_of_token(self, candidate: str) -> Role | None:
        """Compare with both tokens in constant time; None where it is neither."""
        if self.token is None:
            return Role.OPERATOR
        return self._matching({Role.OPERATOR: self.token, Role.VIEWER: self.viewer_token}, candidate)

    def cookie_value(self, role: Role) -> str | None:
        """Return a browser's cookie: proof of the token, without the token in it; None without a token."""
        token = self.token if role is Role.OPERATOR else self.viewer_token
        if token is None:
            return None
        return hmac.new(token.encode(), b"seamwatch session cookie", hashlib.sha256).hexdigest()

    @staticmethod
    def _matching(proofs: Mapping[Role, str | None], candidate: str) -> Role | None:
        matches = [role for role, proof in proofs.items() if proof is not None and _equal(candidate, proof)]
        return matches[0] if matches else None


#: What a request without any good token is told.
UNKNOWN_CLIENT = Refusal(
    status=401,
    detail="The token is missing or wrong.",
    fix="Open /?token=TOKEN in a browser, or send the header Authorization: Bearer TOKEN.",
)


def refusal_of_role(role: Role, *, method: str, path: str) -> Refusal | None:
    """Judge what a client asks for by its role. A viewer reads, but no pictures.

    Args:
        role: Of the client.
        method: Of the request; "WEBSOCKET" for a handshake.
        path: Of the request.
    """
    reads = method in _SAFE_METHODS or method == "WEBSOCKET"
    if role is Role.OPERATOR or (reads and not path.startswith(_PICTURES)):
        return None
    return Refusal(
        status=403,
        detail="A viewer may look at verdicts and alerts only.",
        fix="Ask the operator, or sign in with the operator's token.",
    )


def _can_be_sent(token: str | None) -> bool:
    return bool(token) and all("!" <= character <= "~" for character in token or "")


def _equal(a: str, b: str) -> bool:
    return hmac.compare_digest(a.encode(), b.encode())


def _host_name(netloc: str) -> str:
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""


def _same_origin(origin: str, host: str) -> bool:
    try:
        return bool(host) and urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False
