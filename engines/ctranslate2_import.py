"""Reads the weights out of a CTranslate2 model file, version 6 of its container."""

from __future__ import annotations

import struct
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engines.errors import EngineError

Float32 = npt.NDArray[np.float32]

_VERSION: Final = 6
_DTYPES: Final[dict[int, np.dtype[Any]]] = {
    0: np.dtype("<f4"),
    1: np.dtype("i1"),
    2: np.dtype("<i2"),
    3: np.dtype("<i4"),
    4: np.dtype("<f2"),
}


def read_weights(source: bytes) -> dict[str, Float32]:
    """Return all floating-point weights of a model by name.

    The container is little endian: version, name of the model's kind, its revision, the number of variables,
    and for each one name, rank, shape, type code, length in bytes, values. Names carry their length and end
    in a zero byte.

    Args:
        source: The file's content.

    Returns:
        float32 arrays.

    Raises:
        EngineError: If the file is not such a model, or ends too early.
    """
    reader = _Reader(source)
    try:
        reader.expect(_VERSION)
        reader.name()
        reader.number("I")
        weights = {}
        for _ in range(reader.number("I")):
            name = reader.name()
            shape = [reader.number("I") for _ in range(reader.number("B"))]
            dtype = _DTYPES[reader.number("B")]
            values = np.frombuffer(reader.take(reader.number("I")), dtype).reshape(shape)
            if dtype.kind == "f":
                weights[name] = values.astype(np.float32)
    except (ValueError, KeyError, struct.error) as error:
        raise EngineError(
            "The model file is not a CTranslate2 model of version 6.", fix="Use the original model file."
        ) from error
    return weights


class _Reader:
    def __init__(self, source: bytes) -> None:
        self._source = memoryview(source)
        self._position = 0

    def take(self, length: int) -> memoryview:
        """Return the next bytes; ValueError where they are missing."""
        end = self._position + length
        if end > len(self._source):
            raise ValueError
        part = self._source[self._position : end]
        self._position = end
        return part

    def number(self, code: str) -> int:
        """Return the next unsigned number of a struct format."""
        (value,) = struct.unpack(f"<{code}", self.take(struct.calcsize(code)))
        return int(value)

    def expect(self, wanted: int) -> None:
        """Read the next 32-bit number; ValueError where it is another."""
        if self.number("I") != wanted:
            raise ValueError

    def name(self) -> str:
        """Return the next name."""
        return bytes(self.take(self.number("H"))).rstrip(b"\0").decode()
