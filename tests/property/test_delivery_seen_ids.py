import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.webhook_receiver import SeenIds
from realtime.delivery.signature import Signed
from realtime.errors import CapacityError

WINDOW_S = 10
CAPACITY = 4

steps = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 6), st.integers(-WINDOW_S, WINDOW_S)), max_size=80
)


@given(steps=steps)
def test_no_id_is_taken_twice_while_its_request_is_in_time(steps):
    seen = SeenIds(capacity=CAPACITY, window_s=WINDOW_S)
    in_time_until_s: dict[str, int] = {}
    now_s = 0
    for number, later_s, off_s in steps:
        now_s += later_s
        signed = Signed(message_id=f"alert_{number}", timestamp_s=now_s + off_s)
        in_time = sum(until >= now_s for until in in_time_until_s.values())
        try:
            is_new = seen.is_new(signed, now_s=now_s)
        except CapacityError:
            assert len(in_time_until_s) >= CAPACITY
            continue
        known = in_time_until_s.get(signed.message_id, -1)
        if known >= now_s:
            assert not is_new
        if in_time < CAPACITY and signed.message_id not in in_time_until_s:
            assert is_new
        in_time_until_s[signed.message_id] = max(known, signed.timestamp_s + WINDOW_S)


def test_an_id_is_remembered_beyond_its_time_while_there_is_room():
    seen = SeenIds(capacity=2, window_s=WINDOW_S)
    first = Signed(message_id="a", timestamp_s=0)
    assert seen.is_new(first, now_s=0)
    assert not seen.is_new(Signed(message_id="a", timestamp_s=10_000), now_s=10_000)


def test_what_cannot_be_remembered_is_not_taken():
    seen = SeenIds(capacity=1, window_s=WINDOW_S)
    assert seen.is_new(Signed(message_id="a", timestamp_s=0), now_s=0)
    with pytest.raises(CapacityError):
        seen.is_new(Signed(message_id="b", timestamp_s=10), now_s=10)
    assert seen.is_new(Signed(message_id="b", timestamp_s=11), now_s=11)


def test_a_forgotten_id_is_new_again():
    seen = SeenIds()
    signed = Signed(message_id="a", timestamp_s=0)
    assert seen.is_new(signed, now_s=0)
    seen.forget(signed)
    assert seen.is_new(signed, now_s=0)
