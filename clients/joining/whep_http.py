"""The HTTP side of one WHEP session (draft-ietf-wish-whep-03): offer, counter-offer, farewell."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from http import HTTPStatus

import httpx
import structlog

from clients.joining.adapter import CallLostError, JoinError
from realtime.ingest.offer import MAX_OFFER_BYTES

REQUEST_TIMEOUT_S = 15.0
SIDE_REQUEST_TIMEOUT_S = 3.0
MAX_REDIRECTS = 5
MAX_RETRY_AFTER_S = 300.0
SDP = "application/sdp"

_REDIRECTS = (HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT)
_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
_COPY_URL = "Copy the playback URL that the server shows."
_NO_ENDPOINT = ("There is no WHEP endpoint at this URL.", _COPY_URL)
_REFUSALS: dict[int, tuple[str, str]] = {
    401: ("The stream wants a token.", "Pass it with --token."),
    403: ("The server does not let this token watch the stream.", "Pass another one with --token."),
    405: _NO_ENDPOINT,
    406: ("The stream has no codec that can be received.", "Publish it with Opus, and VP8 or H.264."),
    410: ("The stream is gone for good.", "Ask its owner for another URL."),
    415: _NO_ENDPOINT,
}

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferReply:
    """What the server says to an offer.

    Attributes:
        sdp: Its session description.
        is_counter_offer: It is an offer of the server's own, to be answered; else the answer.
    """

    sdp: str
    is_counter_offer: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Response:
    status: int
    headers: httpx.Headers
    body: str
    request: httpx.Request
    following: httpx.Request | None

    @property
    def is_sdp(self) -> bool:
        media_type = str(self.headers.get("Content-Type", "")).partition(";")[0]
        return media_type.strip().lower() == SDP


class WhepSession:
    """One session at a server.

    The token goes to the endpoint, to where it redirects within its origin, and to the session that the
    endpoint then names; never from TLS to plain HTTP.

    Args:
        client: Sends the requests.
        endpoint: The URL of the endpoint.
        token: Bearer token; None where none is needed.

    Raises:
        JoinError: The token cannot be sent.
    """

    def __init__(self, client: httpx.AsyncClient, endpoint: httpx.URL, token: str | None) -> None:
        self._client = client
        self._endpoint = endpoint
        self._authorization = _authorization(token)
        self._session: httpx.URL | None = None
        self._session_authorization: dict[str, str] = {}

    async def links(self) -> list[str]:
        """Return the endpoint's ``Link`` headers; none where it does not answer to OPTIONS."""
        request = self._client.build_request("OPTIONS", self._endpoint, headers=self._authorization)
        try:
            response = await self._send(request, timeout_s=SIDE_REQUEST_TIMEOUT_S)
        except CallLostError:
            return []
        links: list[str] = response.headers.get_list("Link") if response.status < 300 else []
        return links

    async def offer(self, sdp: str) -> OfferReply:
        """Post an offer.

        Raises:
            JoinError: The server refuses it, or what it answers cannot be used.
            CallLostError: The server cannot be reached, or cannot serve now.
        """
        headers = {"Content-Type": SDP, "Accept": SDP, **self._authorization}
        request = self._client.build_request("POST", self._endpoint, content=sdp, headers=headers)
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._send(request)
            if response.status not in _REDIRECTS:
                break
            request = _followed(response)
        else:
            raise JoinError("The server redirects without end.", fix=_COPY_URL)
        is_counter_offer = response.status == HTTPStatus.NOT_ACCEPTABLE and response.is_sdp
        if response.status != HTTPStatus.CREATED and not is_counter_offer:
            raise refusal(response.status, response.headers.get("Retry-After"))
        self._remember_session(response)
        return OfferReply(sdp=response.body, is_counter_offer=is_counter_offer)

    async def answer(self, sdp: str) -> None:
        """Answer the server's counter-offer.

        Raises:
            JoinError: The server refuses the answer, or named no session to send it to.
            CallLostError: The server cannot be reached, or cannot serve now.
        """
        if self._session is None:
            raise unusable_description()
        headers = {"Content-Type": SDP, **self._session_authorization}
        request = self._client.build_request("PATCH", self._session, content=sdp, headers=headers)
        response = await self._send(request)
        if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
            raise refusal(response.status, response.headers.get("Retry-After"))

    async def leave(self) -> None:
        """End the session, if there is one; what the server says to that does not matter. Idempotent."""
        session, self._session = self._session, None
        if session is None:
            return
        request = self._client.build_request("DELETE", session, headers=self._session_authorization)
        try:
            await self._send(request, timeout_s=SIDE_REQUEST_TIMEOUT_S)
        except (CallLostError, JoinError):
            _log.warning("whep_session_not_deleted")

    def _remember_session(self, response: _Response) -> None:
        try:
            session = response.request.url.join(response.headers["Location"])
        except (KeyError, httpx.InvalidURL):
            _log.warning("whep_server_names_no_session")
            return
        if not _may_lead_to(response.request.url, session):
            _log.warning("whep_session_without_tls_ignored")
            return
        self._session = session
        sent = response.request.headers.get("Authorization")
        self._session_authorization = {} if sent is None else {"Authorization": sent}

    async def _send(self, request: httpx.Request, *, timeout_s: float = REQUEST_TIMEOUT_S) -> _Response:
        try:
            async with asyncio.timeout(timeout_s):
                response = await self._client.send(request, stream=True, follow_redirects=False)
                try:
                    body = await _bounded_body(response)
                finally:
                    await response.aclose()
        except (httpx.HTTPError, TimeoutError) as error:
            raise CallLostError(
                "The WHEP server does not answer.", fix="Check the URL, the certificate and the network."
            ) from error
        return _Response(
            status=response.status_code,
            headers=response.headers,
            body=body,
            request=request,
            following=response.next_request,
        )


