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

#: Opus looks ahead by this much, which browsers leave out of their timestamps.
OPUS_LOOKAHEAD_NS = 6_500_000
#: FFmpeg counts it; its sessions are known by this name.
_FFMPEG_SESSION = "FFmpegPublishSession"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An acceptable offer.

    Attributes:
        sections: Kind of every audio and video section, in order.
        mids: Section of the one track to take of each kind.
        opus_delay_ns: By how much later than its timestamp says a sound was made.
    """

    sections: tuple[TrackKind, ...]
    mids: dict[TrackKind, str]
    opus_delay_ns: int = OPUS_LOOKAHEAD_NS


def check_offer(sdp: str) -> Offer:
    """Check an offer.

    Raises:
        SignallingError: 413 too large, 400 not a session description, 406 nothing in it that can be received.
    """
    description = read_description(sdp, name="offer")
    sections: list[TrackKind] = []
    mids: dict[TrackKind, str] = {}
    refused: list[str] = []
    for media in description.media:
        kind = kind_of(media)
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
        if has_codec(media, kind):
            mids[kind] = media.rtp.muxId
        else:
            refused.append(kind)
    if not mids:
        raise nothing_to_receive("offer", refused)
    for media in description.media:
        if not has_credentials(media):
            raise unreadable("The offer lacks ICE credentials or a DTLS fingerprint.")
    delay_ns = 0 if description.name == _FFMPEG_SESSION else OPUS_LOOKAHEAD_NS
    return Offer(sections=tuple(sections), mids=mids, opus_delay_ns=delay_ns)


def read_description(sdp: str, *, name: str) -> SessionDescription:
    """Parse a session description of bounded size.

    Args:
        sdp: The description.
        name: "offer" or "answer", for messages.

    Raises:
        SignallingError: 413 too large, 400 not a session description, or too much in it.
    """
    if len(sdp.encode(errors="replace")) > MAX_OFFER_BYTES:
        raise SignallingError(
            f"The {name} is too large.", fix=f"Send at most {MAX_OFFER_BYTES} bytes of SDP.", status=413
        )
    try:
        description = SessionDescription.parse(sdp)
    except Exception as error:
        raise unreadable(f"The {name} is not a session description.") from error
    if not description.media:
        raise unreadable(f"The {name} has no media sections.")
    if len(description.media) > MAX_MEDIA_SECTIONS:
        raise SignallingError(
            f"The {name} has too many media sections.",
            fix=f"Send at most {MAX_MEDIA_SECTIONS}; one audio and one video track are used.",
            status=400,
        )
    if sum(len(media.ice_candidates) for media in description.media) > MAX_CANDIDATES:
        raise SignallingError(
            f"The {name} has too many ICE candidates.", fix=f"Send at most {MAX_CANDIDATES}.", status=400
        )
    return description


def kind_of(media: MediaDescription) -> TrackKind | None:
    """Return which track a section is for, None for data."""
    if media.kind == "audio":
        return "audio"
    return "video" if media.kind == "video" else None


def has_codec(media: MediaDescription, kind: TrackKind) -> bool:
    """Tell whether one of a section's codecs can be received."""
    return any(codec.name.lower() in CODECS[kind] for codec in media.rtp.codecs)


def has_credentials(media: MediaDescription) -> bool:
    """Tell whether a section has what ICE and DTLS need."""
    ice, dtls = media.ice, media.dtls
    return bool(ice and ice.usernameFragment and ice.password and dtls and dtls.fingerprints)


def unreadable(message: str) -> SignallingError:
    """Return the error for a damaged description."""
    return SignallingError(message, fix="Send the SDP that a WebRTC stack made, unchanged.", status=400)


def nothing_to_receive(name: str, refused: list[str]) -> SignallingError:
    """Return the error for a description without a track that can be received.

    Args:
        name: "offer" or "answer".
        refused: Kinds that are sent, but with other codecs.
    """
    if refused:
        return SignallingError(
            f"None of the {name}'s {' and '.join(sorted(set(refused)))} codecs can be received.",
            fix="Use Opus for audio, and VP8 or H.264 for video.",
            status=406,
        )
    return SignallingError(
        f"The {name} sends neither audio nor video.",
        fix="Add a track with the direction sendonly or sendrecv.",
        status=406,
    )
