"""The official LiveKit SDK: found when it is first needed, and kept from telling the log who is in a call."""

from __future__ import annotations

import importlib
import itertools
import logging
from pathlib import PurePath
from typing import Any

from clients.joining.adapter import CallLostError, JoinError


def require_sdk() -> Any:
    """Return the module ``livekit.rtc``; its messages carry names and addresses and go nowhere.

    Raises:
        JoinError: It is not installed, or does not run here.
    """
    try:
        rtc = importlib.import_module("livekit.rtc")
    except (ImportError, OSError) as error:
        raise JoinError(
            "Joining LiveKit rooms needs the LiveKit SDK.", fix="pip install 'seamwatch[livekit]'"
        ) from error
    for name in ("livekit", None):
        logger = logging.getLogger(name)
        if not any(isinstance(known, _Silence) for known in logger.filters):
            logger.addFilter(_Silence())
    return rtc


def refusal(message: str) -> JoinError | CallLostError:
    """Return what the SDK's message about a failed connection means.

    Args:
        message: As from ``ConnectError``; a server's refusal is "... error: STATUS Reason - text".
    """
    words = message.replace(":", " ").split()
    after_error = [word for before, word in itertools.pairwise(words) if before == "error"]
    status = next((int(word) for word in after_error if word.isdecimal()), None)
    if status in (401, 403):
        return JoinError(
            "The LiveKit server does not accept the token.",
            fix="Make a new one for this room and server (`lk token create --join --room ROOM ...`): it may "
            "have expired, or be signed with another server's secret.",
        )
    if status == 404:
        return JoinError(
            "There is no LiveKit server at this URL, or it knows no such room.",
            fix="Check the URL; it is the one that ends in :7880 or .livekit.cloud, without a path.",
        )
    if status is not None and status < 500 and status not in (408, 425, 429):
        return JoinError(
            f"The LiveKit server refuses (status {status}).", fix="Check the URL, and see the server's log."
        )
    if status is not None:
        return CallLostError(
            f"The LiveKit server cannot serve now (status {status}).", fix="Wait, or see the server's log."
        )
    return CallLostError(
        "The LiveKit server cannot be reached.",
        fix="Check the URL, the certificate and the network; media needs UDP, or the server's TCP port 7881.",
    )


class _Silence(logging.Filter):
    """Drops what the SDK logs, also what it logs in the root logger's name."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether somebody else wrote a record."""
        return record.name != "livekit" and PurePath(record.pathname).parts[-3:-1] != ("livekit", "rtc")
