"""A model file as a function of images, for measurements in Python."""

from pathlib import Path

import numpy as np
import onnxruntime

from artir_train.model_file import read_card


class Restorer:
    """A model in ONNX Runtime, with artir's operators if a library is named."""

    def __init__(self, model: Path, library: Path | None, precision: str = "f32"):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.add_session_config_entry("artir.precision", precision)
        if library:
            options.register_custom_ops_library(str(library))
        self.session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
        self.card, _ = read_card(model)

    def __call__(self, image: np.ndarray, strength: float = 1.0) -> np.ndarray:
        """Restores [H, W] or [H, W, 3] in the card's unit; a strength under 1 applies that share of
        the change."""
        (lo, hi), (low, high) = (self.card["input"][k] for k in ("range", "network_range"))
        gain = (high - low) / (hi - lo)
        planes = np.atleast_3d(image).transpose(2, 0, 1)[None]
        x = (low + (planes.clip(lo, hi) - lo) * gain).astype(np.float32)
        height, width = x.shape[-2:]
        around = ((0, 0), (0, 0), (0, -height % 4), (0, -width % 4))
        padded = np.pad(x, around, "reflect")
        (y,) = self.session.run(None, {"image": padded})
        change = (y[..., :height, :width] - x) / gain
        return (planes + strength * change)[0].transpose(1, 2, 0).reshape(image.shape)
