"""Peer connections that get along with more peers than aiortc's own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import aioice.ice
from aiortc import (
    RTCBundlePolicy,
    RTCCertificate,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    rtcicetransport,
)

from realtime.ingest.aiortc_private.host_addresses import offer_loopback_as_last_resort
from realtime.ingest.aiortc_private.ice_connection import IceConnection, unchanged_connection
from realtime.ingest.aiortc_private.ice_protocol import IceProtocol
from realtime.ingest.aiortc_private.required import (
    CERTIFICATE_PARTS,
    CONNECTION_PARTS,
    ICE_CONNECTION,
    ICE_PROTOCOL,
    ICE_TRANSPORT_PARTS,
    PEER_CERTIFICATES,
    RECEIVER_PARTS,
    ROUTER_PARTS,
    TRANSPORT_PARTS,
    require_parts,
)
from realtime.ingest.ice import IceServer

_CIPHERS = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-SHA:"
    b"ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305"
)
_CONNECT = "__connect"


def create_peer(
    ice_servers: Sequence[IceServer] = (), *, bundle_policy: RTCBundlePolicy = RTCBundlePolicy.BALANCED
) -> RTCPeerConnection:
    """Return a connection that gets along with more peers than aiortc's own.

    It answers ffmpeg's connectivity checks, which carry no priority, takes part in DTLS with an RSA
    certificate (GStreamer), uses 127.0.0.1 where a machine has no other address, and ignores empty datagrams.

    Raises:
        ConfigurationError: This aiortc lacks a part that the receive path needs.
    """
    offer_loopback_as_last_resort()
    require_parts(rtcicetransport, (ICE_CONNECTION,))
    vars(rtcicetransport)[ICE_CONNECTION] = IceConnection
    require_parts(aioice.ice, (ICE_PROTOCOL,))
    vars(aioice.ice)[ICE_PROTOCOL] = IceProtocol
    servers = [
        RTCIceServer(urls=server.url, username=server.username, credential=server.credential)
        for server in ice_servers
    ]
    peer = RTCPeerConnection(RTCConfiguration(iceServers=servers, bundlePolicy=bundle_policy))
    require_parts(peer, (PEER_CERTIFICATES,))
    require_parts(RTCCertificate, CERTIFICATE_PARTS)
    certificates: list[RTCCertificate] = vars(peer)[PEER_CERTIFICATES]
    certificates[:] = [_Certificate.generateCertificate()]
    return peer


def require_supported_aiortc() -> None:
    """Raise ConfigurationError unless this aiortc has every private part that the receive path needs."""
    peer = create_peer()
    receiver = peer.addTransceiver("video", direction="recvonly").receiver
    require_parts(receiver, RECEIVER_PARTS)
    require_parts(receiver.transport, TRANSPORT_PARTS)
    require_parts(receiver.transport._transport, ICE_TRANSPORT_PARTS)
    require_parts(receiver.transport._rtp_router, ROUTER_PARTS)
    require_parts(unchanged_connection(), CONNECTION_PARTS)


async def close_peer(peer: RTCPeerConnection) -> None:
    """Close a connection and wait for the tasks in which aiortc connects it. Idempotent."""
    await peer.close()
    connecting = []
    for task in asyncio.all_tasks():
        frame = getattr(task.get_coro(), "cr_frame", None)
        if frame is not None and frame.f_code.co_name == _CONNECT and frame.f_locals.get("self") is peer:
            connecting.append(task)
    await asyncio.gather(*connecting, return_exceptions=True)


class _Certificate(RTCCertificate):
    def _create_ssl_context(self, srtp_profiles: Any) -> Any:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(_CIPHERS)
        return context
