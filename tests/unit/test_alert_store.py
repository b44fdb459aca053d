import asyncio
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.alerts.store import AlertRecord, AlertStore
from realtime.errors import AlertStoreError


def record(body="{}", *, call="c1", at_s=1000.0):
    return AlertRecord(call=call, raised_at_s=at_s, body=body)


def store_at(path, **options):
    return AlertStore(path, clock=lambda: 1000.0, **options)


async def numbers(store, after=0, **options):
    return [stored.seq for stored in await store.after(after, **options)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "alerts.sqlite3"


async def test_alerts_are_numbered_from_one_and_come_back_in_order(path):
    async with store_at(path) as store:
        assert (store.last_seq, store.oldest_seq) == (0, 0)
        assert [await store.append(record(str(n))) for n in range(3)] == [1, 2, 3]
        assert (store.last_seq, store.oldest_seq, store.expired_through) == (3, 1, 0)
        assert [(s.seq, s.record.body) for s in await store.after(1)] == [(2, "1"), (3, "2")]
        assert await numbers(store, limit=2) == [1, 2]
        assert await numbers(store, after=3) == []


async def test_filter_by_call(path):
    async with store_at(path) as store:
        for call in ("a", "b", "a"):
            await store.append(record(call=call))
        assert await numbers(store, call="a") == [1, 3]
        assert await numbers(store, after=1, call="a") == [3]
        assert await numbers(store, call="none") == []


async def test_a_restart_keeps_the_alerts_and_the_numbers_going_up(path):
    async with store_at(path) as store:
        await store.append(record("first"))
    async with store_at(path) as store:
        assert (store.last_seq, store.oldest_seq) == (1, 1)
        assert await store.append(record("second")) == 2
        assert [s.record.body for s in await store.after(0)] == ["first", "second"]


async def test_numbers_go_up_even_where_every_alert_expired_before_the_restart(path):
    async with store_at(path) as store:
        await store.append(record(at_s=1000.0))
    async with AlertStore(path, clock=lambda: 9000.0, max_age_s=100.0) as store:
        assert (store.last_seq, store.oldest_seq, store.expired_through) == (1, 0, 1)
        assert await store.append(record(at_s=9000.0)) == 2
        assert store.oldest_seq == 2


async def test_expiry_by_age_at_append(path):
    now_s = 1000.0
    async with AlertStore(path, clock=lambda: now_s, max_age_s=100.0) as store:
        await store.append(record(at_s=1000.0))
        await store.append(record(at_s=1050.0))
        now_s = 1120.0
        await store.append(record(at_s=1120.0))
        assert await numbers(store) == [2, 3]
        assert (store.oldest_seq, store.expired_through) == (2, 1)


@settings(max_examples=25, deadline=None)
@given(
    times_s=st.lists(st.integers(0, 300), max_size=12),
    max_alerts=st.integers(1, 6),
    max_age_s=st.integers(1, 200),
)
def test_what_is_kept_is_a_suffix_of_what_was_stored(times_s, max_alerts, max_age_s):
    async def scenario():
        now_s = 0.0
        kept = []
        async with AlertStore(
            None, clock=lambda: now_s, max_alerts=max_alerts, max_age_s=float(max_age_s)
        ) as store:
            for seq, time_s in enumerate(times_s, start=1):
                now_s = float(time_s)
                assert await store.append(record(at_s=now_s)) == seq
                kept.append((seq, now_s))
                kept = kept[-max_alerts:]
                old = [number for number, at_s in kept if at_s < now_s - max_age_s]
                kept = [item for item in kept if not old or item[0] > max(old)]
                assert await numbers(store) == [number for number, _ in kept]
                assert store.oldest_seq == (kept[0][0] if kept else 0)
                assert store.last_seq == seq

    asyncio.run(scenario())


async def test_appends_at_the_same_time_get_numbers_of_their_own(path):
    async with store_at(path) as store:
        given_out = await asyncio.gather(*(store.append(record(str(n))) for n in range(20)))
        assert sorted(given_out) == list(range(1, 21))
        bodies = {stored.seq: stored.record.body for stored in await store.after(0)}
        assert [bodies[seq] for seq in given_out] == [str(n) for n in range(20)]


async def test_an_alert_with_a_number_is_on_disk_without_closing(path, tmp_path):
    async with store_at(path) as store:
        await store.append(record("durable"))
        copy = tmp_path / "copy.sqlite3"
        copy.write_bytes(path.read_bytes())
        (tmp_path / "copy.sqlite3-wal").write_bytes((tmp_path / "alerts.sqlite3-wal").read_bytes())
        async with store_at(copy) as crashed:
            assert [s.record.body for s in await crashed.after(0)] == ["durable"]


async def test_a_second_owner_is_refused_and_the_first_goes_on(path):
    async with store_at(path) as store:
        await store.append(record())
        with pytest.raises(AlertStoreError, match="in use") as caught:
            await store_at(path).__aenter__()
        assert "other monitor" in caught.value.fix
        assert await store.append(record()) == 2


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\0" + b"\xff" * 4096])
async def test_a_damaged_file_is_named_and_left_alone(path, content):
    path.write_bytes(content)
    with pytest.raises(AlertStoreError, match="damaged") as caught:
        await store_at(path).__aenter__()
    assert "Move the file away" in caught.value.fix
    assert path.read_bytes() == content


async def test_damage_inside_is_found_at_the_start(path):
    async with store_at(path) as store:
        for n in range(200):
            await store.append(record("x" * 200 + str(n)))
    content = bytearray(path.read_bytes())
    content[8192:20480] = b"\x55" * 12288
    path.write_bytes(content)
    with pytest.raises(AlertStoreError, match="damaged"):
        await store_at(path).__aenter__()


async def test_a_database_of_another_program_is_refused(path):
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE things (x)")
    other.commit()
    other.close()
    with pytest.raises(AlertStoreError, match="no alert store"):
        await store_at(path).__aenter__()


async def test_a_later_schema_is_refused(path):
    async with store_at(path):
        pass
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA user_version = 99")
    raw.close()
    with pytest.raises(AlertStoreError, match="version 99"):
        await store_at(path).__aenter__()


async def test_a_path_that_cannot_be_a_file(tmp_path):
    with pytest.raises(AlertStoreError, match="cannot be opened"):
        await store_at(tmp_path).__aenter__()
    (tmp_path / "file").write_text("")
    with pytest.raises(AlertStoreError, match="cannot be opened"):
        await store_at(tmp_path / "file" / "alerts.sqlite3").__aenter__()


async def test_the_file_is_private(path):
    async with store_at(path):
        assert path.stat().st_mode & 0o077 == 0


async def test_a_closed_store_says_so(path):
    store = store_at(path)
    with pytest.raises(AlertStoreError, match="not open"):
        await store.append(record())
    await store.open()
    await store.aclose()
    with pytest.raises(AlertStoreError, match="closed"):
        await store.append(record())


async def test_in_memory_keeps_nothing(tmp_path):
    async with store_at(None) as store:
        assert await store.append(record()) == 1
    async with store_at(None) as store:
        assert store.last_seq == 0
    assert list(tmp_path.iterdir()) == []


async def test_a_failed_append_leaves_no_number_behind(path):
    async with store_at(path) as store:
        await store.append(record())
        with pytest.raises(AlertStoreError):
            await store.append(AlertRecord(call="c1", raised_at_s="not a number", body="{}"))
        assert await store.append(record()) == 2
        assert await numbers(store) == [1, 2]
