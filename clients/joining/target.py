"""Which call to join: the URL that a person types."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from realtime.errors import ConfigurationError
from realtime.server.ports import NAME_RULE, is_name

MONITOR_NAME = "Seamwatch monitor"

SCHEMES = {
    "janus": "janus://HOST:8188/room/1234, or januss:// for TLS",
    "januss": "januss://HOST/room/1234",
    "whep+https": "whep+https://HOST/PATH",
    "whep+http": "whep+http://HOST/PATH",
    "livekit+wss": "livekit+wss://HOST with --token",
    "livekit+ws": "livekit+ws://HOST:7880 with --token",
    "peerjs": "peerjs://HOST:9000/PATH?id=NAME, or peerjss:// for TLS",
    "peerjss": "peerjss://HOST/PATH?id=NAME",
}

#: Parts of a path that name no call.
_PATH_WORDS = ("room", "whep")


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinTarget:
    """One call to join.

    Attributes:
        url: What was asked for, split; the scheme is one of ``SCHEMES``.
        call: Name of the call on the wire and on the page.
        display_name: The name under which the monitor is seen in the call.
        pin: The room's PIN; None where it has none.
        token: Access token; None where none is needed.
        false_alarms_per_hour: Of this call, per participant; None for the monitor's rate.
    """

    url: SplitResult
    call: str
    display_name: str = MONITOR_NAME
    pin: str | None = None
    token: str | None = None
    false_alarms_per_hour: float | None = None


def join_target(
    text: str,
    *,
    call: str | None = None,
    display_name: str = MONITOR_NAME,
    pin: str | None = None,
    token: str | None = None,
) -> JoinTarget:
    """Read a URL.

    Args:
        text: The URL.
        call: Name of the call; None to take it from the URL.
        display_name: The name under which the monitor is seen.
        pin: The room's PIN.
        token: Access token.

    Raises:
        ConfigurationError: The URL is none, or of a kind that cannot be joined, or the name cannot be used.
    """
    try:
        url = urlsplit(text)
        named_port = url.port
    except ValueError as error:
        raise ConfigurationError(f"{text!r} is not a URL: {error}.", fix=_forms()) from error
    if url.scheme not in SCHEMES or not url.hostname or named_port == 0:
        raise ConfigurationError(f"{text!r} names no call that can be joined.", fix=_forms())
    if url.username is not None or url.password is not None:
        raise ConfigurationError(
            "The URL carries a user name or password.", fix="Give secrets with --pin or --token instead."
        )
    name = call if call is not None else _call_name(url)
    if not is_name(name):
        raise ConfigurationError(f"A call cannot be named {name!r}.", fix=NAME_RULE)
    return JoinTarget(url=url, call=name, display_name=display_name, pin=pin, token=token)


def _call_name(url: SplitResult) -> str:
    segments = [segment for segment in url.path.split("/") if is_name(segment) and segment not in _PATH_WORDS]
    return segments[-1] if segments else str(url.hostname).replace(":", "-")[:64]


def _forms() -> str:
    return "Use one of: " + "; ".join(SCHEMES.values()) + "."
