import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from realtime.delivery.signature import SignatureError, signed_headers, verified

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TRUSTED = [KEY.public_key()]
NOW_S = 1_800_000_000

ids = st.text(st.sampled_from("azAZ09_-"), min_size=1, max_size=20)
headers_of_requests = st.dictionaries(
    st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), st.text(max_size=200)
)


@given(message_id=ids, body=st.binary(max_size=200), off_s=st.integers(-300, 300))
def test_what_is_signed_is_verified(message_id, body, off_s):
    headers = signed_headers([KEY], message_id=message_id, timestamp_s=NOW_S + off_s, body=body)
    signed = verified(headers, body, TRUSTED, now_s=NOW_S)
    assert (signed.message_id, signed.timestamp_s) == (message_id, NOW_S + off_s)


@given(body=st.binary(min_size=1, max_size=200), at=st.integers(min_value=0), flip=st.integers(1, 255))
def test_no_byte_of_the_body_can_be_changed(body, at, flip):
    headers = signed_headers([KEY], message_id="alert_1", timestamp_s=NOW_S, body=body)
    changed = bytearray(body)
    changed[at % len(body)] ^= flip
    with pytest.raises(SignatureError):
        verified(headers, bytes(changed), TRUSTED, now_s=NOW_S)


@given(data=st.data(), name=st.sampled_from(["webhook-id", "webhook-timestamp"]))
def test_no_character_of_the_signed_headers_can_be_changed(data, name):
    headers = signed_headers([KEY], message_id="alert_7", timestamp_s=NOW_S, body=b"{}")
    value = headers[name]
    at = data.draw(st.integers(0, len(value) - 1))
    character = data.draw(st.characters().filter(lambda other: other != value[at]))
    changed = value[:at] + character + value[at + 1 :]
    with pytest.raises(SignatureError):
        verified({**headers, name: changed}, b"{}", TRUSTED, now_s=NOW_S)


@given(left=st.binary(max_size=20), right=st.binary(max_size=20))
def test_body_and_headers_cannot_be_shifted_into_each_other(left, right):
    headers = signed_headers([KEY], message_id="a", timestamp_s=NOW_S, body=left)
    other = signed_headers([KEY], message_id="a", timestamp_s=NOW_S, body=right)
    assert (headers == other) == (left == right)


@given(headers=headers_of_requests, body=st.binary(max_size=50))
def test_whatever_comes_is_refused_in_words(headers, body):
    with pytest.raises(SignatureError):
        verified(headers, body, TRUSTED, now_s=NOW_S)
