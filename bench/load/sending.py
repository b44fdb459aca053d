"""A participant of a measured call: packets by schedule, without end, out of memory."""

from __future__ import annotations

from itertools import count, starmap

from bench.load.schedule import Schedule
from bench.load.streams import OPUS_PACKETS_PER_S, StreamLibrary
from clients.publisher.encode import ClipPacket
from realtime.timebase import FRAME_RATE_HZ, NS_PER_S
from realtime.types import TrackKind


class ScheduledPackets:
    """Implements ``clients.publisher.tracks.PacketSource``.

    Args:
        library: The streams.
        schedule: The call.
        participant: Which one.
    """

    def __init__(self, library: StreamLibrary, schedule: Schedule, participant: int) -> None:
        self._library = library
        self._schedule = schedule
        self._participant = participant
        self._packets = {
            "video": starmap(self._packet, ((index, "video", FRAME_RATE_HZ) for index in count())),
            "audio": starmap(self._packet, ((index, "audio", OPUS_PACKETS_PER_S) for index in count())),
        }

    @property
    def kinds(self) -> tuple[TrackKind, ...]:
        """Both."""
        return ("audio", "video")

    async def next(self, kind: TrackKind) -> ClipPacket | None:
        """Return the next packet of a track."""
        return next(self._packets[kind])

    async def aclose(self) -> None:
        """Do nothing: there is nothing to close."""

    def _packet(self, index: int, kind: TrackKind, packets_per_s: int) -> ClipPacket:
        second, rest = divmod(index, packets_per_s)
        due = self._schedule.second(self._participant, second)
        packets = self._library.pictures(due.video) if kind == "video" else self._library.sound(due.audio)
        return ClipPacket(index * NS_PER_S // packets_per_s, packets[rest])
