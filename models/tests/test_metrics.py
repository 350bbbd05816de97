"""Every protocol of ``artir metrics`` against scikit-image or the formula restated in NumPy."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import correlate1d
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

ROOT = Path(__file__).resolve().parents[2]
ARTIR = ROOT / "target" / "debug" / "artir"
REAL = Path(os.environ.get("ARTIR_REAL_DATA") or ROOT.parent / "shared" / "data")


@pytest.fixture(autouse=True)
def program(absent):
    if not ARTIR.exists():
        absent(f"no {ARTIR}: run cargo build first")


def gaussian():
    weights = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    return weights / weights.sum()


def ssim(a, b, span, padded):
    """Wang et al. 2004 with an 11x11 Gaussian window, on one plane."""

    def local(x):
        for axis in (0, 1):
            x = correlate1d(x, gaussian(), axis, mode="constant")
        return x if padded else x[5:-5, 5:-5]

    ma, mb = local(a), local(b)
    va, vb, cov = local(a * a) - ma * ma, local(b * b) - mb * mb, local(a * b) - ma * mb
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    top = (2 * ma * mb + c1) * (2 * cov + c2)
    return (top / ((ma * ma + mb * mb + c1) * (va + vb + c2))).mean()


def psnr(a, b, span):
    return 10 * np.log10(span**2 / np.mean((a - b) ** 2))


def physical(lo, hi, fixed):
    def measure(a, b):
        a, b = np.clip(a[0], lo, hi), np.clip(b[0], lo, hi)
        span = fixed or b.max() - b.min()
        return psnr(a, b, span), ssim(a, b, span, True), np.sqrt(np.mean((a - b) ** 2))

    return measure


def rgb(a, b):
    a, b = np.clip(a, 0, 1), np.clip(b, 0, 1)
    return (
        peak_signal_noise_ratio(b, a, data_range=1),
        structural_similarity(b, a, data_range=1, channel_axis=0),
        np.sqrt(np.mean((a - b) ** 2)),
    )


def byte(x):
    return np.round(np.clip(x, 0, 1) * 255)


def airnet(a, b):
    """The middle, a multiple of 16 on both sides."""
    _, h, w = a.shape
    y, x = h % 16 // 2, w % 16 // 2
    middle = (slice(None), slice(y, y + h // 16 * 16), slice(x, x + w // 16 * 16))
    return rgb(a[middle], b[middle])


def quantised(a, b):
    a, b = byte(a), byte(b)
    return psnr(a, b, 255), None, np.sqrt(np.mean((a - b) ** 2))


def luma(a, b):
    def y(x):
        return np.floor(16 + np.tensordot([65.481, 128.553, 24.966], byte(x), 1) / 255 + 0.5)

    a, b = y(a), y(b)
    return psnr(a, b, 255), ssim(a, b, 255, False), np.sqrt(np.mean((a - b) ** 2))


def dehaze(a, b):
    a, b = np.clip(a, 0, 1), np.clip(b, 0, 1)
    planes = [ssim(x, y, 1, False) for x, y in zip(a, b, strict=True)]
    return psnr(a, b, 1), np.mean(planes), np.sqrt(np.mean((a - b) ** 2))


def dehaze_reduced(a, b):
    a, b = np.clip(a, 0, 1), np.clip(b, 0, 1)
    _, height, width = a.shape
    ratio = max(1, round(min(height, width) / 256))

    def pool(x):
        rows, columns = height // ratio, width // ratio
        out = np.empty((len(x), rows, columns))
        for i in range(rows):
            for j in range(columns):
                y = slice(i * height // rows, -(-(i + 1) * height // rows))
                z = slice(j * width // columns, -(-(j + 1) * width // columns))
                out[:, i, j] = x[:, y, z].mean((1, 2))
        return out

    small = pool(a), pool(b)
    planes = [ssim(x, y, 1, False) for x, y in zip(*small, strict=True)]
    return psnr(a, b, 1), np.mean(planes), np.sqrt(np.mean((a - b) ** 2))


PROTOCOLS = {
    "ldct-400": physical(-160, 240, 400),
    "ldct-slice": physical(-160, 240, None),
    "pet-slice": physical(0, 20, None),
    "rgb": rgb,
    "rgb-noise-airnet": airnet,
    "rgb-noise-restormer": quantised,
    "y-derain": luma,
    "y-uhd": luma,
    "rs-dehaze": dehaze,
    "rs-dehaze-dehazeformer": dehaze_reduced,
}
"""Protocol: (PSNR, SSIM, RMSE) of float64 arrays [C, H, W]."""


def pairs(protocol):
    """20 random pairs of odd sizes, and real ones where they are at hand."""
    rng = np.random.default_rng(3)
    sizes = [(11, 11), (12, 31), (47, 13), (129, 63), (513, 300)]
    sizes += [tuple(rng.integers(11, 260, 2)) for _ in range(15)]
    if protocol == "rgb-noise-airnet":
        sizes = [(h + 16, w + 16) for h, w in sizes]
    scale, offset, channels = (1, 0, 3)
    if protocol.startswith("ldct"):
        scale, offset, channels = 900, -400, 1
    elif protocol.startswith("pet"):
        scale, offset, channels = 25, -1, 1
    for height, width in sizes:
        smooth = rng.random((channels, height, width)).cumsum(2) % 1
        reference = (smooth * scale + offset).astype(np.float32)
        noise = rng.normal(0, rng.uniform(0.01, 0.3) * scale, reference.shape)
        yield (reference + noise).astype(np.float32), reference
    folder = REAL / "images" / "rice1-thin-cloud"
    if channels == 3 and folder.is_dir():
        from PIL import Image

        for path in sorted(folder.glob("*_real_A.png"))[:3]:
            both = [path, path.with_name(path.name.replace("_A", "_B"))]
            yield tuple(
                np.asarray(Image.open(p).convert("RGB"), np.float32).transpose(2, 0, 1) / 255
                for p in both
            )


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_figures_agree(protocol, tmp_path):
    expected = {}
    for side in ("result", "reference"):
        (tmp_path / side).mkdir()
    for i, (result, reference) in enumerate(pairs(protocol)):
        np.save(tmp_path / "result" / f"{i:03}.npy", result)
        np.save(tmp_path / "reference" / f"{i:03}.npy", reference)
        arrays = result.astype(np.float64), reference.astype(np.float64)
        expected[f"{i:03}"] = PROTOCOLS[protocol](*arrays)
    folders = [str(tmp_path / "result"), str(tmp_path / "reference")]
    done = subprocess.run(
        [ARTIR, "metrics", *folders, "--protocol", protocol, "--json", "--show-paths"],
        capture_output=True,
        check=True,
        text=True,
    )
    *rows, last = map(json.loads, done.stdout.splitlines())
    found = {row["name"]: row for row in rows}
    mean = np.mean([db for db, _, _ in expected.values()])
    assert abs(last["summary"]["psnr"]["mean"] - mean) < 1e-4
    assert len(found) == len(expected) >= 20
    for name, (db, similarity, error) in expected.items():
        row = found[name]
        assert row["protocol"] == protocol
        assert abs(row["psnr_db"] - db) < 1e-4, name
        assert abs(row["rmse"] - error) < 1e-4, name
        if similarity is None:
            assert row["ssim"] is None
        else:
            assert abs(row["ssim"] - similarity) < 1e-4, name
