"""CT training data: slices made of leaves, kernels, and the noise that a sample gets."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from artir_train import ct_leaves, ct_lesions, ct_slices  # noqa: E402
from artir_train.ct_data import CtPatches, steepness_of  # noqa: E402
from artir_train.degrade import ct  # noqa: E402

pytestmark = pytest.mark.torch


def test_leaves_are_the_same_from_one_seed_and_look_like_tissue():
    one, other = (ct_leaves.body(np.random.default_rng(3), 0.8) for _ in range(2))
    assert np.array_equal(one, other)
    assert one.shape == (512, 512) and one.min() >= -1024 and one.max() <= 3072
    middle = one[200:312, 200:312]
    assert ((middle > -200) & (middle < 300)).mean() > 0.7
    assert middle.std() > 20
    assert (one[:8] < -990).all()


def ramp(count: int, size: int, seed: int) -> np.ndarray:
    """Noise of the bare ramp's texture, at a standard deviation of 1."""
    white = np.random.default_rng(seed).standard_normal((count, size, size))
    made = np.stack([ct_slices.filtered(w, np.sqrt) for w in white])
    return made / made.std((1, 2), keepdims=True)


@pytest.fixture
def source(tmp_path):
    """A source over a pack of four even slices: one held out, two with noise of 15 HU of their own,
    one made up."""
    noise = ramp(4, 512, 0)
    half = np.array([0.3, 0.3, 0.5, 0.5], np.float32)
    own_noise = 15 * ramp(4, 512, 1)
    clean = np.zeros((4, 512, 512)) + np.array([0, 10, 20, 100])[:, None, None]
    for i in range(3):
        window = ct_slices.kernel(half[i], 2.0)
        clean[i] += ct_slices.filtered(own_noise[i], window) / ct_slices.share_left(window) ** 0.5
    np.savez(
        tmp_path / "ct-clean.npz",
        clean=clean.round().astype(np.int16),
        noise=noise.astype(np.float16),
        half=half,
        steepness=np.full(4, 2.0, np.float32),
        own=np.array([15, 15, 15, 0], np.float32),
        group=np.array(["singles", "singles", "averages", "leaves"]),
        held_out=1,
    )
    return CtPatches(tmp_path, 1)


def test_noise_in_the_target_is_independent_of_noise_in_the_input(source, monkeypatch):
    monkeypatch.setattr(ct_lesions, "SHARE", 0.0)
    inner, outer = [], []
    for _ in range(300):
        noisy, target, _ = source.batch(1, 64)
        mean = float(target.mean().round(decimals=-1))
        if mean == 100:
            assert float(target.std()) < 1  # a made-up body is its own target
            continue
        a, b = noisy - noisy.mean(), target - target.mean()
        inner.append(float((a * b).mean()))
        outer.append(float(b.square().mean()))
    # Without the correction the covariance is the own variance, about 200.
    assert abs(np.mean(inner)) < 0.1 * np.mean(outer)
    assert np.mean(outer) > 100


def test_levels_and_sharpness_are_those_that_are_stated(source):
    levels, whole = [], []
    for _ in range(400):
        noisy, target, _ = source.batch(1, 64)
        if float(target.mean().round(decimals=-1)) == 100:
            whole.append(float((noisy - target).std()))
        levels.append(float(noisy.std()))
    # A made-up body takes any level, mostly from an eighth of the kernel's highest on.
    assert 3 < min(whole) < 9 and 75 < max(whole) < 135
    assert np.mean(np.array(whole) < 4.6) < 0.1
    assert 0.4 < len(whole) / 400 < 0.68
    # A slice with noise of its own, 15 HU, takes 1.2 times that and more, and so has 23 in all.
    assert min(levels) < 9 and np.quantile(levels, 0.5) > 23


def test_sharp_noise_is_not_laid_on_soft_slices_and_groups_keep_their_shares(source):
    soft = [tuple(source._sharp_enough(0.2)) for _ in range(400)]
    counts = [soft.count((i,)) / 400 for i in (1, 2, 3)]
    # Of the groups at hand: single slices 0.4, means of neighbours 0.13, made-up bodies 0.3.
    assert counts == pytest.approx([0.4 / 0.83, 0.13 / 0.83, 0.3 / 0.83], abs=0.08)
    sharp = {tuple(source._sharp_enough(0.6)) for _ in range(100)}
    assert sharp == {(2,), (3,)}


