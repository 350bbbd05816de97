"""Rules for all tests of training code.

Without PyTorch, the files that need it are left out. In CI (``CI=true``), a test that lacks what it
needs fails instead of being skipped.
"""

import importlib.util
import os

import pytest

import artir_train  # noqa: F401, before onnxruntime, whose telemetry it switches off

collect_ignore = []
if importlib.util.find_spec("torch") is None:
    collect_ignore += ["test_network.py", "test_degrade.py"]
else:
    from artir_train import native, packs

    @pytest.fixture(autouse=True)
    def plain_pack_names(monkeypatch):
        """Packs that tests write have names without a hash."""
        monkeypatch.setattr(packs, "named", lambda path, make: path)

    @pytest.fixture
    def native_library():
        """artir's own library."""
        if native.library() is None:
            absent(
                f"{native.library_path()} cannot be used: run cargo build --release -p artir-ops"
            )


def absent(reason):
    """Ends a test for want of what it needs."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(name="absent")
def absent_fixture():
    """The function ``absent``, for what a test finds missing itself."""
    return absent
