"""Training data of colour denoising: noise, shares, and what is held out."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from artir_train import rgb_leaves  # noqa: E402
from artir_train.rgb_data import RgbFreePatches, RgbPatches  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture
def source(tmp_path):
    """A source over grey photographs, black ones held out, and a tile of another grey."""
    photos = np.full((RgbPatches.held_out + 2, 321, 481, 3), 128, np.uint8)
    photos[: RgbPatches.held_out] = 0
    np.savez(tmp_path / "rgb.npz", photos=photos, aerial=np.full((1, 256, 256, 3), 100, np.uint8))
    return RgbPatches(tmp_path, 1)


def test_noise_of_any_strength_is_neither_clipped_nor_rounded_in_three_of_four(source):
    aerial, rounded, levels = 0, 0, []
    for _ in range(600):
        noisy, clean = source.batch(1, 32)
        assert noisy.shape == clean.shape == (1, 3, 32, 32)
        assert clean.max() > 0.3
        aerial += bool(clean.max() < 0.45)
        steps = noisy * 255
        rounded += bool((steps - steps.round()).abs().max() < 1e-3)
        levels.append(float((noisy - clean).std()) * 255)
    assert 0.06 < aerial / 600 < 0.15
    assert 0.18 < rounded / 600 < 0.32
    assert min(levels) < 2 and 52 < max(levels) < 58
    assert 24 < np.mean(levels) < 31


def test_validation_is_held_out_and_at_sigma_25(source):
    noisy, clean = source.validation()
    assert noisy.shape == (RgbPatches.held_out, 3, 256, 256) and (clean == 0).all()
    assert float(noisy.std()) * 255 == pytest.approx(25, rel=0.01)
    assert noisy.min() < 0
    again, _ = source.validation()
    assert torch.equal(noisy, again)


def test_pictures_of_leaves_are_the_same_from_one_seed_and_are_full_of_edges_and_colours():
    one, other = (rgb_leaves.picture(np.random.default_rng(3), 128) for _ in range(2))
    assert np.array_equal(one, other)
    assert one.shape == (128, 128, 3) and 0 <= one.min() and one.max() <= 1
    assert one.std() > 0.08
    steps = np.abs(np.diff(one, axis=1)).max(2)
    assert 0.02 < (steps > 0.08).mean() < 0.5  # edges
    assert (steps < 0.02).mean() > 0.2  # and even areas
    assert np.ptp(one, axis=2).mean() > 0.02  # colours


def test_the_permissive_source_draws_leaves_and_scenes_and_no_photographs(tmp_path):
    leaves = np.full((RgbFreePatches.held_out + 2, 256, 256, 3), 128, np.uint8)
    leaves[: RgbFreePatches.held_out] = 0
    scenes = np.full((1, 256, 256, 3), 100, np.uint8)
    np.savez(tmp_path / "rgb-free.npz", leaves=leaves, scenes=scenes)
    source = RgbFreePatches(tmp_path, 1)
    from_above = 0
    for _ in range(300):
        _, clean = source.batch(1, 32)
        assert clean.max() > 0.3
        from_above += bool(clean.max() < 0.45)
    assert 0.3 < from_above / 300 < 0.5
    noisy, clean = source.validation()
    assert noisy.shape == (12, 3, 256, 256) and (clean == 0).all()
