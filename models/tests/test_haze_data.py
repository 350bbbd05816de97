"""Training data of dehazing: its ground, real pairs, and what is held out."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from artir_train import haze_data, plain_scenes  # noqa: E402
from artir_train.degrade import haze  # noqa: E402
from artir_train.haze_data import HELD_OUT, HazePatches  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture
def source(tmp_path):
    """A source over black tiles that are held out, grey tiles of each kind, and one real pair whose
    halves differ by a constant."""
    names = list(HazePatches.shares)
    tiles = np.full((HELD_OUT + len(names), 256, 256, 3), 128, np.uint8)
    tiles[:HELD_OUT] = 0
    ramp = np.arange(256, dtype=np.uint8)[:, None, None] // 2 + np.zeros((256, 256, 3), np.uint8)
    np.savez(
        tmp_path / "haze-ground.npz",
        tiles=tiles,
        source=np.array(["mixed"] * HELD_OUT + names),
        pairs=np.stack([ramp + 51, ramp])[None],
    )
    return HazePatches(tmp_path, 1)


def test_held_out_tiles_are_not_drawn_and_every_source_is(source):
    source.plain_share = source.pair_share = 0.0
    ranges = [tuple(source.weight[[HELD_OUT - 1, -1]])]
    assert ranges == [(0.0, pytest.approx(1.0))]
    steps = np.diff(source.weight[HELD_OUT - 1 :])
    assert steps == pytest.approx(list(HazePatches.shares.values()))
    for _ in range(40):
        _, clear = source.batch(1, 64)
        assert clear.max() > 0.05


def test_both_halves_of_a_real_pair_are_turned_alike(source):
    source.pair_share = 1.0
    source.jpeg_share = 0.0
    directions = set()
    for _ in range(40):
        hazy, clear = source.batch(1, 128)
        assert torch.allclose(hazy - clear, torch.full_like(hazy, 0.2), atol=1e-5)
        slope = clear[0, 0]
        directions.add((bool(slope[0, 0] < slope[-1, 0]), bool(slope[0, 0] < slope[0, -1])))
    assert len(directions) > 2


def test_an_even_sheet_of_cloud_makes_everything_greyer(monkeypatch):
    monkeypatch.setattr(haze, "EVEN_SHARE", 1.0)
    rng = np.random.default_rng(5)
    for _ in range(20):
        veil = haze.draw(rng, 32)
        share = veil.transmission()
        assert 0.15 < share.min() and share.max() < 0.9
        assert np.ptp(veil.depth) <= 0.25 * veil.depth.mean() and np.ptp(veil.airlight) < 0.06
        assert np.array_equal(share[0], share[2])


def test_a_painted_scene_has_the_relief_of_the_real_one_and_another_colour():
    rng = np.random.default_rng(5)
    ramp = np.linspace(0.2, 0.6, 32, dtype=np.float32)
    green = np.array([0.5, 1.0, 0.4], np.float32)[:, None, None]
    scene = (green * ramp[None, None]).repeat(32, 1)
    hues = set()
    for _ in range(20):
        made = plain_scenes.painted(scene, rng)
        assert made.shape == scene.shape and made.dtype == np.float32
        grey = made.mean((0, 1))
        assert (np.diff(grey) >= 0).all() and grey[-1] > grey[0] + 0.005
        hues.add(int(made.mean((1, 2)).argmax()))
    assert {0, 2} <= hues


def test_a_jpeg_file_keeps_the_picture_but_not_its_last_bits():
    rng = np.random.default_rng(0)
    picture = np.repeat(np.repeat(rng.random((3, 8, 8), np.float32), 8, 1), 8, 2)
    back = haze_data.jpeg(picture, 90)
    assert back.shape == picture.shape and back.dtype == np.float32
    assert 0.001 < np.abs(back - picture).mean() < 0.08


def test_validation_shows_the_held_out_tiles(source):
    hazy, clear = source.validation()
    assert hazy.shape == (HELD_OUT, 3, 256, 256)
    assert not clear.any() and hazy.max() > 0
