import re
import sqlite3

import pytest

from realtime.errors import AlertStoreError
from tests.support.fake_monitor import alert_store


@pytest.fixture
def path(tmp_path):
    return tmp_path / "alerts.sqlite3"


async def test_a_store_has_one_identity_for_ever(path, tmp_path):
    async with alert_store(path) as store:
        identity = store.identity
    assert re.fullmatch("[0-9a-f]{16}", identity)
    async with alert_store(path) as store:
        assert store.identity == identity
    async with alert_store(tmp_path / "other") as other, alert_store() as in_memory:
        assert len({identity, other.identity, in_memory.identity}) == 3


async def test_bookmarks_outlive_a_restart(path):
    async with alert_store(path) as store:
        assert await store.bookmark("a") is None
        await store.set_bookmark("a", 3)
        await store.set_bookmark("a", 5)
        await store.set_bookmark("b", 1)
    async with alert_store(path) as store:
        assert (await store.bookmark("a"), await store.bookmark("b")) == (5, 1)


async def test_a_store_of_before_gets_both_and_stays_readable_for_older_programs(path):
    async with alert_store(path):
        pass
    with sqlite3.connect(path) as connection:
        connection.executescript("DROP TABLE identity; DROP TABLE bookmarks;")
        version = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    async with alert_store(path) as store:
        assert store.identity
        await store.set_bookmark("a", 1)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == version
    connection.close()


async def test_a_closed_store_has_no_bookmarks(path):
    async with alert_store(path) as store:
        pass
    with pytest.raises(AlertStoreError):
        await store.bookmark("a")
    with pytest.raises(AlertStoreError):
        await store.set_bookmark("a", 1)
