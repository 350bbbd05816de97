"""Degrading the pictures of a folder."""

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from .degradations import of_pictures  # noqa: E402

pytestmark = pytest.mark.torch


def save(path, size):
    pixels = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def test_every_picture_is_degraded_in_every_way_around_its_middle(tmp_path):
    first = save(tmp_path / "a.png", (300, 280))
    save(tmp_path / "b.png", (256, 400))
    (tmp_path / "notes.txt").write_text("no picture")
    given, clear, groups = of_pictures(tmp_path, ("low", "rain"))
    assert given.shape == clear.shape == (4, 256, 256, 3)
    assert groups == ["low", "low", "rain", "rain"]
    assert np.array_equal(clear[0], clear[2])
    assert np.array_equal((clear[0] * 255).round().astype(np.uint8), first[22:278, 12:268])
    # Each differs from its picture, and as much the next time.
    assert (np.abs(given - clear).mean((1, 2, 3)) > 0.005).all()
    assert np.array_equal(given, of_pictures(tmp_path, ("low", "rain"))[0])


def test_pictures_that_are_too_small_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no picture"):
        of_pictures(tmp_path, ("noise",))
    save(tmp_path / "small.png", (255, 300))
    with pytest.raises(ValueError, match="small.png has fewer than 256"):
        of_pictures(tmp_path, ("noise",))
