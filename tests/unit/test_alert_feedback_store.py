"""What operators said, in the alert store."""

import asyncio
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.alerts.store import AlertRecord, AlertStore

ALERTS = 4


@pytest.fixture
def path(tmp_path):
    return tmp_path / "alerts.sqlite3"


def store_at(path, **options):
    return AlertStore(path, clock=lambda: 1000.0, **options)


async def filled(store, count=ALERTS, call="c1"):
    for _ in range(count):
        await store.append(AlertRecord(call=call, raised_at_s=1000.0, body="{}"))


async def words(store, after=0, **options):
    return [(said.seq, said.state) for said in await store.feedback_after(after, **options)]


async def test_the_newest_word_on_an_alert_counts_and_outlives_a_restart(path):
    async with store_at(path) as store:
        await filled(store)
        assert store.last_change == 0
        first = await store.set_feedback(2, "false_alarm", "t1")
        await store.set_feedback(1, "acknowledged", "t2")
        last = await store.set_feedback(2, "acknowledged", "t3")
        assert (first.call, first.change < last.change, store.last_change) == ("c1", True, last.change)
    async with store_at(path) as store:
        assert store.last_change == last.change
        assert await words(store) == [(1, "acknowledged"), (2, "acknowledged")]
        assert (await store.feedback_on(2)).at == "t3"
        assert await store.feedback_on(3) is None
        assert (await store.set_feedback(3, "acknowledged", "t4")).change > last.change


@pytest.mark.parametrize("seq", [-1, 0, ALERTS + 1])
async def test_there_is_nothing_to_say_of_an_alert_that_is_not_there(path, seq):
    async with store_at(path) as store:
        await filled(store)
        assert await store.get(seq) is None
        assert await store.set_feedback(seq, "acknowledged", "t") is None
        assert store.last_change == 0


async def test_it_goes_with_its_alert(path):
    async with store_at(path, max_alerts=2) as store:
        await filled(store, 2)
        await store.set_feedback(1, "false_alarm", "t1")
        await store.set_feedback(2, "false_alarm", "t2")
        newest = store.last_change
        await filled(store, 1)
        assert await words(store) == [(2, "false_alarm")]
        assert store.last_change == newest


async def test_a_store_of_before_takes_it_too_and_stays_readable(path):
    async with store_at(path) as store:
        await filled(store)
    raw = sqlite3.connect(path)
    raw.execute("DROP TABLE feedback")
    raw.commit()
    raw.close()
    async with store_at(path) as store:
        assert [alert.seq for alert in await store.after(0)] == list(range(1, ALERTS + 1))
        assert (await store.set_feedback(4, "acknowledged", "t")).seq == 4
    raw = sqlite3.connect(path)
    assert raw.execute("PRAGMA user_version").fetchone() == (1,)
    raw.close()


@settings(max_examples=30, deadline=None)
@given(
    said=st.lists(st.tuples(st.integers(1, ALERTS), st.sampled_from("ab")), max_size=12),
    reads_after=st.sets(st.integers(0, 12)),
    limit=st.integers(1, 3),
)
def test_a_reader_that_resumes_ends_up_with_what_was_said_last(said, reads_after, limit):
    async def scenario():
        async with store_at(None) as store:
            await filled(store)
            cursor, known = 0, {}
            for step, (seq, state) in enumerate([*said, (1, "a")]):
                await store.set_feedback(seq, state, f"t{step}")
                if step in reads_after or step == len(said):
                    while page := await store.feedback_after(cursor, limit=limit):
                        assert [item.change for item in page] == sorted(item.change for item in page)
                        known.update({item.seq: item.state for item in page})
                        cursor = page[-1].change
            assert known == {**dict(said), 1: "a"}
            assert cursor == store.last_change

    asyncio.run(scenario())
