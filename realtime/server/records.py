"""Between the wire's messages and the store's records."""

from __future__ import annotations

from datetime import datetime
from typing import get_args

from realtime.alerts.feedback_table import StoredFeedback
from realtime.alerts.store import AlertRecord, StoredAlert
from realtime.server.wire import AlertDraft, AlertMessage, Feedback, FeedbackState


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


def feedback_from(stored: StoredFeedback) -> Feedback | None:
    """Return the message of stored feedback; None for a state that only a later program knows."""
    if stored.state not in get_args(FeedbackState):
        return None
    return Feedback.model_validate(
        {"call": stored.call, "seq": stored.seq, "state": stored.state, "at": stored.at}
    )
