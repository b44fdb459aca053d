"""Publishing a file to a WHIP endpoint (RFC 9725)."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from clients.publisher.encode import EncodeSettings
from clients.publisher.packets import EncodedClip
from clients.publisher.peer import PublisherPeer, PublishReport, VideoCodec
from clients.publisher.tracks import PacketSource
from realtime.errors import SignallingError

__all__ = ["PublishReport", "WhipPublisher", "publish_file"]

REQUEST_TIMEOUT_S = 15.0

_REFUSALS: dict[int, tuple[str, str]] = {
    401: ("The monitor wants a token.", "Pass the token that the monitor was started with."),
    403: ("The monitor refuses this token.", "Pass the token that the monitor was started with."),
    404: ("There is no WHIP endpoint at this URL.", "Use http://HOST:PORT/whip/CALL/PARTICIPANT."),
    405: ("There is no WHIP endpoint at this URL.", "Use http://HOST:PORT/whip/CALL/PARTICIPANT."),
    406: ("The monitor accepts none of the offered codecs.", "Use a monitor that receives VP8 and Opus."),
    413: ("The monitor finds the offer too large.", "Publish from a machine with fewer network addresses."),
    503: (
        "The monitor takes no more participants.",
        "End another participant, or raise the monitor's limit.",
    ),
}


class WhipPublisher:
    """One session with a WHIP endpoint; an async context manager that ends it.

    Args:
        url: The endpoint.
        token: Bearer token, None where the endpoint wants none.
        transport: Replaces the network, for tests.
    """

    def __init__(
        self, url: str, *, token: str | None = None, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._url = url
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._client = httpx.AsyncClient(
            headers=headers, timeout=REQUEST_TIMEOUT_S, transport=transport, trust_env=False
        )
        self._clip: PacketSource | None = None
        self._peer: PublisherPeer | None = None
        self._resource: httpx.URL | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(
        self, path: str | Path, *, loop: bool = False, width: int | None = None, height: int | None = None
    ) -> None:
        """Offer a file's tracks; sending begins as soon as the connection stands.

        Args:
            path: The file.
            loop: Start again at its end.
            width: Width in px that pictures are scaled to; None keeps the file's.
            height: Height in px.

        Raises:
            MediaError: The file cannot be read.
            SignallingError: The endpoint does not answer or refuses; ``status`` says how (503: no answer).
        """
        settings = EncodeSettings(width=width, height=height)
        await self.send(await EncodedClip.open(Path(path), settings=settings, loop=loop))

    async def send(self, clip: PacketSource, *, video_codec: VideoCodec = "vp8") -> None:
        """Offer the tracks of a source that is encoded already, and own it.

        Args:
            clip: Closed by ``stop``.
            video_codec: Codec of its pictures.

        Raises:
            SignallingError: As ``start``.
        """
        self._clip = clip
        self._peer = PublisherPeer(clip, video_codec=video_codec)
        response = await self._post(await self._peer.offer())
        location = response.headers.get("Location")
        if location:
            self._resource = response.url.join(location)
        await self._peer.accept_answer(response.text)

    async def wait(self) -> PublishReport:
        """Wait until the file is over.

        Raises:
            SignallingError: The connection was lost, or the other side ended it.
        """
        return await self._publishing().wait()

    def report(self) -> PublishReport:
        """Return what was sent so far.

        Raises:
            SignallingError: Nothing was started.
        """
        return self._publishing().report()

    async def stop(self) -> None:
        """End the session at the endpoint, then the connection and the reading. Idempotent."""
        try:
            if self._resource is not None:
                resource, self._resource = self._resource, None
                await self._client.delete(resource)
        except httpx.HTTPError:
            pass
        finally:
            if self._peer is not None:
                await self._peer.close()
            if self._clip is not None:
                await self._clip.aclose()
            await self._client.aclose()

    def _publishing(self) -> PublisherPeer:
        if self._peer is None:
            raise SignallingError("Nothing is being published.", fix="Start first.", status=400)
        return self._peer

    async def _post(self, offer: str) -> httpx.Response:
        try:
            response = await self._client.post(
                self._url, content=offer, headers={"Content-Type": "application/sdp"}
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SignallingError(
                f"{self._url} does not answer.", fix="Start the monitor, or correct the URL.", status=503
            ) from error
        if response.status_code == 201:
            return response
        message, fix = _REFUSALS.get(
            response.status_code,
            (f"The endpoint answered {response.status_code}.", "See the monitor's log for the reason."),
        )
        raise SignallingError(message, fix=fix, status=response.status_code)


async def publish_file(
    url: str,
    path: str | Path,
    *,
    loop: bool = False,
    token: str | None = None,
    width: int | None = None,
    height: int | None = None,
) -> PublishReport:
    """Publish a file at real time, until it ends.

    Raises:
        MediaError: The file cannot be read.
        SignallingError: The endpoint does not answer or refuses, or the connection was lost.
    """
    async with WhipPublisher(url, token=token) as publisher:
        await publisher.start(path, loop=loop, width=width, height=height)
        return await publisher.wait()
