"""Tests that need an NVIDIA GPU skip, with the reason, where there is none."""

import pytest

from engines.backends.base import MissingBackendError
from engines.backends.registry import get_backend


def require_backend(name):
    """Return a backend; skip where its library or the GPU is missing."""
    backend = get_backend(name)
    try:
        backend.require()
    except MissingBackendError as error:
        pytest.skip(str(error))
    return backend
