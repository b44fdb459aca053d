"""What a refusal of a Janus server means for the person who wants to join, and what to do about it. Pure."""

from __future__ import annotations

from clients.joining.adapter import CallLostError, JoinError
from clients.joining.janus_messages import NO_SUCH_PLUGIN, JanusRefusedError

_FINAL = {
    403: (
        "The Janus server wants an access token, or another one.",
        "Pass the token with --token.",
    ),
    426: ("The Janus server has no such room.", "Check the room in the URL, or create the room first."),
    429: ("The room wants a PIN.", "Pass it with --pin."),
    430: (
        "The Janus server does not write rooms like this.",
        "Take the room as the server lists it: a number, or a name on servers with string_ids.",
    ),
    433: (
        "The room does not let the monitor in: its PIN or its token is wrong, or a moderator removed it.",
        "Pass the room's PIN with --pin, or a token that it allows with --token.",
    ),
    NO_SUCH_PLUGIN: (
        "The Janus server has no VideoRoom plugin.",
        "Enable janus.plugin.videoroom, or check that this is the right server.",
    ),
}
_PASSING = {
    432: ("The room is full.", "Raise the room's number of publishers, or wait until somebody leaves."),
}


def join_refusal(error: JanusRefusedError) -> JoinError | CallLostError:
    """Return what it means that a server refused the monitor on its way into a room."""
    if error.code in _FINAL:
        message, fix = _FINAL[error.code]
        return JoinError(message, fix=fix)
    message, fix = _PASSING.get(error.code, (error.message, error.fix))
    return CallLostError(message, fix=fix)


def removed() -> JoinError:
    """Return the error of a monitor that a moderator removed."""
    return JoinError(
        "A moderator removed the monitor from the room.", fix="Ask the moderator before you join again."
    )
