"""Without PyTorch, the files that need it are left out. Packs that tests write have plain names."""

import importlib.util

import pytest

collect_ignore = []
if importlib.util.find_spec("torch") is None:
    collect_ignore += ["test_network.py", "test_degrade.py"]
else:
    from artir_train import packs

    @pytest.fixture(autouse=True)
    def plain_pack_names(monkeypatch):
        monkeypatch.setattr(packs, "named", lambda path, make: path)
