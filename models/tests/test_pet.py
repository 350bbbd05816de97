"""The PET simulation: projection, reconstruction, counting noise, phantoms."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from scipy.ndimage import gaussian_filter  # noqa: E402

from artir_train import pet_spots  # noqa: E402
from artir_train.data import data_folder  # noqa: E402
from artir_train.degrade import pet  # noqa: E402
from artir_train.pet_data import PetPatches  # noqa: E402
from artir_train.pet_phantom import TEST_PATIENTS, Bodies, tumour_crops  # noqa: E402
from artir_train.pet_slices import full_counts  # noqa: E402

pytestmark = pytest.mark.torch


def disc(size: int = 64) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """An even disc, its mask and the middle of it."""
    axis = torch.arange(size) - (size - 1) / 2
    r = (axis[:, None] ** 2 + axis[None] ** 2).sqrt()[None]
    body = r < 0.4 * size
    return torch.where(body, 2.0, 0.0), body, r < 0.25 * size


MM = torch.tensor([5.0])


def test_projection_and_back_projection_are_adjoint():
    generator = torch.Generator().manual_seed(0)
    _, body, _ = disc()
    image = torch.rand(1, 64, 64, generator=generator) * body
    views = pet.angles(24, image.device)
    rays = torch.rand(24, 1, 64, generator=generator)
    rays = pet.gaussian(rays, torch.full((24,), 4.0))
    image = pet.gaussian(image, torch.tensor([4.0]))
    left = (pet.project(image, views) * rays).sum()
    right = (image * pet.back_project(rays, views)).sum()
    assert abs(left / right - 1) < 0.01


def test_a_projection_keeps_the_activity():
    image, _, _ = disc()
    sums = pet.project(image, pet.angles(16, image.device)).sum(2)
    assert ((sums / image.sum() - 1).abs() < 0.01).all()


def test_reconstruction_of_exact_counts_gives_the_image():
    image, body, middle = disc()
    scan = pet.Scan(iterations=4)
    passed = pet.survival(body, MM, scan.views)
    counts = pet.project(image, pet.angles(scan.views, image.device)) * passed
    found = pet.osem(counts, passed, MM, scan)
    assert abs(found[middle].mean() - 2) < 0.02
    assert found[middle].std() < 0.1


def test_noise_falls_with_the_root_of_counts_and_has_no_mean():
    image, body, middle = disc()
    generator = torch.Generator().manual_seed(1)
    many = [torch.tensor([c]) for c in (2e6, 8e6)]
    made = [
        torch.cat([pet.noise(image, body, MM, c, generator, pet.Scan()) for _ in range(6)])
        for c in many
    ]
    sd = [n[:, middle[0]].std() for n in made]
    assert abs(sd[0] / sd[1] - 2) < 0.25
    assert abs(made[0][:, middle[0]].mean()) < 0.02


def test_counts_are_calibrated_on_an_even_region():
    image, body, middle = disc()
    wanted = torch.tensor([0.1])
    counts = pet.calibrated(image, body, middle, MM, wanted, pet.Scan())
    generator = torch.Generator().manual_seed(2)
    made = pet.noise(image, body, MM, counts, generator, pet.Scan())
    assert abs(made[middle].std() / 2 - 0.1) < 0.025


def test_more_noise_where_the_body_is_thick():
    image, body, _ = disc()
    generator = torch.Generator().manual_seed(3)
    made = torch.cat(
        [pet.noise(image, body, MM, torch.tensor([3e6]), generator, pet.Scan()) for _ in range(8)]
    )
    axis = torch.arange(64) - 31.5
    r = (axis[:, None] ** 2 + axis[None] ** 2).sqrt()
    inner, rim = made[:, r < 8].std(), made[:, (r > 20) & (r < 24)].std()
    assert inner > 1.2 * rim


def test_phantoms_are_the_same_from_one_seed_and_hold_plausible_uptakes():
    one, other = (Bodies([], 96, 7) for _ in range(2))
    for _ in range(12):
        a, b = one.draw(), other.draw()
        assert np.array_equal(a.suv, b.suv)
        assert 0.2 < a.suv[a.reference].mean() < 14 and a.suv.max() < 70
        assert a.suv[~a.body].mean() < 0.3
        assert a.reference.sum() > 20


def test_crops_leave_the_test_patients_out(tmp_path, absent):
    pack = {}
    for i, patient in enumerate([*TEST_PATIENTS, "STS_002"]):
        pack[patient] = np.full((3, 14, 15), 100 * (i + 1), np.int16)
        pack[f"{patient}_slope_intercept"] = np.tile([0.01, 0.0], (3, 1))
    np.savez(tmp_path / "crops.npz", **pack)
    crops = tumour_crops(tmp_path / "crops.npz")
    assert [c.max() for c in crops] == [pytest.approx(3.0)]
    real = data_folder() / "train" / "pet-tumour-crops-suv.npz"
    if not real.exists():
        absent("no real data (ARTIR_REAL_DATA)")
    assert len(tumour_crops(real)) > 500


def source_of(folder, share: float, noise: np.ndarray) -> PetPatches:
    """A source over nine phantoms, of which eight are held out, and two real slices; all have an
    uptake of 6, where no spots are drawn, and ``noise`` on it."""
    clean = np.full((11, 160, 160), 6, np.float16)
    clean[:8] = 1
    shares = np.zeros((11, 2), np.float32)
    shares[9:] = share
    made = np.broadcast_to(noise, (11, 2, 160, 160)).astype(np.float16)
    np.savez(folder / "pet-clean.npz", clean=clean, noise=made, share=shares, twelfth=made[:8, 0])
    return PetPatches(folder, 3)


def test_targets_of_real_slices_give_back_a_share_and_phantoms_are_their_own(tmp_path):
    source = source_of(tmp_path, 0.25, np.random.default_rng(0).normal(0, 0.5, (160, 160)))
    real, little = 0, 0
    for _ in range(400):
        noisy, target, _ = source.batch(1, 64)
        noisy, target = noisy / target.mean() * 6, target / target.mean() * 6
        given_back = float(target.std())
        added = float((noisy - target).std())
        if given_back > 0.02:
            real += 1
            # The variance added, times the share, is the slice's own, however it is scaled.
            scale = (added - given_back) / 0.5
            assert given_back * scale == pytest.approx(0.25 * 0.5, rel=0.15)
        else:
            little += added < 0.15
    assert 0.27 < real / 400 < 0.43
    assert 0.04 < little / 400 < 0.13
    noisy, reference = source.validation()
    assert reference.shape == (8, 1, 160, 160) and (reference == 1).all()


def test_targets_may_be_below_zero_and_inputs_are_not(tmp_path):
    noise = np.random.default_rng(0).normal(0, 12, (160, 160))
    source = source_of(tmp_path, 0.5, noise)
    pairs = [source.batch(1, 64) for _ in range(40)]
    assert min(float(low.min()) for low, _, _ in pairs) == 0
    assert min(float(target.min()) for _, target, _ in pairs) < -5
    real = [float(target.mean()) for _, target, _ in pairs]
    assert np.mean(real) == pytest.approx(6, rel=0.15)


def test_hot_spots_are_in_input_and_target_alike(tmp_path):
    source = source_of(tmp_path, 0.25, np.zeros((160, 160)))
    source.clean[8:] = 2
    contrasts = []
    for _ in range(60):
        noisy, target, spots = source.batch(1, 64)
        assert torch.allclose(noisy, target)
        background = target - spots
        assert torch.allclose(background, background.mean().expand_as(background), rtol=1e-3)
        assert spots.min() >= 0
        contrasts.append(float(spots.max()))
    with_spots = np.array(contrasts) > 0
    assert 0.5 < with_spots.mean() < 0.9
    assert max(contrasts) > 4


def test_hot_spots_raise_the_noise_where_they_lie():
    clean = np.full((64, 64), 2, np.float32)
    spots = pet_spots.drawn(clean, np.random.default_rng(2))
    gain = pet_spots.noise_gain(clean, spots)
    assert (gain[spots < 1e-6] == pytest.approx(1)) and gain.min() >= 1
    assert spots.max() > 0.5
    hottest = np.unravel_index(spots.argmax(), spots.shape)
    assert gain[hottest] == pytest.approx((1 + spots.max() / 2) ** 0.7, rel=1e-4)
    assert not pet_spots.drawn(np.zeros((64, 64), np.float32), np.random.default_rng(2)).any()


def test_noise_of_input_and_target_is_uncorrelated_at_hot_spots(tmp_path):
    """A slice with noise of its own, of variance 0.25, and added noise of variance 1, both coarse:
    that of the target is the slice's own minus a share of the added."""
    rng = np.random.default_rng(3)

    def coarse(sigma: float) -> np.ndarray:
        noise = gaussian_filter(rng.normal(size=(160, 160)), 1, mode="wrap")
        return (noise * (sigma / noise.std())).astype(np.float32)

    source = source_of(tmp_path, 0.25, np.zeros((160, 160)))
    source.real_share = 1.0
    variance, same, neighbours = [], [], []
    for _ in range(300):
        source.clean[9:] = (5.5 + coarse(0.5)).astype(source.clean.dtype)
        source.noise[9:] = np.stack([coarse(1), coarse(1)])
        noisy, target, spots = source.batch(1, 64)
        level = float((target - spots).mean()) / 5.5
        wanted = 5.5 + spots / level
        inputs, targets = noisy / level - wanted, target / level - wanted
        at = spots / level > 3
        edge = ~at[..., 2:] & at[..., :-2]
        variance.append(inputs[at] ** 2)
        same.append((inputs * targets)[at])
        neighbours.append((inputs[..., 2:] * targets[..., :-2])[edge])
    variance, same, neighbours = (float(torch.cat(p).mean()) for p in (variance, same, neighbours))
    assert variance > 2
    assert abs(same) < 0.03 * variance
    assert abs(neighbours) < 0.03


def test_a_modelled_point_spread_makes_the_noise_coarser():
    image, body, middle = disc()

    def fine_share(psf_mm: float) -> float:
        generator = torch.Generator().manual_seed(4)
        scan = pet.Scan(post_mm=3.0, psf_mm=psf_mm)
        made = pet.noise(image, body, MM, torch.tensor([2e6]), generator, scan)
        steps = made[..., 1:] - made[..., :-1]
        return float(steps[middle[..., 1:]].square().mean() / made[middle].square().mean())

    assert fine_share(12.0) < 0.7 * fine_share(0.0)


def test_the_counts_of_a_series_are_found_from_its_noise():
    image, body, _ = disc()
    generator = torch.Generator().manual_seed(5)
    scan = pet.Scan()
    made_from = 4e6
    slices = [
        image + pet.noise(image, body, MM, torch.tensor([made_from]), generator, scan)
        for _ in range(12)
    ]
    series = torch.cat(slices).numpy().astype(np.float32)
    found = full_counts(series, image, body, 5.0, scan)
    assert made_from / 2 < float(found) < made_from * 2
