"""CT training data: slices made of leaves, and the noise that a sample gets."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from artir_train import ct_leaves  # noqa: E402
from artir_train.ct_data import CtPatches, added_noise  # noqa: E402

pytestmark = pytest.mark.torch


def test_leaves_are_the_same_from_one_seed_and_look_like_tissue():
    one, other = (ct_leaves.body(np.random.default_rng(3), 0.8) for _ in range(2))
    assert np.array_equal(one, other)
    assert one.shape == (512, 512) and one.min() >= -1024 and one.max() <= 3072
    middle = one[200:312, 200:312]
    assert ((middle > -200) & (middle < 300)).mean() > 0.7
    assert middle.std() > 20
    assert (one[:8] < -990).all()


def test_a_quarter_of_the_dose_adds_three_times_the_variance():
    assert added_noise(10.0, 0.25) == pytest.approx(10 * 3**0.5)
    assert added_noise(10.0, 1.0) == 0


@pytest.fixture
def source(tmp_path):
    """A source over a pack of four slices: one held out, two real, one of leaves."""
    rng = np.random.default_rng(0)
    clean = np.zeros((4, 512, 512), np.int16)
    clean += np.array([0, 10, 20, 100], np.int16)[:, None, None]
    noise = rng.standard_normal(clean.shape).astype(np.float16)
    own = np.array([9, 10, 11, 12], np.float32)
    np.savez(tmp_path / "ct-leaves.npz", clean=clean, noise=noise, own=own, held_out=1, leaves=1)
    return CtPatches(tmp_path, 1)


def test_samples_have_the_shares_and_levels_that_are_stated(source):
    leaves, full, levels = 0, 0, []
    for _ in range(600):
        noisy, clean = source.batch(1, 32)
        assert clean.max() > 0  # the held-out slice is all zeros
        leaves += bool((clean == 100).all())
        sd = float((noisy - clean).std())
        full += sd == 0
        levels.append(sd)
    assert 0.33 < leaves / 600 < 0.47
    assert 0.11 < full / 600 < 0.22
    # 10 to 50 % of the dose at 10 to 12 HU, or any level from 5 to 50 HU.
    assert 4 < min(x for x in levels if x) < 10 and 36 < max(levels) < 55


def test_validation_is_a_quarter_of_the_dose(source):
    noisy, clean = source.validation()
    assert noisy.shape == clean.shape == (1, 1, 256, 256)
    assert float((noisy - clean).std()) == pytest.approx(9 * 3**0.5, rel=0.02)
