"""A download that cannot hang: every wait has a deadline, name resolution included."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import httpx

ANSWER_WITHIN_S = 5.0
TRANSFER_WITHIN_S = 600.0

Progress = Callable[[int], None]
"""Called with the number of bytes received so far."""


class SourceUnavailableError(Exception):
    """A source cannot deliver. It never reaches the user as it is; the store collects the reasons.

    Args:
        reason: Why, in words a user understands.
        silent: Whether the source did not answer at all.
    """

    def __init__(self, reason: str, *, silent: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.silent = silent


def download(
    url: str,
    limit_bytes: int,
    progress: Progress,
    *,
    answer_within_s: float = ANSWER_WITHIN_S,
    transfer_within_s: float = TRANSFER_WITHIN_S,
) -> bytes:
    """Download a file into memory.

    Args:
        url: Where it is; redirections are followed.
        limit_bytes: Longest content that is accepted.
        progress: Called from this thread as bytes arrive.
        answer_within_s: Longest wait for the first byte, counted from the call, and between two later ones.
        transfer_within_s: Longest time for the whole file.

    Returns:
        The content.

    Raises:
        SourceUnavailableError: If it cannot be had in that time, or is longer than the limit.
    """
    transfer = _Transfer(url, limit_bytes)
    transfer.start()
    ends_at = time.monotonic() + transfer_within_s
    received = 0
    try:
        while not transfer.finished.is_set():
            if not transfer.wait_beyond(received, answer_within_s):
                reason = "stopped sending" if received else "did not answer"
                raise SourceUnavailableError(f"{reason} within {answer_within_s:g} s", silent=True)
            received = transfer.received
            progress(received)
            if time.monotonic() > ends_at:
                raise SourceUnavailableError(f"took longer than {transfer_within_s:g} s")
    finally:
        transfer.abandoned.set()
    if transfer.failure is not None:
        raise transfer.failure
    return transfer.content()


class _Transfer(threading.Thread):
    """Runs one request; a daemon thread, because a resolver that hangs can be abandoned but not stopped."""

    def __init__(self, url: str, limit_bytes: int) -> None:
        super().__init__(name="seamwatch-download", daemon=True)
        self._url = url
        self._limit_bytes = limit_bytes
        self._chunks: list[bytes] = []
        self._moved = threading.Condition()
        self.received = 0
        self.failure: SourceUnavailableError | None = None
        self.finished = threading.Event()
        self.abandoned = threading.Event()

    def wait_beyond(self, received: int, timeout_s: float) -> bool:
        """Wait for more than ``received`` bytes or the end; say whether either came."""
        with self._moved:
            return self._moved.wait_for(
                lambda: self.received > received or self.finished.is_set(), timeout=timeout_s
            )

    def content(self) -> bytes:
        """Return what was received, once the transfer is over."""
        return b"".join(self._chunks)

    def run(self) -> None:
        """Receive the body chunk by chunk."""
        try:
            self._receive()
        except SourceUnavailableError as error:
            self.failure = error
        except httpx.TimeoutException:
            self.failure = SourceUnavailableError("did not answer in time", silent=True)
        except httpx.HTTPStatusError as error:
            self.failure = SourceUnavailableError(f"answered {error.response.status_code}")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            self.failure = SourceUnavailableError(str(error) or type(error).__name__, silent=True)
        finally:
            with self._moved:
                self.finished.set()
                self._moved.notify_all()

    def _receive(self) -> None:
        with httpx.stream("GET", self._url, follow_redirects=True, timeout=ANSWER_WITHIN_S) as response:
            response.raise_for_status()
            for chunk in response.iter_bytes():
                if self.abandoned.is_set():
                    return
                if self.received + len(chunk) > self._limit_bytes:
                    raise SourceUnavailableError("sent more than the pinned file holds")
                self._chunks.append(chunk)
                with self._moved:
                    self.received += len(chunk)
                    self._moved.notify_all()
