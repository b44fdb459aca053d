"""Scans clips with sets of engines: to record what goes into them, and to compare what comes of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from engines.backends.base import Inputs
from engines.base import Array, Engine
from engines.build.evidence import Evidence, Recorded
from engines.build.report import ClipComparison
from engines.build.sources import Sources
from engines.checkpoint import CheckpointEngines
from engines.loader import EngineSet
from engines.onnxruntime_engine import OnnxRuntimeEngine
from engines.spec import EngineSpec, Role
from realtime.config import MonitorConfig
from realtime.encoders.suite import EncoderSuite, build_encoders
from realtime.errors import MediaError
from realtime.scan import ScanResult, scan_file

KEPT = 48
"""Inputs kept for a role, drawn evenly from all that the clips gave."""

_RECORDING = 1

OnClip = Callable[[str, float], None]
"""Told what is scanned, and the share of it that is done, from 0 to 1."""


class ReferenceScan:
    """One scan of clips by the reference engines, which is done when its results are first asked for.

    Args:
        clips: Files with a face and a voice.
        sources: The reference graphs.
        config: Settings of the pure core.
        on_clip: Told how far it is.
    """

    def __init__(
        self, clips: Sequence[Path], sources: Sources, config: MonitorConfig, on_clip: OnClip
    ) -> None:
        self.clips = tuple(clips)
        self._sources = sources
        self._config = config
        self._on_clip = on_clip

    @property
    def results(self) -> tuple[ScanResult, ...]:
        """What the reference engines say, one result a clip.

        Raises:
            MediaError: If a clip cannot be read.
        """
        return self._scanned[0]

    def evidence(self) -> Evidence:
        """Return a fair sample of what went into each engine.

        Raises:
            MediaError: If a clip cannot be read; also later, when the inputs are first asked for.
        """
        digest = hashlib.sha256(f"{_RECORDING} {KEPT}\n".encode())
        for role, graph in sorted(self._sources.graphs.items()):
            digest.update(f"{role} {hashlib.sha256(graph.graph).hexdigest()}\n".encode())
        for clip in self.clips:
            digest.update(_digest(clip))
        description = f"windows of {', '.join(clip.name for clip in self.clips)}"
        return Evidence(description, digest.hexdigest(), lambda: self._scanned[1])

    @cached_property
    def _scanned(self) -> tuple[tuple[ScanResult, ...], Recorded]:
        recorders = {
            role: _Recorder(OnnxRuntimeEngine(graph.graph, graph.spec))
            for role, graph in self._sources.graphs.items()
        }
        suite = suite_of(recorders, self._sources.checkpoint.context_ticks, self._config)
        try:
            results = scan_clips(self.clips, suite, self._config, self._on_clip)
        finally:
            suite.close()
        return results, {role: tuple(recorder.kept) for role, recorder in recorders.items()}


def suite_of(engines: Mapping[Role, Engine], context_ticks: int, config: MonitorConfig) -> EncoderSuite:
    """Wire the encoders over one engine for each role.

    Args:
        engines: By role, all of them.
        context_ticks: R of the checkpoint behind visual and audio.
        config: Settings of the pure core.
    """
    return build_encoders(
        EngineSet(
            detector=engines[Role.DETECTOR],
            identity=engines[Role.IDENTITY],
            landmarks=engines[Role.LANDMARKS],
            vad=engines[Role.VAD],
            speech=engines[Role.SPEECH],
        ),
        config,
        CheckpointEngines(
            visual=engines[Role.VISUAL], audio=engines[Role.AUDIO], context_ticks=context_ticks
        ),
    )


def scan_clips(
    clips: Sequence[Path], suite: EncoderSuite, config: MonitorConfig, on_clip: OnClip
) -> tuple[ScanResult, ...]:
    """Scan clips one after another.

    Raises:
        MediaError: If a clip cannot be read.
    """
    results = []
    for clip in clips:

        def on_progress(done_s: float, whole_s: float, name: str = clip.name) -> None:
            on_clip(name, done_s / whole_s if whole_s > 0 else 0.0)

        results.append(scan_file(clip, suite, config, on_progress))
    return tuple(results)


def compare_results(reference: ScanResult, found: ScanResult) -> ClipComparison:
    """Compare what two sets of engines say about one clip."""
    changes = [
        abs(ours.score - theirs.score)
        for ours, theirs in zip(found.timeline, reference.timeline, strict=False)
        if ours.score is not None and theirs.score is not None
    ]
    return ClipComparison(
        clip=Path(found.file).name,
        reference_score=reference.score,
        score=found.score,
        reference_verdict=reference.verdict.value,
        verdict=found.verdict.value,
        largest_change=max(changes, default=None),
    )


class _Recorder:
    """An engine that keeps a fair sample of its inputs, one row each (reservoir sampling)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._rng = np.random.default_rng(0)
        self._seen = 0
        self.kept: list[Inputs] = []

    @property
    def spec(self) -> EngineSpec:
        return self._engine.spec

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        free = all(tensor.shape and tensor.shape[0] is None for tensor in self.spec.inputs.values())
        rows = len(next(iter(inputs.values()))) if free else 1
        for row in range(rows):
            self._seen += 1
            slot = len(self.kept) if len(self.kept) < KEPT else int(self._rng.integers(self._seen))
            if slot < KEPT:
                part = slice(row, row + 1) if free else ...
                self.kept[slot : slot + 1] = [{name: array[part].copy() for name, array in inputs.items()}]
        return self._engine.run(inputs)

    def close(self) -> None:
        self._engine.close()


def _digest(clip: Path) -> bytes:
    try:
        with clip.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    except OSError as error:
        raise MediaError(f"{clip} cannot be read: {error.strerror}.", fix="Check the path.") from error
