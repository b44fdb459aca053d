"""The alert store: SQLite in WAL mode with one owner thread. An alert is durable before it has a number."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

from realtime.alerts import feedback_table
from realtime.alerts.feedback_table import StoredFeedback
from realtime.alerts.store_file import complete, explained, open_connection
from realtime.errors import AlertStoreError

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRecord:
    """An alert to store.

    Attributes:
        call: The call it belongs to, for filtering.
        raised_at_s: Wall-clock time in seconds since the epoch, for expiry.
        body: The alert itself; the store does not look into it.
    """

    call: str
    raised_at_s: float
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAlert:
    """A stored alert with its sequence number."""

    seq: int
    record: AlertRecord


class AlertStore:
    """Numbered alerts on disk.

    Sequence numbers start at 1, have no holes when they are given, and never repeat: not after a restart,
    and not after expiry.

    Args:
        path: The database file, made if missing (readable by its owner only); None keeps all in memory.
        max_alerts: Alerts kept; the oldest go first.
        max_age_s: Age at which an alert expires, checked at the start, at every append and by ``expire``.
        clock: Wall-clock time in seconds since the epoch.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        max_alerts: int = 10_000,
        max_age_s: float = 30 * 86_400.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._max_alerts = max_alerts
        self._max_age_s = max_age_s
        self._clock = clock
        self._owner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="alert-store")
        self._connection: sqlite3.Connection | None = None
        self._last_seq = 0
        self._oldest_seq = 0
        self._last_change = 0
        self._identity = ""

    @property
    def identity(self) -> str:
        """Name of this store among all others, made with it: 16 hexadecimal digits; empty before ``open``."""
        return self._identity

    @property
    def last_seq(self) -> int:
        """Number of the newest alert ever stored, 0 before the first."""
        return self._last_seq

    @property
    def oldest_seq(self) -> int:
        """Number of the oldest alert still stored, 0 if none is."""
        return self._oldest_seq

    @property
    def last_change(self) -> int:
        """Number of the newest feedback ever stored, 0 before the first."""
        return self._last_change

    @property
    def expired_through(self) -> int:
        """Number up to which alerts are gone, 0 if all are still there."""
        return self._oldest_seq - 1 if self._oldest_seq else self._last_seq

    async def open(self) -> None:
        """Open or make the database and take sole ownership of it.

        Raises:
            AlertStoreError: The file is damaged, of another kind or version, in use, or out of reach.
        """
        await self._run(self._open)

    async def append(self, record: AlertRecord) -> int:
        """Store an alert and return its number once it is on disk.

        Raises:
            AlertStoreError: It could not be stored; it has no number then.
        """
        return await self._run(lambda: self._append(record))

    async def expire(self) -> None:
        """Delete the alerts that are too old.

        Raises:
            AlertStoreError: The store cannot be written.
        """
        await self._run(self._expire_now)

    async def after(self, seq: int, *, call: str | None = None, limit: int = 64) -> list[StoredAlert]:
        """Return the oldest alerts with a number above ``seq``, in order.

        Args:
            seq: The number to start behind.
            call: Only alerts of this call.
            limit: Largest number of alerts to return.

        Raises:
            AlertStoreError: The store cannot be read.
        """
        return await self._run(lambda: self._after(seq, call, limit))

    async def get(self, seq: int) -> StoredAlert | None:
        """Return an alert by its number; None where it never was, or has expired.

        Raises:
            AlertStoreError: The store cannot be read.
        """
        return await self._run(lambda: self._get(seq))

    async def set_feedback(self, seq: int, state: str, at: str) -> StoredFeedback | None:
        """Store what an operator says about an alert, in place of what was said before.

        Args:
            seq: The alert.
            state: What is said.
            at: When.

        Returns:
            What is stored now; None where there is no such alert.

        Raises:
            AlertStoreError: It could not be stored.
        """
        return await self._run(lambda: self._set_feedback(seq, state, at))

    async def feedback_on(self, seq: int) -> StoredFeedback | None:
        """Return the newest word on an alert; None where there is none.

        Raises:
            AlertStoreError: The store cannot be read.
        """
        return await self._run(lambda: feedback_table.of_alert(self._opened(), seq))

    async def feedback_after(
        self, change: int, *, call: str | None = None, limit: int = 64
    ) -> list[StoredFeedback]:
        """Return the oldest feedback behind a change, in order; one word an alert, the newest.

        Args:
            change: The change to start behind.
            call: Only on alerts of this call.
            limit: Largest number to return.

        Raises:
            AlertStoreError: The store cannot be read.
        """
        return await self._run(lambda: feedback_table.after(self._opened(), change, call, limit))

    async def bookmark(self, reader: str) -> int | None:
        """Return how far a reader got; None if it never set a bookmark.

        Raises:
            AlertStoreError: The store cannot be read.
        """
        return await self._run(lambda: self._bookmark(reader))

    async def set_bookmark(self, reader: str, seq: int) -> None:
        """Remember, over restarts, how far a reader got.

        Raises:
            AlertStoreError: It could not be stored.
        """
        await self._run(lambda: self._set_bookmark(reader, seq))

    async def aclose(self) -> None:
        """Close the database and end its thread; calls in flight finish first."""
        with contextlib.suppress(AlertStoreError):
            await self._run(self._close)
        self._owner.shutdown(wait=True)

    async def __aenter__(self) -> Self:
        try:
            await self.open()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _run(self, work: Callable[[], _T]) -> _T:
        try:
            future = asyncio.get_running_loop().run_in_executor(self._owner, work)
        except RuntimeError as error:
            raise AlertStoreError("The alert store is closed.", fix="Open it before using it.") from error
        try:
            return await future
        except (sqlite3.Error, OSError) as error:
            raise explained(self._path, error) from error

    def _open(self) -> None:
        connection = open_connection(self._path)
        try:
            self._connection = connection
            with self._transaction():
                self._identity = complete(connection)
                self._expire()
        except BaseException:
            self._connection = None
            connection.close()
            raise

    def _bookmark(self, reader: str) -> int | None:
        row = self._opened().execute("SELECT seq FROM bookmarks WHERE reader = ?", (reader,)).fetchone()
        return None if row is None else int(row[0])

    def _set_bookmark(self, reader: str, seq: int) -> None:
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO bookmarks (reader, seq) VALUES (?, ?)", (reader, seq))

    def _append(self, record: AlertRecord) -> int:
        with self._transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO alerts (raised_at_s, call, body) VALUES (?, ?, ?)",
                (record.raised_at_s, record.call, record.body),
            )
            seq = cursor.lastrowid
            self._expire()
        assert seq is not None
        return seq

    def _expire_now(self) -> None:
        with self._transaction():
            self._expire()

    def _expire(self) -> None:
        connection = self._opened()
        newest = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'alerts'").fetchone()
        last_seq = 0 if newest is None else int(newest[0])
        connection.execute("DELETE FROM alerts WHERE seq <= ?", (last_seq - self._max_alerts,))
        # A prefix goes, never a hole: a clock that was set back leaves the order of expiry alone.
        connection.execute(
            "DELETE FROM alerts WHERE seq <= (SELECT max(seq) FROM alerts WHERE raised_at_s < ?)",
            (self._clock() - self._max_age_s,),
        )
        feedback_table.forget_orphans(connection)

    def _get(self, seq: int) -> StoredAlert | None:
        rows = self._after(seq - 1, None, 1)
        return rows[0] if rows and rows[0].seq == seq else None

    def _set_feedback(self, seq: int, state: str, at: str) -> StoredFeedback | None:
        with self._transaction() as connection:
            return feedback_table.put(connection, seq, state, at)

    def _after(self, seq: int, call: str | None, limit: int) -> list[StoredAlert]:
        condition, values = ("seq > ?", [seq]) if call is None else ("call = ? AND seq > ?", [call, seq])
        rows = self._opened().execute(
            f"SELECT seq, call, raised_at_s, body FROM alerts WHERE {condition} ORDER BY seq LIMIT ?",
            (*values, limit),
        )
        return [
            StoredAlert(seq=number, record=AlertRecord(call=name, raised_at_s=raised_at_s, body=body))
            for number, name, raised_at_s, body in rows
        ]

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._opened()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        last = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'alerts'").fetchone()
        oldest = connection.execute("SELECT min(seq) FROM alerts").fetchone()
        self._oldest_seq = oldest[0] or 0
        self._last_seq = 0 if last is None else int(last[0])
        self._last_change = feedback_table.newest_change(connection)

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise AlertStoreError("The alert store is not open.", fix="Open it before using it.")
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
