"""Who sends what in a measured call."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bench.load.schedule import TURN_S, Schedule

TALKERS = 5


def _schedule(participants: int, talk: str, tampered: int | None = None, from_s: int = 0) -> Schedule:
    return Schedule(
        participants=participants,
        talk="all" if talk == "all" else "turns",
        talkers=TALKERS,
        intruder=TALKERS,
        tampered=tampered,
        tampered_from_s=from_s,
    )


@given(st.integers(1, 30), st.integers(0, 500))
def test_in_turns_exactly_one_talks_and_everybody_is_seen(participants, second):
    schedule = _schedule(participants, "turns")
    due = [schedule.second(participant, second) for participant in range(participants)]
    assert sum(one.audio.talking for one in due) == 1
    assert all(one.audio == one.video for one in due)


@given(st.integers(1, 12))
def test_in_turns_everybody_talks_equally_long(participants):
    schedule = _schedule(participants, "turns")
    spoken = [
        sum(schedule.second(participant, second).audio.talking for second in range(TURN_S * participants))
        for participant in range(participants)
    ]
    assert spoken == [TURN_S] * participants


@given(st.integers(1, 30), st.integers(0, 500))
def test_all_talk_where_all_talk(participants, second):
    schedule = _schedule(participants, "all")
    assert all(schedule.second(participant, second).audio.talking for participant in range(participants))


@given(
    st.integers(2, 30), st.integers(0, 100), st.integers(0, 200), st.sampled_from(["all", "turns"]), st.data()
)
def test_only_the_tampered_one_shows_another_face_and_only_from_then_on(
    participants, from_s, second, talk, data
):
    tampered = data.draw(st.integers(0, participants - 1))
    untouched, altered = _schedule(participants, talk), _schedule(participants, talk, tampered, from_s)
    for participant in range(participants):
        before, after = untouched.second(participant, second), altered.second(participant, second)
        assert after.audio == before.audio
        exchanged = participant == tampered and second >= from_s
        assert (after.video.person == TALKERS) == exchanged
        assert exchanged or after.video == before.video


@given(st.integers(1, 40))
def test_no_two_participants_send_the_same_second(participants):
    schedule = _schedule(participants, "all")
    cuts = {schedule.second(participant, 0).video for participant in range(participants)}
    assert len(cuts) == participants
