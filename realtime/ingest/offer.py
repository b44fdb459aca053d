"""Checks of a session description before aiortc sees it."""

from __future__ import annotations

from dataclasses import dataclass

from aiortc.sdp import MediaDescription, SessionDescription

from realtime.errors import SignallingError
from realtime.types import TrackKind

MAX_OFFER_BYTES = 64 * 1024
MAX_MEDIA_SECTIONS = 16
MAX_CANDIDATES = 64

CODECS: dict[TrackKind, tuple[str, ...]] = {"audio": ("opus",), "video": ("vp8", "h264")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An acceptable offer.

    Attributes:
        sections: Kind of every audio and video section, in order.
        mids: Section of the one track to take of each kind.
    """

    sections: tuple[TrackKind, ...]
    mids: dict[TrackKind, str]


def check_offer(sdp: str) -> Offer:
    """Check an offer.

    Raises:
        SignallingError: 413 too large, 400 not a session description, 406 nothing in it that can be received.
    """
    if len(sdp.encode()) > MAX_OFFER_BYTES:
        raise SignallingError(
            "The offer is too large.", fix=f"Send at most {MAX_OFFER_BYTES} bytes of SDP.", status=413
        )
    description = _parse(sdp)
    if len(description.media) > MAX_MEDIA_SECTIONS:
        raise SignallingError(
            "The offer has too many media sections.",
            fix=f"Offer at most {MAX_MEDIA_SECTIONS}; one audio and one video track are used.",
            status=400,
        )
    if sum(len(media.ice_candidates) for media in description.media) > MAX_CANDIDATES:
        raise SignallingError(
            "The offer has too many ICE candidates.", fix=f"Send at most {MAX_CANDIDATES}.", status=400
        )
    sections: list[TrackKind] = []
    mids: dict[TrackKind, str] = {}
    refused: list[str] = []
    for media in description.media:
        kind = _kind(media)
        if kind is None and media.kind != "application":
            raise SignallingError(
                "The offer has a media section that is neither audio, video nor data.",
                fix="Remove it from the offer.",
                status=406,
            )
        if kind is None:
            continue
        sections.append(kind)
        if kind in mids or media.direction not in ("sendonly", "sendrecv"):
            continue
        if _has_codec(media, kind):
            mids[kind] = media.rtp.muxId
        else:
            refused.append(kind)
    if not mids:
        raise _nothing_to_receive(refused)
    for media in description.media:
        if not _has_credentials(media):
            raise SignallingError(
                "The offer lacks ICE credentials or a DTLS fingerprint.",
                fix="Send the offer that a WebRTC stack made, unchanged.",
                status=400,
            )
    return Offer(sections=tuple(sections), mids=mids)


def _parse(sdp: str) -> SessionDescription:
    try:
        description = SessionDescription.parse(sdp)
    except Exception as error:
        raise _unreadable("The offer is not a session description.") from error
    if not description.media:
        raise _unreadable("The offer has no media sections.")
    return description


def _unreadable(message: str) -> SignallingError:
    return SignallingError(message, fix="Send the SDP that a WebRTC stack made, unchanged.", status=400)


def _nothing_to_receive(refused: list[str]) -> SignallingError:
    if refused:
        return SignallingError(
            f"None of the offered {' and '.join(sorted(set(refused)))} codecs can be received.",
            fix="Offer Opus for audio, and VP8 or H.264 for video.",
            status=406,
        )
    return SignallingError(
        "The offer sends neither audio nor video.",
        fix="Add a track with the direction sendonly or sendrecv.",
        status=406,
    )


def _kind(media: MediaDescription) -> TrackKind | None:
    if media.kind == "audio":
        return "audio"
    return "video" if media.kind == "video" else None


def _has_codec(media: MediaDescription, kind: TrackKind) -> bool:
    return any(codec.name.lower() in CODECS[kind] for codec in media.rtp.codecs)


def _has_credentials(media: MediaDescription) -> bool:
    ice, dtls = media.ice, media.dtls
    return bool(ice and ice.usernameFragment and ice.password and dtls and dtls.fingerprints)
