"""The webhook: a signed POST for each alert."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from realtime.delivery.dead_letters import DeadLetterFile
from realtime.delivery.outlet import Attempt, Destination, Render, as_on_the_wire
from realtime.delivery.retry import Outcome, asked_delay_s, outcome_of_status
from realtime.delivery.signature import signed_headers
from realtime.errors import ConfigurationError
from realtime.server.alerts_socket import server_name
from realtime.server.auth import is_loopback
from realtime.server.wire import AlertMessage

log = structlog.get_logger(__name__)

ATTEMPT_TIMEOUT_S = 15.0

_HOST = re.compile(rb"[0-9A-Za-z.:_-]+")
_NAME_CHARACTERS = 32
_FILE_NAME_CHARACTERS = 8


def webhook_url(text: str) -> httpx.URL:
    """Read the address of a webhook. It may hold a secret, so no message quotes it.

    Raises:
        ConfigurationError: It is no address, or one that would send alerts in the clear over a network.
    """
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError) as error:
        raise _unusable("The address of the webhook cannot be read.") from error
    if url.scheme not in {"http", "https"} or not _HOST.fullmatch(url.raw_host) or url.port == 0:
        raise _unusable("The address of the webhook is not one of HTTP.")
    if url.fragment:
        raise _unusable("The address of the webhook has a fragment (#), which is never sent.")
    if url.scheme == "http" and not is_loopback(url.host):
        raise _unusable("The webhook would get alerts unencrypted.")
    return url


def webhook_destination(
    url: httpx.URL,
    keys: Sequence[Ed25519PrivateKey],
    *,
    store_path: Path,
    render: Render = as_on_the_wire,
) -> Destination:
    """Return the destination that delivers every alert to a webhook, also over restarts.

    Args:
        url: From ``webhook_url``.
        keys: Sign every request.
        store_path: The alert store. What cannot be delivered goes to a file beside it.
        render: The shape of the bodies.
    """
    name = hashlib.sha256(str(url).encode()).hexdigest()[:_NAME_CHARACTERS]
    beside = f"{store_path.stem}.webhook-{name[:_FILE_NAME_CHARACTERS]}.dead-letters.jsonl"
    return Destination(
        kind="webhook",
        open_outlet=lambda: open_webhook(url, keys, render=render),
        bookmark=f"webhook:{name}",
        dead_letters=DeadLetterFile(store_path.with_name(beside)),
    )


class WebhookOutlet:
    """Posts alerts to one address. Redirects are not followed; bodies of answers are not read.

    Args:
        client: Must follow no redirects.
        url: Where alerts go.
        keys: Sign every request.
        timeout_s: How long one attempt may take altogether.
        render: The shape of the bodies.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        url: httpx.URL,
        keys: Sequence[Ed25519PrivateKey],
        *,
        timeout_s: float,
        render: Render = as_on_the_wire,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._url = url
        self._keys = keys
        self._clock = clock
        self._render = render
        self._timeout_s = timeout_s

    async def attempt(self, alert: AlertMessage, message_id: str) -> Attempt:
        """Post an alert, signed for now."""
        body = self._render(alert).encode()
        now_s = self._clock()
        headers = signed_headers(self._keys, message_id=message_id, timestamp_s=int(now_s), body=body)
        headers["content-type"] = "application/json"
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._client.stream("POST", self._url, content=body, headers=headers) as response,
            ):
                status, retry_after = response.status_code, response.headers.get("retry-after")
        except TimeoutError:
            return Attempt(outcome=Outcome.FAILED, fault="timeout")
        except (httpx.HTTPError, OSError) as error:
            return Attempt(outcome=Outcome.FAILED, fault=type(error).__name__)
        except Exception as error:
            log.exception("webhook_attempt_failed")
            return Attempt(outcome=Outcome.FAILED, fault=type(error).__name__)
        outcome = outcome_of_status(status)
        return Attempt(
            outcome=outcome,
            fault="" if outcome is Outcome.DELIVERED else f"status {status}",
            asked_s=asked_delay_s(retry_after, now_s=self._clock()),
        )


@asynccontextmanager
async def open_webhook(
    url: httpx.URL,
    keys: Sequence[Ed25519PrivateKey],
    *,
    timeout_s: float = ATTEMPT_TIMEOUT_S,
    render: Render = as_on_the_wire,
) -> AsyncIterator[WebhookOutlet]:
    """Open the way to a webhook. Proxies of the environment are used, but not to reach this machine.

    Args:
        url: From ``webhook_url``.
        keys: Sign every request.
        timeout_s: How long one attempt may take altogether.
        render: The shape of the bodies.
    """
    async with httpx.AsyncClient(
        follow_redirects=False,
        timeout=timeout_s,
        limits=httpx.Limits(max_connections=1),
        trust_env=not is_loopback(url.host),
        headers={"user-agent": server_name()},
    ) as client:
        yield WebhookOutlet(client, url, keys, timeout_s=timeout_s, render=render)


def _unusable(message: str) -> ConfigurationError:
    return ConfigurationError(
        message, fix="Give https://HOST/PATH; http:// only with a loopback address such as 127.0.0.1."
    )
