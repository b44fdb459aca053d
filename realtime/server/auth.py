"""Who may talk to the monitor: the token, and where a request claims to come from and to go to."""

from __future__ import annotations

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


def require_token(host: str, token: str | None) -> None:
    """Refuse to serve beyond this machine without a token.

    Args:
        host: The address to bind.
        token: The token that clients must show, or None.

    Raises:
        ConfigurationError: The bind needs a token, or the token cannot be sent in a header.
    """
    if token is not None and not (token and all("!" <= character <= "~" for character in token)):
        raise ConfigurationError(
            "A token must consist of printable ASCII characters without spaces.",
            fix="Choose another, for example the output of: openssl rand -hex 16",
        )
    if token is None and not is_loopback(host):
        raise ConfigurationError(
            f"Serving on {host} lets other machines in, which needs a token.",
            fix="Give a token, or bind 127.0.0.1.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """The rules for requests.

    Attributes:
        token: What a client must show, as a bearer token or through the cookie; None asks for nothing.
        local_only: The bind is a loopback address: only loopback names are accepted as ``Host``, so that no
            web page can reach the monitor by pointing a name of its own to 127.0.0.1 (DNS rebinding).
    """

    token: str | None
    local_only: bool

    @classmethod
    def for_bind(cls, host: str, token: str | None) -> Self:
        """Return the rules for a server on an address.

        Raises:
            ConfigurationError: See ``require_token``.
        """
        require_token(host, token)
        return cls(token=token, local_only=is_loopback(host))

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

    def refusal_of_token(self, headers: Mapping[str, str], cookies: Mapping[str, str]) -> Refusal | None:
        """Judge the token of a request."""
        if self.token is None:
            return None
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.is_token(credentials.strip()):
            return None
        if _equal(cookies.get(COOKIE_NAME, ""), self.cookie_value):
            return None
        return Refusal(
            status=401,
            detail="The token is missing or wrong.",
            fix="Open /?token=TOKEN in a browser, or send the header Authorization: Bearer TOKEN.",
        )

    def is_token(self, candidate: str) -> bool:
        """Compare with the token in constant time."""
        return self.token is None or _equal(candidate, self.token)

    @property
    def cookie_value(self) -> str:
        """Value of the browser's cookie: proof of the token, without the token in it."""
        return hmac.new((self.token or "").encode(), b"seamwatch session cookie", hashlib.sha256).hexdigest()


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
