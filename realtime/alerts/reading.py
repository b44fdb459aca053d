"""The alert store for those who only look: nothing is changed, nothing expires, no monitor is disturbed."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from realtime.alerts.store import AlertRecord, StoredAlert
from realtime.alerts.store_file import SCHEMA_VERSION
from realtime.errors import AlertStoreError

_LOCK_TIMEOUT_S = 1.0


def read_alerts(path: Path) -> tuple[list[StoredAlert], dict[int, str]]:
    """Return every alert of a store, in order, and what operators said of some by their numbers.

    Raises:
        AlertStoreError: There is no store, a monitor is running on it, or it cannot be read.
    """
    if not path.is_file():
        raise AlertStoreError(
            f"There is no alert store {path}.", fix="Name the file that the monitor's --store named."
        )
    # Without a log beside it the file is at rest; read as such, it gets no files beside it either.
    log = path.with_name(f"{path.name}-wal")
    mode = "mode=ro" if log.exists() else "immutable=1"
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=_LOCK_TIMEOUT_S, isolation_level=None
        )
        with contextlib.closing(connection):
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version != SCHEMA_VERSION:
                raise AlertStoreError(
                    f"{path} is no alert store that this program reads.",
                    fix="Name the file that the monitor's --store named.",
                )
            rows = connection.execute("SELECT seq, call, raised_at_s, body FROM alerts ORDER BY seq")
            alerts = [
                StoredAlert(seq=seq, record=AlertRecord(call=call, raised_at_s=raised_at_s, body=body))
                for seq, call, raised_at_s, body in rows
            ]
            return alerts, _words(connection)
    except sqlite3.Error as error:
        if "locked" in str(error).lower():
            raise AlertStoreError(
                f"The alert store {path} is in use by a running monitor.",
                fix="End the monitor first, or name the evidence that it keeps with --evidence.",
            ) from error
        raise AlertStoreError(
            f"The alert store {path} cannot be read: {error}.",
            fix="Check that it is an alert store and that you may read it.",
        ) from error


def _words(connection: sqlite3.Connection) -> dict[int, str]:
    """Return the newest word on each alert; a store of an earlier program has no room for any."""
    tables = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'feedback'").fetchone()[0]
    rows = connection.execute("SELECT seq, state FROM feedback") if tables else ()
    return {int(seq): str(state) for seq, state in rows}
