"""Signatures of webhooks: Standard Webhooks 1.0, asymmetric scheme ``v1a`` (Ed25519).

Signed is ``{webhook-id}.{webhook-timestamp}.{body}``. The timestamp is that of the attempt, in whole seconds
since the epoch; the id stays the same from attempt to attempt. The header may hold several signatures, so
that keys can be exchanged without a break: one good signature under one trusted key is enough.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from realtime.errors import SeamwatchError

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"

#: How far the time of an attempt may be from the receiver's clock, either way.
REPLAY_WINDOW_S = 300.0

_SCHEME = "v1a"
_SIGNATURE_BYTES = 64
_MAX_SIGNATURES = 16
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_TIMESTAMP = re.compile(r"0|[1-9][0-9]{0,11}")


class SignatureError(SeamwatchError):
    """A request is not what the holder of the key sent, or not at this time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What a good signature vouches for, beside the body.

    Attributes:
        message_id: The same for every attempt at one alert.
        timestamp_s: When the attempt was made, in seconds since the epoch.
    """

    message_id: str
    timestamp_s: int


def signed_headers(
    keys: Sequence[Ed25519PrivateKey], *, message_id: str, timestamp_s: int, body: bytes
) -> dict[str, str]:
    """Return the three headers of a request.

    Args:
        keys: Each gives one signature.
        message_id: 1 to 128 of ``A-Z a-z 0-9 _ -``; never a dot, which separates what is signed.
        timestamp_s: Seconds since the epoch.
        body: The body, byte by byte as it is sent.

    Raises:
        ValueError: The id or the time cannot be sent.
    """
    timestamp = str(timestamp_s)
    if not keys or not _ID.fullmatch(message_id) or not _TIMESTAMP.fullmatch(timestamp):
        raise ValueError("no key, or an id or a time that cannot be signed")
    content = _content(message_id, timestamp, body)
    signatures = (base64.b64encode(key.sign(content)).decode("ascii") for key in keys)
    return {
        ID_HEADER: message_id,
        TIMESTAMP_HEADER: timestamp,
        SIGNATURE_HEADER: " ".join(f"{_SCHEME},{signature}" for signature in signatures),
    }


def verified(
    headers: Mapping[str, str],
    body: bytes,
    keys: Sequence[Ed25519PublicKey],
    *,
    now_s: float,
    window_s: float = REPLAY_WINDOW_S,
) -> Signed:
    """Judge a request.

    Args:
        headers: At least the three headers, by lower-case names.
        body: The body, byte by byte as it came.
        keys: The trusted keys.
        now_s: The receiver's time, in seconds since the epoch.
        window_s: How far the time of the attempt may be from that.

    Raises:
        SignatureError: A header is missing or malformed, no signature is good, or the time is too far off.
    """
    message_id = headers.get(ID_HEADER, "")
    timestamp = headers.get(TIMESTAMP_HEADER, "")
    if not _ID.fullmatch(message_id) or not _TIMESTAMP.fullmatch(timestamp):
        raise SignatureError(
            f"The headers {ID_HEADER} and {TIMESTAMP_HEADER} are missing or malformed.",
            fix="Send the webhook as it was made, through nothing that changes its headers.",
        )
    content = _content(message_id, timestamp, body)
    if not any(
        _is_good(key, signature, content)
        for signature in _signatures(headers.get(SIGNATURE_HEADER, ""))
        for key in keys
    ):
        raise SignatureError(
            "No signature fits the body, the headers and a trusted key.",
            fix="Check that the public key is the sender's, and that nothing on the way changes the body.",
        )
    timestamp_s = int(timestamp)
    if abs(now_s - timestamp_s) > window_s:
        raise SignatureError(
            f"The signature is good, but was made more than {window_s:g} s from now.",
            fix="Set both clocks; if they are right, somebody sends an old request again.",
        )
    return Signed(message_id=message_id, timestamp_s=timestamp_s)


def _content(message_id: str, timestamp: str, body: bytes) -> bytes:
    return f"{message_id}.{timestamp}.".encode("ascii") + body


def _signatures(header: str) -> Iterator[bytes]:
    for entry in header.split(" ", _MAX_SIGNATURES)[:_MAX_SIGNATURES]:
        scheme, _, text = entry.partition(",")
        if scheme != _SCHEME:
            continue
        try:
            signature = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            continue
        if len(signature) == _SIGNATURE_BYTES:
            yield signature


def _is_good(key: Ed25519PublicKey, signature: bytes, content: bytes) -> bool:
    try:
        key.verify(signature, content)
    except InvalidSignature:
        return False
    return True
