"""A file as packets ready for RTP, read ahead by a bounded amount in worker threads."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av

from clients.publisher.encode import ClipPacket, EncodeSettings, clip_packets
from realtime.errors import MediaError
from realtime.ingest.probe import MediaInfo, open_container, open_media
from realtime.timebase import NS_PER_MS, NS_PER_S
from realtime.types import TrackKind

READ_AHEAD_NS = 2 * NS_PER_S
BATCH_NS = NS_PER_S // 2
KINDS: tuple[TrackKind, ...] = ("audio", "video")


class EncodedClip:
    """Both tracks of a file as packets.

    A file in WebM with VP8 and Opus is only demuxed, so that publishing it is nearly free; anything else is
    transcoded as it is read. Each track reads at most about ``READ_AHEAD_NS`` ahead.

    Args:
        info: The file.
        settings: How pictures are encoded.
        loop: Start again at the end, with timestamps that go on.
    """

    def __init__(self, info: MediaInfo, *, settings: EncodeSettings, loop: bool) -> None:
        self.info = info
        self._executor = ThreadPoolExecutor(max_workers=len(KINDS), thread_name_prefix="clip")
        self._feeds = {
            kind: _ReadAhead(_packets(info, kind, settings, loop=loop), self._executor)
            for kind in KINDS
            if info.index_of(kind) is not None
        }

    @classmethod
    async def open(
        cls, path: Path, *, settings: EncodeSettings | None = None, loop: bool = False
    ) -> EncodedClip:
        """Open a file and read the beginning of its tracks.

        Raises:
            MediaError: It cannot be read, or holds neither audio nor video.
        """
        info = await asyncio.to_thread(open_media, path)
        clip = cls(info, settings=settings or EncodeSettings(), loop=loop)
        try:
            beginnings = await asyncio.gather(*(feed.peek() for feed in clip._feeds.values()))
        except BaseException:
            await clip.aclose()
            raise
        if not any(beginnings):
            await clip.aclose()
            raise MediaError(
                f"Nothing in {path} could be decoded.", fix="Check that the file plays elsewhere."
            )
        return clip

    @property
    def kinds(self) -> tuple[TrackKind, ...]:
        """The tracks that the file has."""
        return tuple(self._feeds)

    async def next(self, kind: TrackKind) -> ClipPacket | None:
        """Return the next packet of a track, None at its end."""
        return await self._feeds[kind].next()

    async def aclose(self) -> None:
        """Stop reading and end the worker threads. Idempotent."""
        await asyncio.gather(*(feed.aclose() for feed in self._feeds.values()))
        self._executor.shutdown()


class _ReadAhead:
    """Packets of one track, fetched in batches by a worker thread before they are needed."""

    def __init__(self, source: Generator[ClipPacket, None, None], executor: ThreadPoolExecutor) -> None:
        self._source = source
        self._executor = executor
        self._ready: deque[ClipPacket] = deque()
        self._filling: asyncio.Task[None] | None = None
        self._exhausted = False
        self._failure: Exception | None = None

    async def peek(self) -> bool:
        """Wait for the first packet; False if there is none."""
        await self._await_packet()
        return bool(self._ready)

    async def next(self) -> ClipPacket | None:
        await self._await_packet()
        if not self._ready:
            return None
        packet = self._ready.popleft()
        if not self._ready or self._ready[-1].time_ns - packet.time_ns < READ_AHEAD_NS - BATCH_NS:
            self._fill()
        return packet

    async def aclose(self) -> None:
        self._exhausted = True
        if self._filling is not None:
            await self._filling
        await asyncio.get_running_loop().run_in_executor(None, self._source.close)

    async def _await_packet(self) -> None:
        while not self._ready and not self._exhausted:
            self._fill()
            if self._filling is not None:
                await asyncio.shield(self._filling)
        if not self._ready and self._failure is not None:
            raise self._failure

    def _fill(self) -> None:
        if self._filling is None and not self._exhausted:
            self._filling = asyncio.create_task(self._fetch())

    async def _fetch(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            batch = await loop.run_in_executor(self._executor, self._read_batch)
        except Exception as error:
            self._exhausted, self._failure = True, error
        else:
            self._ready.extend(batch)
            self._exhausted = self._exhausted or not batch
        finally:
            self._filling = None

    def _read_batch(self) -> list[ClipPacket]:
        batch: list[ClipPacket] = []
        for packet in self._source:
            batch.append(packet)
            if packet.time_ns - batch[0].time_ns >= BATCH_NS:
                break
        return batch


def _packets(
    info: MediaInfo, kind: TrackKind, settings: EncodeSettings, *, loop: bool
) -> Generator[ClipPacket, None, None]:
    if not loop:
        yield from clip_packets(info, kind, settings)
        return
    length_ns = _length_ns(info)
    offset_ns = 0
    while True:
        count = 0
        for packet in clip_packets(info, kind, settings):
            if packet.time_ns < length_ns:
                count += 1
                yield ClipPacket(packet.time_ns + offset_ns, packet.data)
        if count == 0:
            return
        offset_ns += length_ns


def _length_ns(info: MediaInfo) -> int:
    """Find the end of the last packet of either track: both tracks must wrap at the same moment."""
    end_ns = 0
    with open_container(info.path) as container:
        wanted = [s for s in container.streams if s.index in (info.audio_index, info.video_index)]
        try:
            for packet in container.demux(wanted):
                if packet.pts is not None and packet.time_base is not None:
                    until = (packet.pts + (packet.duration or 0)) * packet.time_base
                    end_ns = max(end_ns, int(until * NS_PER_S) - info.start_ns)
        except av.FFmpegError:
            pass
    return max(end_ns, 20 * NS_PER_MS)
