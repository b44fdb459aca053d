"""Which adapter joins which kind of call; its module is imported when it is first needed."""

from __future__ import annotations

import importlib

from clients.joining.adapter import CallAdapter
from clients.joining.target import JoinTarget

_ADAPTERS = {
    "janus": ("clients.joining.janus", "JanusAdapter"),
    "januss": ("clients.joining.janus", "JanusAdapter"),
    "whep+http": ("clients.joining.whep", "WhepAdapter"),
    "whep+https": ("clients.joining.whep", "WhepAdapter"),
    "livekit+ws": ("clients.joining.livekit", "LiveKitAdapter"),
    "livekit+wss": ("clients.joining.livekit", "LiveKitAdapter"),
    "peerjs": ("clients.joining.peerjs", "PeerJsAdapter"),
    "peerjss": ("clients.joining.peerjs", "PeerJsAdapter"),
}


def open_adapter(target: JoinTarget) -> CallAdapter:
    """Return an adapter for one attempt to join a call.

    Raises:
        SeamwatchError: The adapter needs something that is not installed.
    """
    module, name = _ADAPTERS[target.url.scheme]
    adapter: CallAdapter = getattr(importlib.import_module(module), name)(target)
    return adapter
