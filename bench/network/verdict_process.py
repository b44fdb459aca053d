"""Receives one participant over WHIP and judges it when the call is over, however slow the machine is.

    python -m bench.network.verdict_process 10.77.0.2 8080

Says "up" when it listens. At the end of its standard input it analyses what it received, by the pipeline that
runs live, and prints the verdict as JSON.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from dataclasses import asdict, dataclass

from bench.network.verdicts import LiveVerdict
from bench.network.whip_endpoint import serve_until_input_ends
from realtime.config import MonitorConfig
from realtime.encoders.suite import load_encoders
from realtime.ingest.sink import EndReason, MediaItem, PendingPicture, TrackState
from realtime.ingest.webrtc import WebRtcReceiver
from realtime.judge import WindowResult
from realtime.observe.logging import configure_logging
from realtime.pipeline import ParticipantPipeline
from realtime.scoring.verdict import clip_verdict
from realtime.timebase import NS_PER_MS
from realtime.types import AudioFrame, MediaGap, TrackKind


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """From here on, what may be left of a misalignment of sound and picture, in ns."""

    value_ns: int


class Recorder:
    """A ``MediaSink`` that keeps everything, for a call of some seconds.

    Attributes:
        kept: In the order in which it came.
    """

    def __init__(self) -> None:
        self.kept: list[MediaItem | Uncertainty] = []
        self.receiver = WebRtcReceiver(self, clock_ns=time.monotonic_ns)

    def on_audio(self, frame: AudioFrame) -> None:
        """Keep a block of audio."""
        self.kept.append(frame)

    def on_picture(self, picture: PendingPicture) -> None:
        """Keep a picture, and how sure its place is."""
        uncertainty_ms = self.receiver.reception().uncertainty_ms
        self.kept += [Uncertainty(round(uncertainty_ms * NS_PER_MS)), picture]

    def on_gap(self, gap: MediaGap) -> None:
        """Keep a gap."""
        self.kept.append(gap)

    def on_track(self, kind: TrackKind, state: TrackState) -> None:
        """Pass over it."""

    def on_end(self, reason: EndReason) -> None:
        """Pass over it."""

    def verdict(self) -> LiveVerdict:
        """Analyse what was kept."""
        config = MonitorConfig()
        pipeline = ParticipantPipeline(load_encoders(config), config)
        results: list[WindowResult] = []
        for item in self.kept:
            if isinstance(item, Uncertainty):
                pipeline.set_sync_uncertainty(item.value_ns)
            elif isinstance(item, AudioFrame):
                results += pipeline.push_audio([item])
            elif isinstance(item, PendingPicture):
                results += pipeline.push_video([item.resolve()])
            else:
                results += pipeline.push_gap(item)
        results += pipeline.flush()
        alerts = [result.alert for result in results if result.alert is not None]
        margins = [result.score.margin for result in results if result.score.margin is not None]
        verdict, reasons = clip_verdict([result.score for result in results], alerts)
        return LiveVerdict(
            verdict=str(verdict),
            reasons=reasons,
            scores=len(results),
            margin=margins[-1] if margins else None,
        )


async def receive(host: str, port: int) -> Recorder:
    """Receive until the standard input ends."""
    recorder = Recorder()
    await serve_until_input_ends(recorder.receiver, host, port)
    await recorder.receiver.close()
    return recorder


if __name__ == "__main__":
    configure_logging(level=logging.WARNING)
    received = asyncio.run(receive(sys.argv[1], int(sys.argv[2])))
    print(json.dumps(asdict(received.verdict())), flush=True)
