"""The measures of PET: spheres, hot spots and the curve of Gaussians, on volumes that are known."""

import numpy as np
import pytest

pytest.importorskip("torch")

from scipy.ndimage import gaussian_filter  # noqa: E402

from lab import evaluate_pet  # noqa: E402

pytestmark = pytest.mark.torch

SPACING = (3.27, 4.0, 4.0)


def one_ball(value: float, radius_mm: float) -> evaluate_pet.Series:
    """A ball of a value in a background of 1, all of it body."""
    z, y, x = np.mgrid[:17, :33, :33].astype(float)
    apart = (
        ((z - 8) * SPACING[0]) ** 2 + ((y - 16) * SPACING[1]) ** 2 + ((x - 16) * SPACING[2]) ** 2
    )
    suv = np.where(apart <= radius_mm**2, value, 1.0).astype(np.float32)
    return evaluate_pet.Series("ball", suv, np.ones(suv.shape, bool), SPACING)


def test_a_sphere_of_1_ml_has_that_volume():
    ball = evaluate_pet.sphere(SPACING)
    assert ball.sum() == pytest.approx(1)
    # The middle lies wholly inside, so that its weight is a voxel's share of 1 ml.
    assert ball.max() == pytest.approx(np.prod(SPACING) / 1000, rel=0.02)


def test_the_source_keeps_everything_and_a_gaussian_less_of_a_small_spot():
    series = one_ball(8.0, 9.0)
    same = evaluate_pet.measure(series, series.suv)
    assert (same.rmse, same.spots) == (0.0, 1)
    assert (same.mean, same.peak, same.largest) == pytest.approx((1, 1, 1))
    smooth = np.stack([gaussian_filter(s, 1.5) for s in series.suv])
    less = evaluate_pet.measure(series, smooth)
    assert less.peak < 0.9
    assert less.largest < 0.95
    assert less.mean == pytest.approx(1, abs=1e-3)


def test_lost_and_false_hot_spots_are_counted():
    series = one_ball(8.0, 9.0)
    same = evaluate_pet.measure(series, series.suv)
    assert (same.lost, same.false) == (0, 0)
    flat = evaluate_pet.measure(series, np.minimum(series.suv, 3.5))
    assert (flat.lost, flat.false) == (1, 0)
    elsewhere = np.maximum(series.suv, np.roll(series.suv, 14, 2))
    assert evaluate_pet.measure(series, elsewhere).false == 1
    assert evaluate_pet.measure(series, 2 * series.suv).false == 1


def test_an_image_without_noise_keeps_less_of_what_noise_has_raised(monkeypatch):
    """The more noise the reference has, the more of a spot's height is noise."""
    series = one_ball(8.0, 9.0)
    rng = np.random.default_rng(1)

    def keeps(noise: float) -> float:
        def noisy(_, image, share):
            assert share == 1.0
            return image + rng.normal(0, noise, image.shape).astype(np.float32)

        monkeypatch.setattr(evaluate_pet, "with_noise", noisy)
        return evaluate_pet.ideal(series, lambda image: image).peak

    assert keeps(0.0) == pytest.approx(1)
    assert keeps(4.0) < keeps(1.0) < 1


def test_a_model_is_compared_with_the_gaussian_that_keeps_as_much():
    def figures(rmse: float, peak: float) -> evaluate_pet.Figures:
        return evaluate_pet.Figures(rmse, 1, peak, 0, 1, 1, 0, 0)

    curve = [figures(0.4, 1.0), figures(0.2, 0.8)]
    assert evaluate_pet.of_gauss(curve, figures(0.15, 0.9)) == pytest.approx(0.5)
    assert evaluate_pet.of_gauss(curve, figures(0.3, 0.9)) == pytest.approx(1.0)
