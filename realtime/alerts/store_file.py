"""The alert store's file: its tables, whether a file is such a store at all, and its faults in words."""

from __future__ import annotations

import secrets
import sqlite3
from pathlib import Path

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
    """CREATE TABLE IF NOT EXISTS feedback (
        change INTEGER PRIMARY KEY AUTOINCREMENT,
        seq INTEGER NOT NULL UNIQUE,
        call TEXT NOT NULL,
        state TEXT NOT NULL,
        at TEXT NOT NULL
    ) STRICT""",
)


def open_connection(path: Path | None) -> sqlite3.Connection:
    """Open or make the database and take sole ownership of it; None keeps all in memory.

    Raises:
        AlertStoreError: It is of another kind or version.
        sqlite3.Error: It is damaged, in use, or out of reach.
        OSError: It is out of reach.
    """
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    connection = sqlite3.connect(
        ":memory:" if path is None else path, timeout=_LOCK_TIMEOUT_S, isolation_level=None
    )
    try:
        # First of all: a second monitor on the same file would hand out numbers of its own.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")
        _check(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def complete(connection: sqlite3.Connection) -> str:
    """Add the tables that the file lacks, within a transaction, and return the store's identity."""
    for statement in _ADDITIONS:
        connection.execute(statement)
    row = connection.execute("SELECT id FROM identity").fetchone()
    if row is None:
        row = (secrets.token_hex(8),)
        connection.execute("INSERT INTO identity (id) VALUES (?)", row)
    return str(row[0])


def explained(path: Path | None, error: Exception) -> AlertStoreError:
    """Return what an error of the database means for the operator."""
    text = str(error).lower()
    if "locked" in text or "busy" in text:
        return AlertStoreError(
            f"The alert store {path} is in use by another program.",
            fix="Stop the other monitor, or name another file.",
        )
    if "disk is full" in text or "disk i/o" in text:
        return AlertStoreError(
            f"The alert store {path} cannot be written: {error}.", fix="Free space on its disk."
        )
    if isinstance(error, OSError) or "unable to open" in text or "readonly" in text:
        return AlertStoreError(
            f"The alert store {path} cannot be opened: {error}.",
            fix="Check that its folder exists and that you may write there.",
        )
    return AlertStoreError(
        f"The alert store {path} is damaged: {error}.",
        fix="Move the file away; the monitor then starts a new one.",
    )


def _check(connection: sqlite3.Connection, path: Path | None) -> None:
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
            f"{path} is a database, but no alert store.", fix="Name another file for the alert store."
        )
    elif version != SCHEMA_VERSION:
        raise AlertStoreError(
            f"{path} is an alert store of version {version}; this program reads {SCHEMA_VERSION}.",
            fix="Use the program that wrote it, or name another file.",
        )
    elif connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise sqlite3.DatabaseError("quick_check failed")
