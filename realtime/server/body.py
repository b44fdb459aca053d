"""Reading the small text bodies of requests."""

from __future__ import annotations

import asyncio

from starlette.requests import Request

from realtime.errors import SignallingError

MAX_BODY_BYTES = 64 * 1024
BODY_TIMEOUT_S = 10.0


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
        f"The body is larger than {MAX_BODY_BYTES} bytes.", fix="Send a smaller body.", status=413
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
        raise SignallingError("The body is no UTF-8 text.", fix="Send UTF-8 text.", status=400) from None
