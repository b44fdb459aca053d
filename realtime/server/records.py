"""Between the wire's alerts and the store's records."""

from __future__ import annotations

from datetime import datetime

from realtime.alerts.store import AlertRecord, StoredAlert
from realtime.server.wire import AlertDraft, AlertMessage


def to_record(draft: AlertDraft) -> AlertRecord:
    """Return what the store keeps of an alert."""
    return AlertRecord(
        call=draft.call,
        raised_at_s=datetime.fromisoformat(draft.raised_at).timestamp(),
        body=draft.model_dump_json(),
    )


def from_stored(stored: StoredAlert) -> AlertMessage:
    """Return the message of a stored alert."""
    draft = AlertDraft.model_validate_json(stored.record.body)
    return AlertMessage(seq=stored.seq, **dict(draft))
