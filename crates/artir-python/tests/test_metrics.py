"""Figures under protocols."""

from __future__ import annotations

import json
import math

import artir
import numpy as np
import pytest
from ct_files import phantom


def test_psnr_rmse_and_ssim_follow_their_definition() -> None:
    flat = np.zeros((2, 40, 40), np.float32)
    assert artir.metrics.psnr(flat + 4, flat) == pytest.approx(40.0)
    assert artir.metrics.rmse(flat + 4, flat) == pytest.approx(4.0)
    assert artir.metrics.psnr(flat, flat) == math.inf
    assert artir.metrics.ssim(flat, flat) == pytest.approx(1.0)
    both = np.stack([flat[0] + 4, flat[0] + 40])
    assert artir.metrics.psnr(both, flat) == pytest.approx(30.0)
    assert [f.psnr for f in artir.metrics.measure(both, flat)] == pytest.approx([40.0, 20.0])
    rgb = np.full((3, 32, 32), 0.5, np.float32)
    (figures,) = artir.metrics.measure(rgb + 0.01, rgb, "rgb")
    assert figures.psnr == pytest.approx(40.0, abs=1e-3) and figures.protocol == "rgb"
    assert len(artir.metrics.measure(np.stack([rgb, rgb]), np.stack([rgb, rgb]), "rgb")) == 2


def test_masked_pixels_do_not_count() -> None:
    a, b = phantom(2, 40), phantom(2, 40)
    a[:, :5] += 100
    mask = np.zeros((40, 40), bool)
    mask[:5] = True
    assert artir.metrics.rmse(a, b, mask=mask) == 0
    assert artir.metrics.measure(a, b, mask=mask)[0].left_out == 5 * 40
    # Masked arrays bring their masks: a pixel counts if neither excludes it.
    whole = np.ma.MaskedArray(a, mask=np.broadcast_to(mask, a.shape))
    assert [f.left_out for f in artir.metrics.measure(whole, b)] == [5 * 40] * 2
    other = np.ma.MaskedArray(b, mask=False)
    other[1, 39] = np.ma.masked
    assert [f.left_out for f in artir.metrics.measure(whole, other)] == [5 * 40, 6 * 40]
    rgb = np.ma.MaskedArray(np.full((3, 32, 32), 0.5), mask=False)
    rgb[1, :2] = np.ma.masked
    assert artir.metrics.measure(rgb, rgb.data, "rgb")[0].left_out == 2 * 32
    a[0, 20, 20] = np.nan
    assert artir.metrics.measure(a, b, mask=mask)[0].left_out == 5 * 40 + 1


def test_figures_are_those_of_the_command(tmp_path, run_artir) -> None:
    a, b = phantom(1, 64)[0], np.rint(phantom(1, 64)[0] * 0.9)
    for name, array in [("a", a), ("b", b)]:
        np.save(tmp_path / f"{name}.npy", array.astype(np.float32))
    done = run_artir("metrics", tmp_path / "a.npy", tmp_path / "b.npy", "--protocol", "ldct-400", "--json")
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout.splitlines()[0])
    (figures,) = artir.metrics.measure(a, b)
    assert printed["psnr_db"] == pytest.approx(figures.psnr, abs=1e-4)
    assert printed["ssim"] == pytest.approx(figures.ssim, abs=1e-6)


def test_what_cannot_be_measured_is_refused() -> None:
    flat = np.zeros((8, 8), np.float32)
    for a, b, settings in [
        (flat, flat[:4], {}),
        (flat, flat, {"protocol": "nothing"}),
        (flat[0], flat[0], {}),
        (flat, flat, {"mask": np.zeros((3, 3), bool)}),
        (flat, flat, {"mask": np.ones((8, 8), bool)}),
        (flat, flat, {"window": (5, 5)}),
        (flat, flat, {"mask": np.ones((8, 8))}),
        (np.zeros((0, 8, 8)), np.zeros((0, 8, 8)), {}),
        (np.zeros((8, 0)), np.zeros((8, 0)), {}),
        (flat.astype(complex), flat, {}),
        # Channels in the last place: eight of them, for a protocol that measures the luma of three.
        (np.zeros((8, 8, 3)), np.zeros((8, 8, 3)), {"protocol": "y-derain"}),
        (flat, "text", {}),
        ([[1], [2, 3]], flat, {}),
    ]:
        with pytest.raises(artir.UsageError):
            artir.metrics.psnr(a, b, **settings)
