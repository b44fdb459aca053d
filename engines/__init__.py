"""Models, and how to run them."""

import os

# ONNX Runtime reports to its maker from 1.29 on, unless this is set before it is first imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
