"""A pack is made anew when its code or data change, and only then."""

import importlib
import os
import sys

import pytest

pytest.importorskip("torch")

import numpy as np  # noqa: E402

from artir_train import packs  # noqa: E402
from artir_train.pet_data import PetPatches  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture
def plain_pack_names():
    """Hashes are what is tested here."""


@pytest.fixture
def code(tmp_path, monkeypatch):
    """A package whose pack takes its value from another module, and a folder of data."""
    monkeypatch.setenv("ARTIR_REAL_DATA", str(tmp_path / "data"))
    (tmp_path / "data" / "train" / "ct").mkdir(parents=True)
    (tmp_path / "data" / "train" / "ct" / "one").write_bytes(b"12")
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "package_with_a_pack"
    (folder / "deeper").mkdir(parents=True)
    (folder / "makes.py").write_text(
        "from .deeper import value\n"
        "class Source:\n"
        "    def make(self):\n"
        "        return {'made': [1]}\n"
    )
    (folder / "deeper" / "value.py").write_text("from ..unit import UNIT\nVALUE = UNIT\n")
    (folder / "unit.py").write_text("UNIT = 1\n")
    (folder / "apart.py").write_text("OTHER = 1\n")
    return folder


def make(folder):
    """``Source().make`` of the package."""
    for name in [name for name in sys.modules if name.split(".")[0] == folder.name]:
        del sys.modules[name]
    return importlib.import_module(f"{folder.name}.makes").Source().make


def test_a_change_of_code_or_data_changes_the_hash(code, tmp_path):
    one = tmp_path / "data" / "train" / "ct" / "one"

    def now():
        return packs.fingerprint(make(code))

    seen = {now()}
    (code / "apart.py").write_text("OTHER = 2\n")
    (code / "unit.py").write_text('"""A docstring."""\n# A comment\nUNIT = 1\n"""Of it."""\n')
    os.utime(one, (1, 1))
    assert now() in seen
    for path, text in [
        (code / "unit.py", "UNIT = 2\n"),
        (code / "deeper" / "value.py", "from ..unit import UNIT\nVALUE = -UNIT\n"),
        (one, "13"),
        (one.with_name("two"), ""),
        (one.with_name("three"), ""),
    ]:
        path.write_text(text)
        assert now() not in seen, path
        seen.add(now())


def test_a_stale_pack_is_made_anew_and_removed(code, tmp_path):
    path = tmp_path / "packs" / "ct-clean.npz"
    made = make(code)
    assert packs.kept(path, made)["made"] == [1]
    first = packs.named(path, made)
    np.savez(first, made=[2])
    assert packs.kept(path, made)["made"] == [2], "a pack that fits is read"
    other = path.with_name("ct-clean-other.npz")
    other.write_bytes(b"")
    (code / "unit.py").write_text("UNIT = 2\n")
    assert packs.kept(path, made)["made"] == [1]
    assert not first.exists() and packs.named(path, made).exists() and other.exists()


def test_a_pack_that_fails_half_way_is_not_kept(code, tmp_path):
    path = tmp_path / "packs" / "ct-clean.npz"

    def failing():
        raise OSError("no such slice")

    with pytest.raises(OSError, match="no such slice"):
        packs.kept(path, failing)
    assert not list(path.parent.glob("ct-clean-*.npz"))


def test_the_code_of_a_class_method_is_its_own_and_what_that_imports():
    found = {path.name for path in packs.sources(PetPatches._prepare)}
    assert {"pet_data.py", "pet_phantom.py", "pet_slices.py", "pet.py", "data.py"} <= found
    assert not {"train.py", "network.py", "ct_data.py"} & found
