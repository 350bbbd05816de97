"""A model as a function of images: its units, its strength and its slices."""

from pathlib import Path

import numpy as np
import pytest

from lab.restorer import Restorer

ZOO = Path(__file__).resolve().parents[2] / "models" / "zoo"


def halved(x: np.ndarray) -> np.ndarray:
    """A network that halves the middle one of its channels."""
    y = x.copy()
    y[:, x.shape[1] // 2] *= 0.5
    return y


@pytest.mark.parametrize(("name", "channels"), [("pet-lowcount-t", 1), ("pet-lowcount-3-t", 3)])
def test_a_single_slice_fits_a_model_of_neighbours_too(name, channels):
    seen = []

    def run(x: np.ndarray) -> np.ndarray:
        seen.append(x)
        return halved(x)

    image = np.random.default_rng(0).uniform(1, 20, (13, 22)).astype(np.float32)
    result = Restorer(ZOO / f"{name}.onnx", run)(image, 0.5)
    assert seen[0].shape == (1, channels, 16, 24)
    assert all(np.array_equal(seen[0][0, 0], plane) for plane in seen[0][0])
    assert result.shape == image.shape
    # Half of the change of half.
    assert result == pytest.approx(0.75 * image, rel=1e-5)
