"""The tamper benchmark: recordings of real people, altered in known ways, with the truth beside each file.

Raises:
    TrainingError: On import, if scipy is not installed.
"""

import importlib.util

from training.errors import TrainingError

if importlib.util.find_spec("scipy") is None:
    raise TrainingError("Tampering needs scipy.", fix="Run pip install 'seamwatch[training]'.")
