"""Times artir's metrics and scikit-image's on pairs of 1024x1024 RGB arrays in memory.

    python -m lab.metrics_speed [PAIRS]

scikit-image has the uniform window of ``rgb`` and the Gaussian one of the other protocols; both
sides take PSNR, SSIM and RMSE of every pair. scikit-image's time is scaled up from a tenth of the
pairs. Prints pairs a second and the ratio for each protocol.
"""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from skimage.metrics import (
    mean_squared_error,
    peak_signal_noise_ratio,
    structural_similarity,
)

ROOT = Path(__file__).resolve().parents[2]
GAUSSIAN = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}


def seconds(
    pairs: int, window: dict | None, luma: bool = False, bytes_first: bool = False
) -> float:
    """scikit-image's time for so many pairs."""
    rng = np.random.default_rng(0)
    images = [rng.random((2, 3, 1024, 1024), np.float32) for _ in range(pairs)]
    begun = time.perf_counter()
    for a, b in images:
        span, axis = 1, 0
        if luma:
            weights = np.array([65.481, 128.553, 24.966], np.float32) / 255
            a, b = (np.round(16 + np.tensordot(weights, np.round(x * 255), 1)) for x in (a, b))
            span, axis = 255, None
        if bytes_first:
            a, b = (np.round(np.clip(x, 0, 1) * 255) for x in (a, b))
            span = 255
        peak_signal_noise_ratio(b, a, data_range=span)
        mean_squared_error(b, a)
        if window is not None:
            structural_similarity(b, a, data_range=span, channel_axis=axis, **window)
    return time.perf_counter() - begun


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    command = [
        "cargo",
        "run",
        "--release",
        "-q",
        "-p",
        "artir-metrics",
        "--example",
        "metrics_speed",
    ]
    done = subprocess.run(
        [*command, str(pairs)], cwd=ROOT, capture_output=True, check=True, text=True
    )
    few = max(1, pairs // 10)
    rivals = {
        "uniform": seconds(few, {}),
        "gaussian": seconds(few, GAUSSIAN),
        "luma": seconds(few, GAUSSIAN, luma=True),
        "none": seconds(few, None, bytes_first=True),
    }
    kinds = {
        "rgb": "uniform",
        "rgb-noise-airnet": "uniform",
        "rgb-noise-restormer": "none",
    }
    kinds |= {"y-derain": "luma", "y-uhd": "luma"}
    for line in done.stdout.splitlines():
        name, ours = line.split()
        rival = rivals[kinds.get(name, "gaussian")] / few
        ours = float(ours) / pairs
        print(
            f"{name:<24}{1 / ours:8.1f} pairs/s   scikit-image {1 / rival:6.2f}"
            f"   ratio {rival / ours:6.1f}"
        )


if __name__ == "__main__":
    main()
