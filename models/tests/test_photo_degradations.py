"""Haze, rain, snow, noise, blur and low light on photographs."""

import itertools

import pytest

pytest.importorskip("torch")

import numpy as np  # noqa: E402

from artir_train.aio_data import AioPatches, CompositePatches  # noqa: E402
from artir_train.degrade import photo  # noqa: E402

pytestmark = pytest.mark.torch
SIZE = 96


@pytest.fixture
def scene():
    """Squares of random colours, [3, 96, 96], none of them black or white."""
    colours = np.random.default_rng(5).uniform(0.1, 0.9, (3, 6, 6))
    return np.repeat(np.repeat(colours, 16, 1), 16, 2).astype(np.float32)


def many(image, name, count=8):
    return [photo.degraded(image, name, np.random.default_rng(i)) for i in range(count)]


@pytest.mark.parametrize("name", [*photo.SINGLE, *photo.COMPOSITE])
def test_results_are_8_bit_images_of_one_seed(name, scene):
    before = scene.copy()
    one = photo.degraded(scene, name, np.random.default_rng(1))
    again = photo.degraded(scene, name, np.random.default_rng(1))
    assert one.dtype == np.float32 and one.shape == scene.shape
    assert np.array_equal(one, again) and np.array_equal(scene, before)
    assert np.abs(one * 255 - np.round(one * 255)).max() < 1e-4
    assert np.abs(one - scene).mean() > 1e-3
    assert not np.array_equal(one, photo.degraded(scene, name, np.random.default_rng(2)))


def test_haze_moves_every_pixel_towards_one_grey_and_more_so_far_away(scene):
    for seed in range(8):
        rng = np.random.default_rng(seed)
        hazy = photo.haze(scene, rng)
        assert hazy.std() < scene.std()
        depth = photo.depth_like(scene, np.random.default_rng(seed))
        assert 0 <= depth.min() and depth.max() <= 1.2
        assert depth[:16].mean() > depth[-16:].mean()


def test_a_veil_of_haze_is_koschmieders(scene):
    hazy = photo.haze(scene, np.random.default_rng(3))
    rng = np.random.default_rng(3)
    depth = photo.depth_like(scene, rng)
    t = np.exp(-rng.uniform(0.6, 1.8) * depth)
    airlight = rng.uniform(0.7, 1.0) + rng.normal(0, 0.01, (3, 1, 1))
    assert np.abs(hazy - (scene * t + airlight * (1 - t))).max() < 1e-5


def test_rain_only_adds_light_in_streaks_that_are_longer_than_wide():
    black = np.zeros((3, SIZE, SIZE), np.float32)
    for wet in many(black, "rain"):
        assert wet.max() > 0.1
        assert np.array_equal(wet[0], wet[1]) and np.array_equal(wet[1], wet[2])
        # Streaks fall: neighbours above one another are more alike than those side by side.
        down, across = (np.abs(np.diff(wet[0], axis=axis)).mean() for axis in (0, 1))
        assert down < 0.7 * across


def test_snow_covers_some_pixels_with_nearly_white_flakes():
    black = np.zeros((3, SIZE, SIZE), np.float32)
    for snowy in many(black, "snow"):
        assert 0.005 < (snowy[0] > 0.2).mean() < 0.6
        assert np.abs(snowy[0] - snowy[2]).max() < 0.1
    flat = np.full((3, SIZE, SIZE), 0.9, np.float32)
    assert all(np.abs(snowy - 0.9).max() < 0.16 for snowy in many(flat, "snow"))


def test_low_light_is_darker_and_keeps_hues(scene):
    for dark in many(scene, "low"):
        assert dark.mean() < 0.7 * scene.mean()
    still = np.broadcast_to(np.array([0.4, 0.2, 0.1], np.float32)[:, None, None], scene.shape)
    found = np.mean(many(still.copy(), "low", 40), axis=(0, 2, 3))
    assert found[0] > 1.5 * found[1] > 2 * found[2]


def test_noise_is_as_strong_as_drawn():
    grey = np.full((3, SIZE, SIZE), 0.5, np.float32)
    levels = [float((noisy - grey).std()) * 255 for noisy in many(grey, "noise", 60)]
    assert min(levels) < 5 and 45 < max(levels) < 57


