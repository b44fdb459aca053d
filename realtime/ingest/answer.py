"""Checks of the answer to an offer of our own, before aiortc sees it."""

from __future__ import annotations

from dataclasses import dataclass

from aiortc.sdp import MediaDescription, SessionDescription

from realtime.ingest.offer import (
    has_codec,
    has_credentials,
    kind_of,
    nothing_to_receive,
    read_description,
    unreadable,
)
from realtime.types import TrackKind

_REJECTED_PORT = 0
_DISCARD_PORT = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An acceptable answer.

    Attributes:
        sdp: The answer; every section names codecs, ICE credentials, candidates and fingerprints, which a
            section that is rejected or shares a transport (BUNDLE, RFC 9143) may leave out.
        mids: Section of the track to take of each kind.
    """

    sdp: str
    mids: dict[TrackKind, str]


def check_answer(sdp: str, *, offer_sdp: str) -> Answer:
    """Check the answer to an offer of one audio and one video section that share a transport.

    Raises:
        SignallingError: 413 too large, 400 not an answer to this offer, 406 nothing in it that can be
            received.
    """
    description = read_description(sdp, name="answer")
    offered = SessionDescription.parse(offer_sdp).media
    if [(media.kind, media.rtp.muxId) for media in description.media] != [
        (media.kind, media.rtp.muxId) for media in offered
    ]:
        raise unreadable("The answer's media sections are not those of the offer.")
    mids: dict[TrackKind, str] = {}
    refused: list[str] = []
    for media, offer in zip(description.media, offered, strict=True):
        kind = kind_of(media)
        if kind is None or media.port == _REJECTED_PORT or media.direction not in ("sendonly", "sendrecv"):
            _deactivate(media, offer)
        elif has_codec(media, kind):
            mids[kind] = media.rtp.muxId
        else:
            refused.append(kind)
    if not mids or refused:
        raise nothing_to_receive("answer", refused)
    shared = next((media for media in description.media if has_credentials(media)), None)
    if shared is None:
        raise unreadable("The answer lacks ICE credentials or a DTLS fingerprint.")
    for media in description.media:
        _share_transport(media, shared)
    return Answer(sdp=str(description), mids=mids)


def _deactivate(media: MediaDescription, offer: MediaDescription) -> None:
    media.direction = "inactive"
    media.port = _DISCARD_PORT
    media.fmt = offer.fmt
    media.rtp.codecs = offer.rtp.codecs


def _share_transport(media: MediaDescription, shared: MediaDescription) -> None:
    if not has_credentials(media):
        media.ice, media.dtls = shared.ice, shared.dtls
    if not media.ice_candidates:
        media.ice_candidates = shared.ice_candidates
        media.ice_candidates_complete = shared.ice_candidates_complete
    media.rtcp_mux = True
