"""WHIP signalling (RFC 9725): a participant publishes with one POST and leaves with one DELETE."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from realtime.errors import SignallingError
from realtime.server.body import read_text
from realtime.server.ports import NAME_RULE, MonitorPort, is_name

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
