"""Ed25519 keys of webhooks: the private one in a file of its owner's, the public one as a line of text.

Public keys are written as Standard Webhooks 1.0 has them: base64 of the 32 bytes behind ``whpk_``.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from realtime.errors import ConfigurationError

PUBLIC_PREFIX = "whpk_"

_KEY_BYTES = 32
_OWNER_ONLY = 0o600
_MAX_FILE_BYTES = 4096
_MAKE_ONE = "Make one with: seamwatch webhook key --out key.pem"


def public_text(key: Ed25519PrivateKey) -> str:
    """Return the public key that belongs to a private one, as text."""
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return PUBLIC_PREFIX + base64.b64encode(raw).decode("ascii")


def public_key(text: str) -> Ed25519PublicKey:
    """Read a public key from its text.

    Raises:
        ConfigurationError: The text is no such key.
    """
    try:
        raw = base64.b64decode(text.removeprefix(PUBLIC_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not text.startswith(PUBLIC_PREFIX) or len(raw) != _KEY_BYTES:
        raise ConfigurationError(
            "The public key of a webhook cannot be read.",
            fix=f"Give the line that starts with {PUBLIC_PREFIX}, as `seamwatch webhook key` printed it.",
        )
    return Ed25519PublicKey.from_public_bytes(raw)


def write_new_key(path: Path) -> Ed25519PrivateKey:
    """Make a key and write it, readable by its owner only, to a file that does not exist yet.

    Raises:
        ConfigurationError: The file exists, or cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    except FileExistsError as error:
        raise ConfigurationError(
            f"{path} exists and is not overwritten.",
            fix=f"Name another file, or print its public key with: seamwatch webhook key --show {path}",
        ) from error
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise _unwritable(path, error) from error
    return key


def read_key(path: Path) -> Ed25519PrivateKey:
    """Read a private key.

    Raises:
        ConfigurationError: The file cannot be read, others may read it, or it holds no Ed25519 key.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            pem = file.read(_MAX_FILE_BYTES)
    except OSError as error:
        raise ConfigurationError(
            f"The webhook key {path} cannot be read: {error.strerror}.", fix=_MAKE_ONE
        ) from error
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise ConfigurationError(
            f"Others than its owner may use the webhook key {path}.",
            fix=f"Make a new key if somebody may have read it; else: chmod 600 {path}",
        )
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _no_key(path) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path)
    return key


def _no_key(path: Path) -> ConfigurationError:
    return ConfigurationError(f"{path} holds no Ed25519 key without a passphrase.", fix=_MAKE_ONE)


def _unwritable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"The key cannot be written to {path}: {error.strerror}.",
        fix="Name a file in a folder that you may write to.",
    )
