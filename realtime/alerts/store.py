"""The alert store: SQLite in WAL mode with one owner thread. An alert is durable before it has a number."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

from realtime.errors import AlertStoreError

SCHEMA_VERSION = 1
_APPLICATION_ID = 0x5EA3_A1E7
_LOCK_TIMEOUT_S = 1.0

_SCHEMA = """
CREATE TABLE alerts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    raised_at_s REAL NOT NULL,
    call TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX alerts_by_call ON alerts (call, seq);
CREATE INDEX alerts_by_age ON alerts (raised_at_s);
"""

# Programs that do not know these tables leave them alone, so they need no version of their own.
_ADDITIONS = (
    "CREATE TABLE IF NOT EXISTS identity (id TEXT NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS bookmarks (reader TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT",
)

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
            raise self._explained(error) from error

    def _open(self) -> None:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.touch(mode=0o600)
        connection = sqlite3.connect(
            ":memory:" if self._path is None else self._path,
            timeout=_LOCK_TIMEOUT_S,
            isolation_level=None,
        )
        try:
            # First of all: a second monitor on the same file would hand out numbers of its own.
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON")
            self._check(connection)
            self._connection = connection
            with self._transaction():
                self._identity = self._identified(connection)
                self._expire()
        except BaseException:
            self._connection = None
            connection.close()
            raise

    def _check(self, connection: sqlite3.Connection) -> None:
        application_id = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if application_id == 0 and tables == 0:
            connection.executescript(
                f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA application_id = {_APPLICATION_ID};"
                f"PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )
        elif application_id != _APPLICATION_ID:
            raise AlertStoreError(
                f"{self._path} is a database, but no alert store.",
                fix="Name another file for the alert store.",
            )
        elif version != SCHEMA_VERSION:
            raise AlertStoreError(
                f"{self._path} is an alert store of version {version}; this program reads {SCHEMA_VERSION}.",
                fix="Use the program that wrote it, or name another file.",
            )
        elif connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("quick_check failed")

    def _identified(self, connection: sqlite3.Connection) -> str:
        for statement in _ADDITIONS:
            connection.execute(statement)
        row = connection.execute("SELECT id FROM identity").fetchone()
        if row is None:
            row = (secrets.token_hex(8),)
            connection.execute("INSERT INTO identity (id) VALUES (?)", row)
        return str(row[0])

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

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise AlertStoreError("The alert store is not open.", fix="Open it before using it.")
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _explained(self, error: Exception) -> AlertStoreError:
        text = str(error).lower()
        if "locked" in text or "busy" in text:
            return AlertStoreError(
                f"The alert store {self._path} is in use by another program.",
                fix="Stop the other monitor, or name another file.",
            )
        if "disk is full" in text or "disk i/o" in text:
            return AlertStoreError(
                f"The alert store {self._path} cannot be written: {error}.", fix="Free space on its disk."
            )
        if isinstance(error, OSError) or "unable to open" in text or "readonly" in text:
            return AlertStoreError(
                f"The alert store {self._path} cannot be opened: {error}.",
                fix="Check that its folder exists and that you may write there.",
            )
        return AlertStoreError(
            f"The alert store {self._path} is damaged: {error}.",
            fix="Move the file away; the monitor then starts a new one.",
        )
