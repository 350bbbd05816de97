"""A model file as a function of images, for measurements in Python."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime

from artir_train.model_file import read_card

Run = Callable[[np.ndarray], np.ndarray]
"""A network: [1, channels, rows, columns] in and out, network values."""


class Restorer:
    """A model with its card's units and strength, computed by any runtime."""

    def __init__(self, model: Path, run: Run):
        self.card, _ = read_card(model)
        self.run = run

    @classmethod
    def onnx(cls, model: Path, library: Path | None, precision: str = "f32") -> "Restorer":
        """In ONNX Runtime, with artir's operators if a library is named."""
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.add_session_config_entry("artir.precision", precision)
        if library:
            options.register_custom_ops_library(str(library))
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return cls(model, lambda image: session.run(None, {"image": image})[0])

    def values(self, image: np.ndarray) -> np.ndarray:
        """An image [H, W] or [H, W, 3] in the card's unit as network values [1, channels, H, W]. A
        model of neighbouring slices is given a single slice several times."""
        (lo, hi), (low, _) = (self.card["input"][k] for k in ("range", "network_range"))
        planes = np.atleast_3d(image).transpose(2, 0, 1)[None]
        if image.ndim == 2:
            planes = np.repeat(planes, self.card["input"].get("slices", 1), axis=1)
        return (low + (planes.clip(lo, hi) - lo) * self._gain()).astype(np.float32)

    def _gain(self) -> float:
        """Network values by the card's unit."""
        (lo, hi), (low, high) = (self.card["input"][k] for k in ("range", "network_range"))
        return (high - low) / (hi - lo)

    def __call__(self, image: np.ndarray, strength: float = 1.0) -> np.ndarray:
        """Restores [H, W] or [H, W, 3] in the card's unit; a strength under 1 applies that share of
        the change."""
        x = self.values(image)
        height, width = x.shape[-2:]
        around = ((0, 0), (0, 0), (0, -height % 4), (0, -width % 4))
        y = self.run(np.pad(x, around, "reflect"))
        change = (y[..., :height, :width] - x) / self._gain()
        if image.ndim == 2:
            # All slices are the same one, and the middle one is restored.
            change = change[:, [x.shape[1] // 2]]
        planes = np.atleast_3d(image).transpose(2, 0, 1)[None]
        return (planes + strength * change)[0].transpose(1, 2, 0).reshape(image.shape)
