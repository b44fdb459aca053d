"""WHIP signalling (RFC 9725): a participant publishes with one POST and leaves with one DELETE."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from realtime.errors import SignallingError
from realtime.server.ports import NAME_RULE, MonitorPort, is_name

MAX_BODY_BYTES = 64 * 1024
BODY_TIMEOUT_S = 10.0

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_SDP = "application/sdp"
_FRAGMENT = "application/trickle-ice-sdpfrag"

_Handler = Callable[[Request], Awaitable[Response]]


class Whip:
    """The endpoint and the resources of WHIP."""

    def __init__(self, monitor: MonitorPort) -> None:
        self._monitor = monitor

    def routes(self) -> list[Route]:
        """Return the routes; resources come first, so that no call is named "resource"."""
        resource = _dispatch({"DELETE": self._unpublish, "PATCH": self._restart})
        endpoint = _dispatch({"POST": self._publish}, accept_post=_SDP)
        return [
            Route("/whip/resource/{resource_id}", resource, methods=_METHODS),
            Route("/whip/{call}/{participant}", endpoint, methods=_METHODS),
        ]

    async def _publish(self, request: Request) -> Response:
        call, participant = request.path_params["call"], request.path_params["participant"]
        if not (is_name(call) and is_name(participant)):
            raise SignallingError("There can be no such call or participant.", fix=NAME_RULE, status=404)
        offer = await read_text(request, _SDP)
        if not offer.startswith("v=0"):
            raise SignallingError(
                "The body is no session description.",
                fix="Send the SDP offer of a peer connection.",
                status=400,
            )
        publication = await self._monitor.publish(call, participant, offer)
        headers = {
            "Location": f"/whip/resource/{publication.resource_id}",
            "ETag": _entity_tag(publication.answer_sdp),
        }
        return Response(publication.answer_sdp, 201, headers=headers, media_type=_SDP)

    async def _unpublish(self, request: Request) -> Response:
        if not await self._monitor.unpublish(request.path_params["resource_id"]):
            raise _unknown()
        return Response(status_code=200)

    async def _restart(self, request: Request) -> Response:
        fragment = await read_text(request, _FRAGMENT)
        answer = await self._monitor.restart(request.path_params["resource_id"], fragment)
        if not answer:
            return Response(status_code=204)
        return Response(answer, 200, headers={"ETag": _entity_tag(answer)}, media_type=_FRAGMENT)


async def read_text(request: Request, content_type: str) -> str:
    """Read a small text body without ever holding a large one.

    Args:
        request: The request.
        content_type: The only media type accepted.

    Raises:
        SignallingError: Another media type (415), a body over ``MAX_BODY_BYTES`` (413), one that does not
            come to an end in ``BODY_TIMEOUT_S`` (408), or one that is no UTF-8 (400).
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != content_type:
        raise SignallingError(
            "The body has the wrong media type.", fix=f"Send Content-Type: {content_type}.", status=415
        )
    too_large = SignallingError(
        f"The body is larger than {MAX_BODY_BYTES} bytes.",
        fix="Send a smaller session description.",
        status=413,
    )
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > MAX_BODY_BYTES:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise too_large
        return body.decode()
    except TimeoutError:
        raise SignallingError("The body never came to an end.", fix="Send it at once.", status=408) from None
    except UnicodeDecodeError:
        raise SignallingError("The body is no UTF-8 text.", fix="Send an SDP as text.", status=400) from None


def _entity_tag(text: str) -> str:
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'


def _unknown() -> SignallingError:
    return SignallingError(
        "There is no such resource; perhaps it has ended.", fix="Publish again.", status=404
    )


def _dispatch(handlers: dict[str, _Handler], *, accept_post: str | None = None) -> _Handler:
    """Choose by method. OPTIONS gets no Access-Control header: pages of other origins stay out."""
    headers = {"Allow": ", ".join([*handlers, "OPTIONS"])}
    described = headers if accept_post is None else {**headers, "Accept-Post": accept_post}

    async def dispatch(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=described)
        handler = handlers.get(request.method)
        if handler is None:
            raise HTTPException(405, headers=headers)
        return await handler(request)

    return dispatch
