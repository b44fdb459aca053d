import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from realtime.delivery.keys import public_key, public_text
from realtime.delivery.signature import SignatureError, signed_headers, verified

# The published vector of the reference implementation of scheme v1a (Svix, `test_asymmetric_key_signing`).
SECRET = "6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
MESSAGE_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
SIGNED_AT_S = 1_614_265_330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="

KEY = Ed25519PrivateKey.from_private_bytes(base64.b64decode(SECRET)[:32])
TRUSTED = [KEY.public_key()]
HEADERS = signed_headers([KEY], message_id=MESSAGE_ID, timestamp_s=SIGNED_AT_S, body=BODY)


def judge(headers=HEADERS, body=BODY, keys=TRUSTED, now_s=SIGNED_AT_S):
    return verified(headers, body, keys, now_s=now_s)


def test_the_published_vector():
    assert HEADERS["webhook-id"] == MESSAGE_ID
    assert HEADERS["webhook-timestamp"] == str(SIGNED_AT_S)
    assert HEADERS["webhook-signature"] == SIGNATURE
    assert public_text(KEY) == "whpk_" + base64.b64encode(base64.b64decode(SECRET)[32:]).decode()
    signed = judge(keys=[public_key(public_text(KEY))])
    assert (signed.message_id, signed.timestamp_s) == (MESSAGE_ID, SIGNED_AT_S)


@pytest.mark.parametrize("off_s", [-300, -1, 0, 1, 300])
def test_times_within_the_replay_window(off_s):
    assert judge(now_s=SIGNED_AT_S + off_s).timestamp_s == SIGNED_AT_S


@pytest.mark.parametrize("off_s", [-86_400, -300.5, 300.5, 86_400])
def test_times_outside_of_the_replay_window(off_s):
    with pytest.raises(SignatureError, match="more than 300 s"):
        judge(now_s=SIGNED_AT_S + off_s)


def test_another_key_is_not_trusted():
    with pytest.raises(SignatureError, match="No signature"):
        judge(keys=[Ed25519PrivateKey.generate().public_key()])
    with pytest.raises(SignatureError, match="No signature"):
        judge(keys=[])


def test_a_key_can_be_exchanged_without_a_break():
    new = Ed25519PrivateKey.generate()
    headers = signed_headers([new, KEY], message_id=MESSAGE_ID, timestamp_s=SIGNED_AT_S, body=BODY)
    assert judge(headers, keys=[KEY.public_key()]) == judge(headers, keys=[new.public_key()])


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "v1a",
        "v1a,",
        "v1a,AAAA",
        "v1a,!",
        SIGNATURE.replace("v1a", "v1"),
        SIGNATURE.replace("v1a,", "v1a,,"),
        SIGNATURE.removeprefix("v1a,"),
        SIGNATURE + "=",
        " ".join(["v1a,AAAA"] * 16 + [SIGNATURE]),
    ],
)
def test_signatures_that_do_not_count(signature):
    with pytest.raises(SignatureError, match="No signature"):
        judge({**HEADERS, "webhook-signature": signature})


def test_a_signature_counts_among_others():
    judge({**HEADERS, "webhook-signature": f"v1,K5oZfzN95Z9UVu1E v9,x v1a,AAAA {SIGNATURE}"})


@pytest.mark.parametrize("missing", list(HEADERS))
def test_every_header_is_needed(missing):
    with pytest.raises(SignatureError):
        judge({name: value for name, value in HEADERS.items() if name != missing})


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": "msg.1"},
        {"webhook-id": "x" * 129},
        {"webhook-id": "msg_1\n"},
        {"webhook-timestamp": f"+{SIGNED_AT_S}"},
        {"webhook-timestamp": f"0{SIGNED_AT_S}"},
        {"webhook-timestamp": f"{SIGNED_AT_S}.0"},
        {"webhook-timestamp": "".join(chr(ord(digit) + 0xFEE0) for digit in str(SIGNED_AT_S))},
        {"webhook-timestamp": "9" * 5000},
        {"webhook-timestamp": "-1"},
    ],
)
def test_malformed_headers(changed):
    with pytest.raises(SignatureError, match="malformed"):
        judge({**HEADERS, **changed})


@pytest.mark.parametrize(
    ("keys", "message_id", "timestamp_s"),
    [([], "id", 1), ([KEY], "a.b", 1), ([KEY], "", 1), ([KEY], "id", -1)],
)
def test_what_could_not_be_verified_is_not_signed(keys, message_id, timestamp_s):
    with pytest.raises(ValueError, match="cannot be signed"):
        signed_headers(keys, message_id=message_id, timestamp_s=timestamp_s, body=b"")
