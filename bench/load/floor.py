"""The floor: decoding a call's pictures and converting them to RGB, and nothing else, in one thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import av

from bench.load.schedule import Schedule
from bench.load.streams import Codec, StreamLibrary
from realtime.ingest.decoder import open_codec
from realtime.timebase import FRAME_RATE_HZ, NS_PER_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorCost:
    """CPU time in ms per participant-second.

    Attributes:
        decoding_ms: From encoded to planar pictures, as the monitor's decoders are opened.
        colour_ms: From planar pictures to RGB arrays, as PyAV does it.
    """

    decoding_ms: float
    colour_ms: float

    @property
    def total_ms(self) -> float:
        """Both."""
        return self.decoding_ms + self.colour_ms


def measure_floor(
    library: StreamLibrary,
    schedule: Schedule,
    codec: Codec,
    seconds: int,
    *,
    cpu_ns: Callable[[], int] = time.thread_time_ns,
) -> FloorCost:
    """Decode a call as fast as it goes, picture by picture in turn, as its participants send them.

    Args:
        library: The streams.
        schedule: Who sends what.
        codec: Of the pictures.
        seconds: How much of the call.
        cpu_ns: CPU time of this thread.
    """
    decoders = [open_codec(codec) for _ in range(schedule.participants)]
    decoding_ns = colour_ns = 0
    for second in range(seconds):
        cuts = [schedule.second(participant, second).video for participant in range(schedule.participants)]
        pictures = [library.pictures(cut) for cut in cuts]
        for index in range(FRAME_RATE_HZ):
            for decoder, packets in zip(decoders, pictures, strict=True):
                packet = av.Packet(packets[index])
                before_ns = cpu_ns()
                frames = decoder.decode(packet)
                decoded_ns = cpu_ns()
                for frame in frames:
                    if isinstance(frame, av.VideoFrame):
                        frame.to_ndarray(format="rgb24")
                decoding_ns += decoded_ns - before_ns
                colour_ns += cpu_ns() - decoded_ns
    participant_s = schedule.participants * seconds
    return FloorCost(
        decoding_ms=decoding_ns / NS_PER_MS / participant_s, colour_ms=colour_ns / NS_PER_MS / participant_s
    )
