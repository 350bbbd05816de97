"""The measures of PET: spheres, hot spots and the curve of Gaussians, on volumes that are known."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from scipy.ndimage import gaussian_filter  # noqa: E402

from artir_train.pet_volumes import shared_noise  # noqa: E402
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


class Middle:
    """A network that returns the middle of the slices that it sees."""

    def __init__(self, slices: int):
        self.slices = slices

    def __call__(self, seen: np.ndarray) -> np.ndarray:
        assert len(seen) == self.slices
        return seen[self.slices // 2]


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


def test_specks_are_single_voxels_that_the_reference_has_not():
    series = one_ball(8.0, 9.0)
    assert evaluate_pet.measure(series, series.suv).specks == 0
    grains = series.suv.copy()
    # Clearly higher, too little higher, and as high as the ball within 7 mm of it.
    grains[3, 5, 5], grains[3, 5, 20], grains[8, 16, 19] = 1.6, 1.4, 8.0
    found = evaluate_pet.measure(series, grains)
    assert (found.specks, found.false) == (1, 0)
    assert evaluate_pet.measure(series, series.suv * 0.5).specks == 0


def test_an_image_without_noise_keeps_less_of_what_noise_has_raised(monkeypatch):
    """The more noise the reference has, the more of a spot's height is noise."""
    series = one_ball(8.0, 9.0)
    rng = np.random.default_rng(1)

    def keeps(noise: float) -> float:
        def noisy(_, image, share):
            assert share == 1.0
            return image + rng.normal(0, noise, image.shape).astype(np.float32)

        monkeypatch.setattr(evaluate_pet, "with_noise", noisy)
        return evaluate_pet.ideal(series, Middle(1)).peak

    assert keeps(0.0) == pytest.approx(1)
    assert keeps(4.0) < keeps(1.0) < 1


@pytest.mark.parametrize("shared", [(0.0, 0.0), (0.42, 0.14), (0.62, 0.23)])
def test_slices_share_noise_as_is_asked(shared):
    weights = evaluate_pet.sharing(shared)
    assert (weights**2).sum() == pytest.approx(1)
    for lag, wanted in enumerate(shared, 1):
        assert weights[lag:] @ weights[:-lag] == pytest.approx(wanted, abs=0.03)


def test_simulated_noise_is_shared_as_the_series_shares_its_own(monkeypatch):
    rng = np.random.default_rng(2)
    own = rng.normal(0, 0.3, (40, 48, 48))
    suv = (3 + own[1:] + own[:-1]).astype(np.float32)
    series = evaluate_pet.Series("even", suv, np.ones(suv.shape, bool), SPACING)
    assert shared_noise(suv)[0] == pytest.approx(0.5, abs=0.04)
    monkeypatch.setattr(
        evaluate_pet.pet, "noise", lambda image, *_: torch.from_numpy(rng.normal(0, 1, image.shape))
    )
    monkeypatch.setattr(evaluate_pet, "full_counts", lambda *_: torch.ones(1))
    added = evaluate_pet.with_noise(series, 20 + 0 * suv, 1.0) - 20
    assert added.std() == pytest.approx(1, abs=0.03)
    assert np.corrcoef(added[1:].ravel(), added[:-1].ravel())[0, 1] == pytest.approx(0.5, abs=0.05)


def test_a_series_is_mirrored_at_its_ends_for_its_neighbours():
    low = np.arange(4, dtype=np.float32)[:, None, None] * np.ones((1, 2, 2), np.float32)
    seen = []

    class Sees(Middle):
        def __call__(self, near: np.ndarray) -> np.ndarray:
            seen.append(near[:, 0, 0].tolist())
            return near[1] + 1

    assert (evaluate_pet.restored(Sees(3), low) == 1).all()
    assert seen == [[1, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 2]]
    assert (evaluate_pet.restored(Middle(1), low) == 0).all()


def test_gaussians_along_the_body_smooth_noise_more():
    series = one_ball(8.0, 9.0)
    low = series.suv + np.random.default_rng(3).normal(0, 1, series.suv.shape).astype(np.float32)
    curves = evaluate_pet.gaussians(series, low)
    assert [len(curve) for curve in curves.values()] == [len(evaluate_pet.WIDTHS)] * 2
    assert curves["volume"][0].rmse < 0.8 * curves["slices"][0].rmse


def test_a_model_is_compared_with_the_gaussian_that_keeps_as_much():
    def figures(rmse: float, peak: float) -> evaluate_pet.Figures:
        return evaluate_pet.Figures(rmse, 1, peak, 0, 1, 1, 0, 0, 0)

    curve = [figures(0.4, 1.0), figures(0.2, 0.8)]
    assert evaluate_pet.of_gauss(curve, figures(0.15, 0.9)) == pytest.approx(0.5)
    assert evaluate_pet.of_gauss(curve, figures(0.3, 0.9)) == pytest.approx(1.0)
