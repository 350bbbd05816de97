"""Training, counting and export of the ArtIR image restoration network.

``card``, ``config``, ``count``, ``lpips_network``, ``macs``, ``model_file`` and ``onnx_ops`` work
without PyTorch.
"""

import os

# ONNX Runtime's telemetry, which this must switch off before the library is loaded.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
