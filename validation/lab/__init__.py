"""Laboratory: figures of models, methods and machines."""

import os

# ONNX Runtime's telemetry, which this must switch off before the library is loaded.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
