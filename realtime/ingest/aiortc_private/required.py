"""Whether the installed aiortc has the private parts that are used here."""

from __future__ import annotations

from collections.abc import Sequence

from realtime.errors import ConfigurationError

RECEIVER_PARTS = (
    "_handle_rtp_packet",
    "_handle_rtcp_packet",
    "_handle_disconnect",
    "_send_rtcp",
    "_send_rtcp_nack",
    "_send_rtcp_pli",
    "_RTCRtpReceiver__codecs",
    "_RTCRtpReceiver__rtx_ssrc",
    "_RTCRtpReceiver__rtcp_ssrc",
    "_RTCRtpReceiver__remote_streams",
    "_RTCRtpReceiver__lsr",
    "_RTCRtpReceiver__lsr_time",
)
TRANSPORT_PARTS = (
    "_rtp_router",
    "_rtp_header_extensions_map",
    "_handle_rtcp_data",
    "_rx_srtp",
    "_task",
    "_transport",
)
ICE_TRANSPORT_PARTS = ("_connection",)
ROUTER_PARTS = ("ssrc_table",)
CONNECTION_PARTS = ("_queue", "_nominated", "_query_consent_task", "query_consent")
CERTIFICATE_PARTS = ("_create_ssl_context",)
PEER_CERTIFICATES = "_RTCPeerConnection__certificates"
ICE_CONNECTION = "Connection"
ICE_PROTOCOL = "StunProtocol"


def require_parts(part: object, names: Sequence[str]) -> None:
    """Check that an object of aiortc or aioice has attributes.

    Raises:
        ConfigurationError: One of them is missing.
    """
    owner = getattr(part, "__name__", type(part).__name__)
    missing = [f"{owner}.{name}" for name in names if not hasattr(part, name)]
    if missing:
        raise ConfigurationError(
            f"The installed aiortc lacks {', '.join(missing)}.",
            fix="Install an aiortc of the 1.16 series: pip install 'aiortc>=1.16,<1.17'.",
        )
