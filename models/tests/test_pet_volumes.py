"""Neighbouring PET slices: how much noise they share, and the samples made of them."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from artir_train import pet_spots, pet_volumes  # noqa: E402
from artir_train.pet_phantom import Bodies  # noqa: E402
from artir_train.pet_volumes_data import PetVolumePatches  # noqa: E402

pytestmark = pytest.mark.torch


def even(count: int, seed: int) -> np.ndarray:
    """Slices [count, 72, 72] of an uptake of 3 whose noise neighbours share by 0.5."""
    noise = np.random.default_rng(seed).normal(0, 0.2, (count + 1, 72, 72))
    return 3 + (noise[1:] + noise[:-1]) / np.sqrt(2)


def test_shared_noise_is_measured_beside_anatomy():
    series = even(40, 0)
    assert pet_volumes.shared_noise(series) == pytest.approx((0.5, 0.0), abs=0.04)
    texture = np.random.default_rng(1).normal(0, 0.1, (72, 72))
    assert pet_volumes.shared_noise(series + texture) == pytest.approx((0.5, 0.0), abs=0.04)
    assert pet_volumes.shared_noise(0 * series) == (0, 0)


def test_a_phantom_moves_and_its_small_lesions_end():
    phantom = Bodies([], 96, 3).draw()
    rng = np.random.default_rng(4)
    near, bodies = zip(*(pet_volumes.neighbours_of(phantom, rng) for _ in range(20)), strict=True)
    near, bodies = np.stack(near), np.stack(bodies)
    assert near.shape == (20, 3, 96, 96) and near.min() >= 0 and np.isfinite(near).all()
    assert (bodies[:, 1] == phantom.body).all()
    beside = np.abs(near[:, 0] - near[:, 1]).mean()
    assert 0.02 < beside / phantom.suv.mean() < 0.4
    # Two steps apart differ more than one step.
    assert np.abs(near[:, 0] - near[:, 2]).mean() > 1.3 * beside
    # Nothing is hotter in the middle than it was, but for what is hottest in a neighbour.
    assert (near[:, 1] <= phantom.suv + 1e-4).all() and (near[:, 1] < phantom.suv - 0.5).any()


def test_spots_have_a_place_along_the_body():
    rng = np.random.default_rng(5)
    clean = np.full((3, 64, 64), 1, np.float32)
    made = np.stack([pet_spots.drawn_along(clean, rng) for _ in range(60)])
    assert made.min() >= 0 and (clean + made).max() <= pet_spots.HOTTEST + 1e-4
    totals = made.sum((2, 3))
    hottest = totals[totals.max(1) > 0].argmax(1)
    assert set(hottest) == {0, 1, 2}


@pytest.fixture
def source():
    """Samples over one even series whose slices hold their own noise, of a variance of 0.04, and
    over even phantoms; all without spots."""
    rng = np.random.default_rng(6)
    series = np.pad(even(30, 7) * 2, ((0, 0), (44, 44), (44, 44)))
    made = PetVolumePatches.__new__(PetVolumePatches)
    made.rng = np.random.default_rng(8)
    power = np.tile([4.0, 10.0], (30, 1))
    # Independent from slice to slice: the samples mix it.
    added = rng.normal(0, 0.4, (30, 2, 160, 160)) * np.sqrt(power)[..., None, None]
    shapes = (pet_volumes.HELD_OUT + 2, 2, 3, 160, 160)
    made.pack = {
        "real 0": series,
        "real noise 0": added,
        "real power 0": power,
        "shared 0": np.array([0.5, 0.0]),
        "made": np.full((shapes[0], 3, 160, 160), 6.0),
        "made noise": rng.normal(0, 0.5, shapes),
        "made power": np.full((shapes[0], 2), 10.0),
    }
    return made


def of_kind(source, kind: str, count: int, monkeypatch) -> list[tuple[torch.Tensor, ...]]:
    monkeypatch.setattr(PetVolumePatches, "shares", {kind: 1.0})
    monkeypatch.setattr(pet_volumes, "SERIES", ("even",))
    monkeypatch.setattr(pet_spots, "SHARE", 0.0)
    # The series alone, without what surrounds it.
    monkeypatch.setattr(PetVolumePatches, "_place", lambda *_: (slice(48, 112), slice(48, 112)))
    return [source.batch(1, 64) for _ in range(count)]


def test_noise_in_the_target_is_unrelated_to_that_of_all_three_slices(source, monkeypatch):
    inner, outer = [], []
    for low, target, _ in of_kind(source, "neighbours", 300, monkeypatch):
        low, target = low / target.mean() * 6, target / target.mean() * 6
        a, b = low - low.mean((2, 3), keepdim=True), target - target.mean()
        inner.append((a * b).mean((0, 2, 3)).numpy())
        outer.append(float(b.square().mean()))
    # Without the correction the covariances are 0.16, and half of that with the neighbours.
    assert np.abs(np.mean(inner, 0)).max() < 0.02
    assert np.mean(outer) == pytest.approx(0.16 * (1 + (1 / 4 + 1 / 10) / 2), rel=0.15)


def test_phantoms_are_their_own_targets(source, monkeypatch):
    made = of_kind(source, "made", 40, monkeypatch)
    for low, target, _ in made:
        assert low.shape == (1, 3, 64, 64) and target.shape == (1, 1, 64, 64)
        assert float(target.std()) < 1e-4 * float(target.mean())
    noise = [float((low / target.mean() * 6 - 6).std()) for low, target, _ in made]
    assert 0.3 < np.median(noise) < 0.7
    little = np.array(noise) < 0.2
    assert 0 < little.sum() < 20


def test_neighbours_that_are_missing_are_mirrored_or_the_slice_itself(source, monkeypatch):
    for low, _, _ in of_kind(source, "ends", 10, monkeypatch):
        assert (low[0, 0] == low[0, 2]).all() and (low[0, 0] != low[0, 1]).any()
    for low, _, _ in of_kind(source, "alone", 10, monkeypatch):
        assert (low[0, 0] == low[0, 1]).all() and (low[0, 2] == low[0, 1]).all()


def test_held_out_phantoms_share_noise(source):
    low, clean = source.validation()
    assert low.shape == (8, 3, 160, 160) and clean.shape == (8, 1, 160, 160)
    noise = (low - clean).numpy()
    assert np.corrcoef(noise[:, 0].ravel(), noise[:, 1].ravel())[0, 1] == pytest.approx(
        0.5, abs=0.02
    )