def refusal(status: int, retry_after: str | None) -> JoinError | CallLostError:
    """Return what an unsuccessful status means (draft-ietf-wish-whep-03, sections 4.1, 4.2 and 4.6).

    Args:
        status: The HTTP status.
        retry_after: The value of the header ``Retry-After``; only its form in seconds is understood.
    """
    # Some servers know a stream only while somebody publishes it.
    if status in (HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND):
        return CallLostError(
            "Nothing is published there now.",
            fix="Check the URL, and that the stream is published.",
            retry_after_s=_seconds(retry_after),
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSING:
        return CallLostError(
            f"The WHEP server cannot serve now (status {status}).",
            fix="Wait, or see the server's log.",
            retry_after_s=_seconds(retry_after),
        )
    message, fix = _REFUSALS.get(status, (f"The WHEP server refuses (status {status}).", _COPY_URL))
    return JoinError(message, fix=fix)


def unusable_description() -> JoinError:
    """Return the error for a session description that cannot be used."""
    return JoinError(
        "The server's session description cannot be used.",
        fix="Check that the URL is a WHEP endpoint, of a stream with Opus, and VP8 or H.264.",
    )


def _seconds(retry_after: str | None) -> float | None:
    text = "" if retry_after is None else retry_after.strip()
    return min(float(text), MAX_RETRY_AFTER_S) if re.fullmatch(r"[0-9]{1,9}", text) else None


def _authorization(token: str | None) -> dict[str, str]:
    if token is None:
        return {}
    if re.fullmatch(r"[!-~]+", token) is None:
        raise JoinError("The token cannot be sent.", fix="Copy it again; it has only ASCII and no spaces.")
    return {"Authorization": f"Bearer {token}"}


def _followed(response: _Response) -> httpx.Request:
    following = response.following
    if following is None or not _may_lead_to(response.request.url, following.url):
        raise JoinError("The server redirects to nowhere, or away from TLS.", fix=_COPY_URL)
    return following


def _may_lead_to(url: httpx.URL, other: httpx.URL) -> bool:
    return other.scheme == "https" or (other.scheme == "http" and url.scheme == "http")


async def _bounded_body(response: httpx.Response) -> str:
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_OFFER_BYTES:
            raise unusable_description()
    return body.decode("utf-8", "replace")
