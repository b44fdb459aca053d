"""The media of an aiortc transport."""

from __future__ import annotations

import contextlib
import struct
from typing import Any

import pylibsrtp
from aiortc.rtp import HeaderExtensions, HeaderExtensionsMap

from realtime.ingest.media_path import MediaPath, Unprotect

_SEND_TIME_URI = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"


def media_path_of(transport: Any) -> MediaPath:
    """Return the way that a transport's media takes.

    The first time it is laid, and malformed header extensions and RTCP no longer end the whole connection.
    """
    if isinstance(transport._rtp_header_extensions_map, _Extensions):
        return transport._rtp_header_extensions_map.path
    path = MediaPath(_unprotect_of(transport))
    transport._rtp_header_extensions_map = _Extensions(path)
    transport._transport._connection.take_media = path.take
    handle = transport._handle_rtcp_data

    async def handle_rtcp_data(data: bytes) -> None:
        with contextlib.suppress(struct.error, IndexError):
            await handle(data)

    transport._handle_rtcp_data = handle_rtcp_data
    return path


def _unprotect_of(transport: Any) -> Unprotect:
    def unprotect(data: bytes) -> bytes | None:
        session = transport._rx_srtp
        if session is None or transport._task is None:
            return None
        try:
            plain: bytes = session.unprotect(data)
        except (pylibsrtp.Error, ValueError):
            return b""
        return plain

    return unprotect


class _Extensions(HeaderExtensionsMap):
    """Raises what aiortc expects where an extension is shorter than its kind has to be."""

    def __init__(self, path: MediaPath) -> None:
        super().__init__()
        self.path = path

    def configure(self, parameters: Any) -> None:
        super().configure(parameters)
        for extension in parameters.headerExtensions:
            if extension.uri == _SEND_TIME_URI:
                self.path.send_time_id = extension.id

    def get(self, extension_profile: int, extension_value: bytes) -> HeaderExtensions:
        try:
            return super().get(extension_profile, extension_value)
        except struct.error as error:
            raise ValueError from error
