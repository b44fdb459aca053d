import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from realtime.delivery.keys import public_key, public_text, read_key, write_new_key
from realtime.errors import ConfigurationError


def written(path, pem, mode=0o600):
    path.touch(mode=mode)
    path.write_bytes(pem)
    return path


def test_a_new_key_is_its_owners_only_and_comes_back_the_same(tmp_path):
    path = tmp_path / "key.pem"
    key = write_new_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = read_key(path)
    assert public_text(again) == public_text(key)
    public_key(public_text(key)).verify(again.sign(b"content"), b"content")


def test_a_key_is_never_overwritten(tmp_path):
    path = tmp_path / "key.pem"
    write_new_key(path)
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="exists"):
        write_new_key(path)
    assert path.read_bytes() == before


def test_a_key_cannot_be_written_into_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be written"):
        write_new_key(tmp_path / "absent" / "key.pem")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o601])
def test_a_key_that_others_may_use_is_refused(tmp_path, mode):
    path = tmp_path / "key.pem"
    write_new_key(path)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match="Others"):
        read_key(path)


def test_what_is_no_ed25519_key_is_refused(tmp_path):
    other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    locked = write_new_key(tmp_path / "plain.pem").private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    for name, pem in {"other": other, "locked": locked, "empty": b"", "text": b"hello"}.items():
        with pytest.raises(ConfigurationError, match="no Ed25519 key"):
            read_key(written(tmp_path / name, pem))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_key(tmp_path / "absent")


@pytest.mark.parametrize(
    "text", ["", "whpk_", "whpk_AAAA", "whpk_!!!!", "whsk_" + "A" * 43 + "=", "A" * 43 + "=", "whpk_ü"]
)
def test_what_is_no_public_key_is_refused(text):
    with pytest.raises(ConfigurationError, match="public key"):
        public_key(text)
