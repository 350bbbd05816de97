"""Neighbouring CT slices: how much noise they share, and the samples made of them."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from artir_train import ct_slices, ct_volumes, ct_volumes_data, weights  # noqa: E402
from artir_train.ct_data import CtPatches, Slices  # noqa: E402
from artir_train.ct_volumes_data import CtVolumePatches  # noqa: E402
from artir_train.data import REPOSITORY  # noqa: E402
from artir_train.export import export, keep_neighbours  # noqa: E402
from artir_train.neighbours import mixture, moved  # noqa: E402
from artir_train.network import ArtIR, Config  # noqa: E402
from artir_train.settings import Settings  # noqa: E402

pytestmark = pytest.mark.torch


def noise_of(count: int, seed: int, window) -> np.ndarray:
    """Noise [count, 512, 512] of a kernel, of a standard deviation of 1."""
    white = np.random.default_rng(seed).standard_normal((count, 512, 512))
    made = np.stack([ct_slices.filtered(w, lambda f: np.sqrt(f) * window(f)) for w in white])
    return made / made.std((1, 2), keepdims=True)


def soft_noise(count: int, seed: int) -> np.ndarray:
    return noise_of(count, seed, ct_slices.kernel(0.3, 2.0))


@pytest.mark.parametrize("shared", [(0.0, 0.0), (0.4, 0.1), (0.9, 0.2)])
def test_noise_is_mixed_to_the_correlation_that_is_asked_for(shared):
    mix = mixture(shared)
    covariance = mix @ mix.T
    assert np.diag(covariance) == pytest.approx(1)
    assert covariance[0, 1] == pytest.approx(shared[0])
    assert covariance[1, 2] == pytest.approx(shared[0])
    # 0.9 to the next and 0.2 to the one after cannot be.
    assert covariance[0, 2] == pytest.approx(max(shared[1], 2 * shared[0] ** 2 - 1), abs=0.01)


def test_shared_noise_is_measured_beside_anatomy():
    noise = soft_noise(9, 0)
    stack = np.stack([noise[i] + noise[i + 1] for i in range(8)]) * 10
    stack[:, 100:140, 100:400] += 90  # an organ that all slices show
    assert ct_volumes.shared_noise(stack, 1) == pytest.approx(0.5, abs=0.06)
    assert ct_volumes.shared_noise(stack, 2) == pytest.approx(0, abs=0.06)
    assert ct_volumes.shared_noise(stack - 900, 1) == 0  # no soft tissue


def test_thicker_slices_are_means_of_thin_ones():
    arrays = {
        "hu 0": np.arange(10, dtype=np.int16)[:, None, None] * np.ones((1, 4, 4), np.int16),
        "noise 0": np.arange(10)[:, None, None] * np.ones((1, 4, 4)),
    }
    hu, noise = ct_volumes.stacked(arrays, 0, 4, 4)
    assert hu[:, 0, 0].tolist() == [2, 6]  # 1.5 and 5.5, rounded to even
    assert noise[:, 0, 0].tolist() == [0, 4]
    hu, noise = ct_volumes.stacked(arrays, 0, 3, 2)
    assert (hu[:, 0, 0].tolist(), len(noise)) == ([1, 3, 5, 7], 4)


@pytest.fixture
def source():
    """Samples over even slices whose own noise, 15 HU, neighbours share by 0.5."""
    noise = soft_noise(12, 1)
    shared = np.stack([noise[i] + noise[i + 1] for i in range(11)]) / np.sqrt(2)
    heights = 10 * np.arange(11)[:, None, None]
    stack = ct_volumes.Stack(
        0,
        (15 * shared + heights).round().astype(np.int16),
        noise_of(11, 2, np.ones_like).astype(np.float16),
        np.full(11, 15.0),
        0.3,
        2.0,
        (0.5, 0.0),
    )
    made = CtVolumePatches.__new__(CtVolumePatches)
    made.stacks, made.rng = [stack], np.random.default_rng(0)
    made.single = CtPatches.__new__(CtPatches)
    made.single.members = {"leaves": np.arange(4)}
    flat = np.zeros((4, 512, 512), np.int16)
    flat[:, 200:300, 200:300] = 100
    each = [np.full(4, value) for value in (0.5, 2.0)]
    made.single.slices = Slices(flat, stack.noise[:4], np.zeros(4), *each)
    return made


def test_noise_in_the_target_is_unrelated_to_that_of_all_three_slices(source, monkeypatch):
    monkeypatch.setattr(CtVolumePatches, "shares", {"neighbours": 1.0})
    inner, outer = [], []
    for _ in range(250):
        noisy, target = source.batch(1, 64)
        assert noisy.shape == (1, 3, 64, 64) and target.shape == (1, 1, 64, 64)
        a = noisy - noisy.mean((2, 3), keepdim=True)
        b = target - target.mean()
        inner.append((a * b).mean((0, 2, 3)).numpy())
        outer.append(float(b.square().mean()))
    # Without the correction the covariances are 225, and half of that with the neighbours.
    assert np.abs(np.mean(inner, 0)).max() < 0.12 * np.mean(outer)
    assert np.mean(outer) > 100


def test_neighbours_are_in_order_and_mirrored_at_an_end(source, monkeypatch):
    def steps(kind: str) -> np.ndarray:
        monkeypatch.setattr(CtVolumePatches, "shares", {kind: 1.0})
        noisy = torch.cat([source.batch(1, 128)[0] for _ in range(40)])
        return np.diff(noisy.mean((2, 3)).numpy(), axis=1).round(-1) / 10

    plain = steps("neighbours")
    assert (plain[:, 0] == plain[:, 1]).mean() > 0.9 and set(plain[:, 0]) >= {-1, 1}
    mirrored = steps("ends")
    assert (mirrored[:, 0] == -mirrored[:, 1]).mean() > 0.9


def test_made_up_bodies_move_from_slice_to_slice(source, monkeypatch):
    monkeypatch.setattr(CtVolumePatches, "shares", {"leaves": 1.0})
    monkeypatch.setattr(ct_volumes_data, "level", lambda *_: (0.0, 0.0))
    made = [source.batch(1, 128) for _ in range(30)]
    for noisy, target in made:
        # The middle slice is the body that the target shows.
        assert torch.allclose(noisy[:, 1:2], target)
    changed = [float((noisy[0, 0] - noisy[0, 1]).abs().max()) for noisy, _ in made]
    # Patches without an edge of the square show no movement.
    assert np.mean(np.array(changed) > 10) > 0.1
    shape = np.zeros((40, 40), np.float32)
    shape[10:20, 10:20] = 1
    way = np.stack([np.full((40, 40), 3.0), np.full((40, 40), -2.0)])
    assert moved(shape, way)[7:17, 12:22].min() > 0.9


def test_a_network_of_one_slice_starts_one_of_three(tmp_path):
    torch.manual_seed(0)
    one, three = (ArtIR(Config.variant("T", channels)) for channels in (1, 3))
    card = json.loads((REPOSITORY / "models/configs/ct-ldct-t.card.json").read_text())
    export(one, card, tmp_path / "one.onnx")
    weights.load(tmp_path / "one.onnx", three, slices=3)
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        expected = one(image[:, 1:2])
        assert torch.allclose(three(image)[:, 1:2], expected, atol=1e-5)
        three.tail.weight.normal_()
        keep_neighbours(three, 3)
        result = three(image)
    assert torch.equal(result[:, 0], image[:, 0]) and torch.equal(result[:, 2], image[:, 2])
    assert not torch.allclose(result[:, 1], image[:, 1])


def test_settings_of_neighbouring_slices_are_checked():
    given = {
        "data": "ct-volumes",
        "variant": "T",
        "channels": 3,
        "slices": 3,
        "range": (0, 1),
        "network_range": (0, 1),
        "patch": 64,
        "batch": 1,
        "learning_rate": 1e-3,
        "seed": 0,
        "losses": {"dual_domain": {"weight": 1, "fourier": 0.1}},
    }
    images = torch.arange(3.0).reshape(1, 3, 1, 1)
    assert Settings(**given).middle(images).tolist() == [[[[1.0]]]]
    assert Settings(**given | {"slices": 1}).middle(images) is images
    for slices in (2, 5, 0):
        with pytest.raises(ValueError, match="slices must be 1, or odd"):
            Settings(**given | {"slices": slices})
