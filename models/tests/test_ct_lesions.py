"""Faint lesions in CT training data: where they lie, how strong and how sharp they are."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from artir_train import ct_lesions  # noqa: E402

pytestmark = pytest.mark.torch


def patches(clean: np.ndarray, half: float = 0.5) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [ct_lesions.drawn(clean, half, 2.0, rng) for _ in range(200)]


def test_some_patches_have_lesions_of_low_contrast_and_both_signs():
    drawn = patches(np.full((96, 96), 50.0, np.float32))
    assert all(patch.shape == (96, 96) for patch in drawn)
    with_lesions = [patch for patch in drawn if patch.any()]
    assert 0.7 < len(with_lesions) / len(drawn) < 0.9
    highest = np.array([patch.max() for patch in with_lesions])
    lowest = np.array([patch.min() for patch in with_lesions])
    assert np.median(highest) > 10 and np.median(lowest) < -10
    # Several may overlap, and a sharp kernel overshoots.
    least, most = ct_lesions.CONTRAST
    assert np.quantile(highest, 0.9) < 1.3 * most and np.quantile(-lowest, 0.9) < 1.3 * most
    covered = np.mean([(np.abs(patch) > least / 2).mean() for patch in with_lesions])
    assert 0.005 < covered < 0.1


def test_lesions_lie_in_soft_tissue_alone():
    halves = np.full((96, 96), 50.0, np.float32)
    halves[:, 40:] = -1000
    reach = int(ct_lesions.RADIUS[1]) + ct_lesions.BORDER
    changed = np.mean([np.abs(patch) > 2 for patch in patches(halves)], axis=0)
    assert changed[:, :30].mean() > 0.005
    assert not changed[:, 40 + reach :].any()
    assert not any(patch.any() for patch in patches(np.full((96, 96), 900.0, np.float32)))


def test_a_soft_kernel_shows_them_softer():
    tissue = np.zeros((96, 96), np.float32)

    def steepest(half: float) -> float:
        drawn = [patch for patch in patches(tissue, half) if patch.any()]
        return np.median([np.abs(np.diff(patch, axis=1)).max() for patch in drawn])

    assert steepest(0.6) > 1.5 * steepest(0.16)
