"""The encoders as one would run them without thinking: graphs as they ship, ONNX Runtime as it comes.

All cores for every run, threads that spin while they wait, one face a call. How often each encoder runs, and
what the speech encoder and the trained encoders compute, is the same as in the monitor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime as untyped_onnxruntime

from engines.base import Array
from engines.checkpoint import DEFAULT_CHECKPOINT, checkpoint_graphs
from engines.reference import pinned_graph
from engines.spec import Role
from engines.store.catalogue import by_role
from engines.store.store import ModelStore
from engines.tflite_import import convert

# The package exports its classes without annotations.
onnxruntime: Any = untyped_onnxruntime

Run = Callable[[Mapping[str, Array]], None]
_DETECTOR_SIDE_PX = 640


def naive_runs(store: ModelStore) -> dict[Role, Run]:
    """Return what runs each role once on the inputs of the monitor's engine.

    Args:
        store: Where the models lie.

    Raises:
        ModelStoreError: If a model is missing or damaged.
        EngineError: If a model cannot be read.
    """

    def shipped(role: Role) -> bytes:
        return store.path(by_role(role).name).read_bytes()

    landmarks = _session(_landmark_graph(shipped(Role.LANDMARKS)))
    identity = _session(shipped(Role.IDENTITY))
    detector = _session(shipped(Role.DETECTOR))
    trained = checkpoint_graphs(DEFAULT_CHECKPOINT, 1)
    # The graph ships with this size; a picture is put into it.
    picture = np.zeros((1, 3, _DETECTOR_SIDE_PX, _DETECTOR_SIDE_PX), np.float32)

    def run_detector(_inputs: Mapping[str, Array]) -> None:
        _run(detector, {detector.get_inputs()[0].name: picture})

    def run_identity(inputs: Mapping[str, Array]) -> None:
        _one_by_one(identity, inputs["faces"])

    def run_landmarks(inputs: Mapping[str, Array]) -> None:
        _one_by_one(landmarks, np.ascontiguousarray(inputs["faces"].transpose(0, 3, 1, 2)))

    return {
        Role.DETECTOR: run_detector,
        Role.IDENTITY: run_identity,
        Role.LANDMARKS: run_landmarks,
        Role.VAD: _plain(shipped(Role.VAD)),
        Role.SPEECH: _plain(pinned_graph(store, Role.SPEECH, 1).graph),
        Role.VISUAL: _plain(trained.visual.graph),
        Role.AUDIO: _plain(trained.audio.graph),
    }


def _landmark_graph(source: bytes) -> bytes:
    """Return the model as ONNX, which ONNX Runtime needs, with nothing improved."""
    model: onnx.ModelProto = convert(source)
    return bytes(model.SerializeToString())


def _session(graph: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _plain(graph: bytes) -> Run:
    session = _session(graph)
    return lambda inputs: _run(session, inputs)


def _one_by_one(session: Any, batch: Array) -> None:
    (name,) = (argument.name for argument in session.get_inputs())
    for row in range(len(batch)):
        _run(session, {name: batch[row : row + 1]})


def _run(session: Any, inputs: Mapping[str, Array]) -> None:
    session.run(None, dict(inputs))