@pytest.mark.parametrize("name", ["motion", "defocus"])
def test_blur_keeps_even_areas_and_adds_light_linearly(name):
    flat = np.full((3, SIZE, SIZE), 0.3, np.float32)
    assert all(np.abs(blurred - 0.3).max() < 0.004 for blurred in many(flat, name))
    lamp = np.zeros((3, SIZE, SIZE), np.float32)
    lamp[:, 40:56, 40:56] = 1
    for blurred in many(lamp, name):
        assert (blurred**2.2).sum() == pytest.approx(lamp.sum(), rel=0.02)
        assert (blurred**2.2).std() < 0.99 * lamp.std()


def test_kernels_sum_to_one_and_reach_no_farther_than_patches_are_wide():
    for seed in range(50):
        rng = np.random.default_rng(seed)
        for kernel in (photo.splat(photo.path(rng)), photo.disc(rng.uniform(0.8, 5))):
            assert kernel.sum() == pytest.approx(1, abs=1e-5) and kernel.min() >= 0
            assert kernel.shape[0] // 2 <= photo.REACH
    upright = photo.line(9, 0.0)
    assert upright[:, upright.shape[1] // 2].sum() > 0.99


def test_weather_comes_after_darkness(scene):
    """Flakes and haze are bright in a dark picture, for they are before the scene."""
    assert photo.ORDER == ("low", "rain", "snow", "haze")
    dark = np.mean([image.mean() for image in many(scene, "low")])
    assert all(image.mean() > 1.5 * dark for image in many(scene, "low_haze"))
    rng, other = np.random.default_rng(4), np.random.default_rng(4)
    both = photo.degraded(scene, "haze_rain", rng)
    wet = photo.rain(scene, other).clip(0, 1)
    assert np.abs(both - photo.haze(wet, other).clip(0, 1)).max() <= 0.5 / 255 + 1e-6


def test_combinations_are_those_of_cdd_11():
    singles = {"low", "haze", "rain", "snow"}
    found = {frozenset(name.split("_")) for name in photo.COMPOSITE}
    every = itertools.chain.from_iterable(itertools.combinations(singles, n) for n in (1, 2, 3))
    wanted = {frozenset(parts) for parts in every if not {"rain", "snow"} <= set(parts)}
    assert found == wanted and len(photo.COMPOSITE) == 11


@pytest.fixture
def pack(tmp_path):
    """Leaves of two greys, lighter where they are held out, and a darker scene."""
    checks = np.kron(np.indices((32, 32)).sum(0) % 2, np.ones((8, 8), int))[..., None]
    leaves = np.repeat((50 + 40 * checks)[None], 16, 0)
    leaves[:12] += 38
    scenes = 20 + 40 * checks[None]
    pack = {"leaves": leaves, "scenes": scenes}
    pack = {key: np.repeat(value, 3, -1).astype(np.uint8) for key, value in pack.items()}
    np.savez(tmp_path / "rgb-free.npz", **pack)
    return tmp_path


def test_the_source_draws_all_tasks_and_never_what_is_held_out(pack):
    source = AioPatches(pack, 1)
    clear, changed = [], 0
    for _ in range(150):
        degraded, wanted = source.batch(1, 64)
        assert degraded.shape == wanted.shape == (1, 3, 64, 64)
        clear.append(round(float(wanted.max()) * 255))
        changed += bool((degraded != wanted).any())
    assert set(clear) == {60, 90}
    assert 0.25 < clear.count(60) / 150 < 0.55 and 130 < changed < 150
    degraded, wanted = source.validation()
    assert degraded.shape == (14, 3, 256, 256)
    assert source.groups == [task for task in photo.SINGLE for _ in range(2)]
    assert (wanted * 255).round().unique().tolist() == [88, 128]
    assert source.batch(2, 256)[0].shape == (2, 3, 256, 256)


def test_composites_have_a_source_of_their_own(pack):
    source = CompositePatches(pack, 1)
    degraded, _ = source.validation()
    assert degraded.shape == (22, 3, 256, 256)
    assert source.groups[::2] == list(photo.COMPOSITE)