def test_a_slice_is_blurred_to_the_softer_kernel_and_so_is_its_noise(source):
    soft, own = source.slices.patch(2, (100, 100), 128, 0.2, 2.0)
    as_it_is, whole = source.slices.patch(2, (100, 100), 128, 0.6, 4.0)
    assert whole == pytest.approx(15, rel=0.01)
    assert soft.std() == pytest.approx(own, rel=0.15) and own < 0.6 * whole
    assert as_it_is.std() == pytest.approx(15, rel=0.1)


def test_noise_patches_have_a_standard_deviation_of_one_for_every_kernel(source):
    for half, steepness in ((0.16, 1.5), (0.3, 2.0), (0.64, 5.0)):
        one, mirrored = source.slices.noise_patches(3, (64, 64), 256, half, steepness)
        assert one.std() == pytest.approx(1, rel=0.1)
        assert mirrored.std() == pytest.approx(1, rel=0.1)
        assert abs((one * mirrored).mean()) < 0.1


def test_steepness_goes_with_sharpness():
    rng = np.random.default_rng(0)
    soft = [steepness_of(0.16, rng) for _ in range(200)]
    sharp = [steepness_of(0.64, rng) for _ in range(200)]
    assert 1.4 <= min(soft) and max(soft) <= 2.4 and 2.5 <= min(sharp) and max(sharp) <= 5


def test_kernels_are_found_by_their_names():
    assert ct_slices.kernel_of("B30f") == ct_slices.KERNELS["B30"]
    assert ct_slices.kernel_of("59 .10.AB50") == ct_slices.KERNELS["AB50"]
    assert ct_slices.kernel_of("59 .21.B50s") == ct_slices.KERNELS["B50s"]
    assert ct_slices.kernel_of("D") == ct_slices.KERNELS["D"]
    assert (
        ct_slices.kernel_of("STANDARD") == ct_slices.kernel_of("") == ct_slices.KERNELS["STANDARD"]
    )


def test_own_noise_is_measured_as_it_was_made():
    hu = 40 + ct_slices.filtered(ramp(1, 512, 3)[0], ct_slices.kernel(0.3, 2.0))
    noise = hu - 40
    hu = (40 + noise * (12 / noise.std())).astype(np.float32)
    slice_ = ct_slices.Slice(hu, 0.8, 0.3, 2.0, "singles")
    assert ct_slices.own_sd(slice_, ramp(1, 512, 4)[0]) == pytest.approx(12, rel=0.05)
    air = ct_slices.Slice(np.full((512, 512), -1000, np.float32), 0.8, 0.3, 2.0, "singles")
    assert np.isnan(ct_slices.own_sd(air, ramp(1, 512, 4)[0]))


def disc(size: int = 256) -> torch.Tensor:
    axis = torch.linspace(-1, 1, size)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.where((x / 0.9) ** 2 + (y / 0.5) ** 2 < 1, 40.0, -1000.0)


def test_ramp_noise_rises_with_frequency_to_the_corner_and_modulation_evens_it():
    hu = disc().expand(4, -1, -1).contiguous()

    def made(modulation: float) -> torch.Tensor:
        return ct.ramp_noise(
            hu,
            torch.full((4,), 1.5),
            torch.full((4,), 2e4),
            torch.full((4,), modulation),
            torch.Generator().manual_seed(0),
            ct.Scan(views=160),
        )[:, 96:160, 64:192]

    def power(noise: torch.Tensor) -> torch.Tensor:
        return torch.fft.rfft2(noise).abs().square().mean(0)

    even, uneven = power(made(1.0)), power(made(0.0))
    fy, fx = torch.fft.fftfreq(64)[:, None], torch.fft.rfftfreq(128)
    radius, angle = torch.hypot(fy, fx), torch.atan2(fy.abs(), fx)
    bands = [even[(radius >= r) & (radius < r + 0.08)].mean() for r in (0.05, 0.15, 0.25, 0.38)]
    shares = [float(b / bands[1]) for b in bands]
    assert shares == pytest.approx([0.09 / 0.19, 1, 0.29 / 0.19, 0.42 / 0.19], rel=0.35)
    # Rays along the wide axis, x, are the noisy ones: what they add varies along y.
    ring = (radius > 0.1) & (radius < 0.4)
    along_y, along_x = ring & (angle > 1.2), ring & (angle < 0.37)
    assert uneven[along_y].mean() / uneven[along_x].mean() > 2
    assert even[along_y].mean() / even[along_x].mean() < 1.6


def test_validation_shows_the_held_out_patients(source):
    noisy, clean = source.validation()
    assert noisy.shape == clean.shape == (1, 1, 256, 256)
    assert float((noisy - clean).std()) == pytest.approx(1.7 * 15, rel=0.1)
