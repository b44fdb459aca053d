"""What operators said about stored alerts, kept beside them: the newest word on each alert."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFeedback:
    """The newest word on one alert.

    Attributes:
        change: Rises with every word that is stored, over restarts too; what a reader resumes from.
        seq: The alert.
        call: The call that the alert belongs to.
        state: What was said; the store does not look into it.
        at: When, as given.
    """

    change: int
    seq: int
    call: str
    state: str
    at: str


def put(connection: sqlite3.Connection, seq: int, state: str, at: str) -> StoredFeedback | None:
    """Replace the word on an alert, within a transaction; None where there is no such alert."""
    row = connection.execute("SELECT call FROM alerts WHERE seq = ?", (seq,)).fetchone()
    if row is None:
        return None
    cursor = connection.execute(
        "INSERT OR REPLACE INTO feedback (seq, call, state, at) VALUES (?, ?, ?, ?)", (seq, row[0], state, at)
    )
    assert cursor.lastrowid is not None
    return StoredFeedback(change=cursor.lastrowid, seq=seq, call=row[0], state=state, at=at)


def of_alert(connection: sqlite3.Connection, seq: int) -> StoredFeedback | None:
    """Return the word on an alert, None where nobody said one."""
    rows = _selected(connection, "seq = ?", (seq,), limit=1)
    return rows[0] if rows else None


def after(connection: sqlite3.Connection, change: int, call: str | None, limit: int) -> list[StoredFeedback]:
    """Return the oldest words behind a change, in order, of one call or of all."""
    if call is None:
        return _selected(connection, "change > ?", (change,), limit)
    return _selected(connection, "change > ? AND call = ?", (change, call), limit)


def forget_orphans(connection: sqlite3.Connection) -> None:
    """Delete the words on alerts that are gone."""
    connection.execute("DELETE FROM feedback WHERE seq NOT IN (SELECT seq FROM alerts)")


def newest_change(connection: sqlite3.Connection) -> int:
    """Return the newest change ever stored, 0 before the first."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'feedback'").fetchone()
    return 0 if row is None else int(row[0])


def _selected(
    connection: sqlite3.Connection, condition: str, values: tuple[int | str, ...], limit: int
) -> list[StoredFeedback]:
    rows = connection.execute(
        f"SELECT change, seq, call, state, at FROM feedback WHERE {condition} ORDER BY change LIMIT ?",
        (*values, limit),
    )
    return [
        StoredFeedback(change=change, seq=seq, call=call, state=state, at=at)
        for change, seq, call, state, at in rows
    ]
