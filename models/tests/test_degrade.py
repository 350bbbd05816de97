"""The simulations, on what is known of them."""

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402

from artir_train.degrade import ct, haze  # noqa: E402

pytestmark = pytest.mark.torch


def disc(size=128):
    axis = torch.linspace(-1, 1, size)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.where((x / 0.8) ** 2 + (y / 0.6) ** 2 < 1, 40.0, -1000.0)


def ct_noise(photons, cut=0.9, count=4):
    hu = disc().expand(count, -1, -1).contiguous()
    generator = torch.Generator().manual_seed(0)
    return ct.noise(
        hu,
        torch.full((count,), 2.5),
        torch.full((count,), cut),
        torch.ones(count),
        generator,
        ct.Scan(views=120),
        photons=torch.full((count,), photons),
    )


def test_ct_noise_has_no_mean_and_goes_as_one_over_root_dose():
    low, high = ct_noise(2e4), ct_noise(8e4)
    inside = disc() > 0
    low, high = low[:, inside], high[:, inside]
    assert abs(low.mean()) < low.std() / 10
    assert abs(float(low.std() / high.std()) - 2) < 0.2


def test_ct_noise_rises_with_frequency_and_sharp_kernels_reach_further():
    def spectrum(cut):
        part = ct_noise(5e4, cut)[:, 32:96, 32:96]
        taper = torch.hann_window(64)
        power = torch.fft.fft2(part * taper * taper[:, None]).abs().square().mean(0)
        f = torch.fft.fftfreq(64)
        radius = (f[:, None] ** 2 + f**2).sqrt()
        edges = torch.linspace(0.02, 0.5, 17)
        bands = [
            power[(radius >= a) & (radius < b)].mean()
            for a, b in zip(edges, edges[1:], strict=False)
        ]
        return torch.stack(bands)

    soft, sharp = spectrum(0.5), spectrum(1.1)
    assert sharp.argmax() > soft.argmax() > 0
    assert soft[-1] / soft.max() < 0.1 < sharp[-1] / sharp.max()


def test_haze_of_known_transmission_can_be_undone():
    rng = np.random.default_rng(0)
    clear = rng.random((3, 32, 32)).astype(np.float32)
    veil = haze.draw(rng, 32)
    t = veil.transmission()
    assert t.shape == clear.shape and 0 < t.min() and t.max() <= 1
    hazy = haze.scatter(clear, veil)
    back = (hazy - veil.airlight[:, None, None] * (1 - t)) / t
    assert np.abs(back - clear).max() < 1e-4


def test_most_veils_are_grey_and_some_scenes_without_texture_stay_clear():
    rng = np.random.default_rng(1)
    veils = [haze.draw(rng, 16) for _ in range(400)]
    grey = [v.alpha == 0 and np.ptp(v.airlight) < 0.08 for v in veils]
    assert 0.7 < np.mean(grey) < 0.85
    assert all(0 <= v.airlight.min() and v.airlight.max() <= 1 for v in veils)
    flat = np.full((3, 16, 16), 0.5, np.float32)
    flat[2] = 0.52
    clear = [np.abs(np.subtract(*haze.sample(flat, rng))).max() < 2 / 255 for _ in range(400)]
    assert 0.22 < np.mean(clear) < 0.5


def test_thin_haze_scatters_blue_more():
    depth = np.full((4, 4), 0.3, np.float32)
    red, green, blue = haze.Haze(depth, 1.3, np.ones(3, np.float32)).transmission()[:, 0, 0]
    assert red > green > blue
    assert abs(green - np.exp(-0.3)) < 1e-6
