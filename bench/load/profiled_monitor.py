"""``seamwatch serve`` that tells where its CPU time goes.

    python -m bench.load.profiled_monitor serve --port 0

Answers every line of its standard input with a line of JSON: CPU time of the process, of its threads by name,
and of the stages.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.load.stages import StageClock, Target, time_targets

EVENT_LOOP = "MainThread"
"""Name of the thread with the event loop."""
NATIVE = "native"
"""Threads that Python does not know."""
OWN = "profile"
"""The thread that answers; it is no part of a monitor."""


def _media_stage(args: tuple[Any, ...]) -> str:
    return "audio decoding" if args[1] == "opus" else "video decoding"


def _engine_stage(args: tuple[Any, ...]) -> str:
    return f"engine {args[0].spec.role.value}"


TARGETS = (
    Target(path="pylibsrtp:Session.unprotect", stage="SRTP"),
    Target(path="pylibsrtp:Session.unprotect_rtcp", stage="SRTP"),
    Target(path="pylibsrtp:Session.protect_rtcp", stage="SRTP"),
    Target(path="aiortc.rtp:RtpPacket.parse", stage="RTP"),
    Target(path="realtime.ingest.rtp.track:TrackReceiver.on_packet", stage="RTP"),
    Target(path="realtime.ingest.decoder:TrackDecoder._decode", stage=_media_stage),
    Target(path="realtime.ingest.rtp.bundle:Bundler.put", stage="timeline and resampling"),
    Target(path="realtime.ingest.live:LiveTrack.on_frame", stage="timeline and resampling"),
    Target(path="realtime.ingest.sink:PendingPicture.resolve", stage="colour conversion"),
    Target(path="engines.onnxruntime_engine:OnnxRuntimeEngine.run", stage=_engine_stage),
    Target(path="realtime.faces.detector:FaceDetector.detect", stage="detector, without its engine"),
    Target(path="realtime.faces.mesh:FaceMesh.locate", stage="landmarks, without their engine"),
    Target(path="realtime.faces.analyzer:FaceAnalyzer.push", stage="faces: crops, tracks, lips"),
    Target(
        path="realtime.encoders.identity:PooledIdentityEncoder.embed", stage="identity, without its engine"
    ),
    Target(path="realtime.encoders.speech:SpeechDetector._run", stage="speech activity, without its engine"),
    Target(path="realtime.encoders.trained:TrainedVisualEncoder.encode", stage="lips, without their engine"),
    Target(path="realtime.encoders.trained:TrainedAudioEncoder.encode", stage="voice, without its engines"),
    Target(path="realtime.windows.cutter:WindowCutter._window", stage="windows"),
    Target(path="realtime.judge:Judge.take", stage="similarity and scoring"),
    Target(path="realtime.session:ParticipantSession._analyse", stage="pipeline, the rest"),
    Target(path="realtime.messages:Narrator.score", stage="messages"),
    Target(path="realtime.server.hub:EventHub.publish_score", stage="messages"),
)


def thread_cpu_s(names: dict[int, str]) -> dict[str, float]:
    """Return the CPU time of this process's threads, added up by name.

    Args:
        names: By native id.
    """
    spent: dict[str, float] = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            nanoseconds = int((task / "schedstat").read_text().split()[0])
        except OSError:
            continue
        name = names.get(int(task.name), NATIVE)
        spent[name] = spent.get(name, 0.0) + nanoseconds / 1e9
    return spent


def answer(clock: StageClock, missing: Iterable[str]) -> str:
    """Return one line of JSON."""
    names = {thread.native_id or 0: thread.name for thread in threading.enumerate()}
    return json.dumps(
        {
            "process_s": time.process_time(),
            "threads_s": thread_cpu_s(names),
            "stages_s": [[*key, spent_ns / 1e9] for key, spent_ns in clock.spent_ns().items()],
            "missing": list(missing),
        }
    )


def _answer_lines(clock: StageClock, missing: tuple[str, ...]) -> None:
    for _ in sys.stdin:
        print(answer(clock, missing), flush=True)


def main() -> None:
    """Time the stages and serve."""
    from clients.cli.main import main as command  # noqa: PLC0415 - after the functions were replaced

    clock = StageClock()
    missing = time_targets(clock, TARGETS)
    threading.Thread(target=_answer_lines, args=(clock, missing), name=OWN, daemon=True).start()
    command(prog_name="seamwatch")


if __name__ == "__main__":
    main()
