"""Errors as ``application/problem+json`` (RFC 9457), each with a ``fix``."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from realtime.errors import AlertStoreError, CapacityError, SeamwatchError, SignallingError

_RETRY_AFTER_S = "5"

_FIXES = {
    404: "Check the address; docs/wire-protocol.md lists what there is.",
    405: "Use one of the methods that the Allow header names.",
}


def problem(
    status: int, detail: str, *, fix: str, headers: Mapping[str, str] | None = None, title: str | None = None
) -> Response:
    """Return a problem response.

    Args:
        status: HTTP status.
        detail: What is wrong, in words.
        fix: What the client can do about it.
        headers: Further headers.
        title: Short name of the problem; the status's phrase by default.
    """
    body = {
        "type": "about:blank",
        "title": title or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "fix": fix,
    }
    return JSONResponse(body, status, headers=headers, media_type="application/problem+json")


def problem_of(error: SeamwatchError) -> Response:
    """Return the response that tells a client about an error."""
    match error:
        case SignallingError():
            headers = {"Allow": "DELETE, OPTIONS"} if error.status == 405 else None
            return problem(error.status, error.message, fix=error.fix, headers=headers)
        case CapacityError():
            return problem(503, error.message, fix=error.fix, headers={"Retry-After": _RETRY_AFTER_S})
        case AlertStoreError():
            return problem(503, "The alert store fails.", fix="Ask the operator to read the monitor's log.")
        case _:
            return problem(500, error.message, fix=error.fix)


async def http_exception(_request: Request, error: Exception) -> Response:
    """Answer what the router refuses (exception handler for ``HTTPException``)."""
    assert isinstance(error, HTTPException)
    return problem(
        error.status_code,
        error.detail,
        fix=_FIXES.get(error.status_code, "Correct the request."),
        headers=error.headers,
    )


async def seamwatch_error(_request: Request, error: Exception) -> Response:
    """Answer an error raised on purpose (exception handler for ``SeamwatchError``)."""
    assert isinstance(error, SeamwatchError)
    return problem_of(error)
