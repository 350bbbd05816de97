"""The operator library, the command, the types and the documents of the package."""

from __future__ import annotations

import doctest
import importlib
import json
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import artir
import numpy as np
import pytest
from ct_files import phantom

REPOSITORY = Path(__file__).resolve().parents[3]


def test_a_stock_session_gives_the_same_bits(ct_model: artir.Model) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.register_custom_ops_library(artir.ops_library())
    file = REPOSITORY / "models/zoo/ct-ldct-t.onnx"
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    plane = phantom(1, 96)[0]
    card = ct_model.card
    (lo, hi), (network_lo, network_hi) = card.range, card.network_range
    gain = (float(network_hi) - network_lo) / (float(hi) - lo)
    given = (network_lo + (np.clip(plane, lo, hi).astype(np.float64) - lo) * gain).astype(np.float32)
    (name,) = [i.name for i in session.get_inputs()]
    (out,) = session.run(None, {name: given[None, None]})
    residual = ((out[0, 0] - given).astype(np.float64) / gain).astype(np.float32)
    assert np.array_equal(plane + residual, ct_model.restore(plane, strength=1.0))


# A copy of a process has none of its threads. Without an end of its own, a child that waits for one stays for ever.
FORKED = """
import multiprocessing, signal, sys
import artir, numpy as np

model = artir.Model("ct-ldct-t", device="cpu")
image = np.zeros((32, 32), np.float32)
expected = model.restore(image + 7), artir.metrics.measure(image + 4, image)

def work():
    signal.alarm(60)
    found = model.restore(image + 7), artir.metrics.measure(image + 4, image)
    sys.exit(7 if np.array_equal(found[0], expected[0]) and found[1] == expected[1] else 1)

child = multiprocessing.get_context("fork").Process(target=work)
child.start()
child.join()
print(child.exitcode)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not copy processes")
def test_a_copy_of_a_process_restores_and_measures() -> None:
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "7", done.stdout + done.stderr


def test_models_are_listed_with_their_cards(tmp_path, monkeypatch) -> None:
    cards = {card.name: card for card in artir.models()}
    assert {"ct-ldct-t", "geo-haze-t", "pet-lowcount-3-t", "pet-lowcount-t", "rgb-denoise-free-t"} <= cards.keys()
    assert cards["pet-lowcount-t"].unit == "SUV" and cards["geo-haze-t"].channels == 3
    assert (cards["pet-lowcount-3-t"].slices, cards["pet-lowcount-t"].slices) == (3, 1)
    assert cards["pet-lowcount-3-t"].slices_apart and cards["pet-lowcount-t"].slices_apart is None
    assert all(card.licence and card.limits and len(card.hash) == 64 for card in cards.values())
    # Several folders, the first of which wins.
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    source = (REPOSITORY / "models/zoo/ct-ldct-t.onnx").read_bytes()
    (tmp_path / "b" / "mine.onnx").write_bytes(source)
    monkeypatch.setenv("ARTIR_MODELS", os.pathsep.join([str(tmp_path / "a"), str(tmp_path / "b")]))
    assert artir.Model("mine").card.hash == cards["ct-ldct-t"].hash
    # A damaged file is named, and hides no other.
    (tmp_path / "a" / "damaged.onnx").write_bytes(source[:-1])
    with pytest.warns(UserWarning, match="damaged.onnx"):
        found = artir.models()
    assert [card.name for card in found].count("ct-ldct-t") == 2


def test_the_command_of_the_package_works(run_artir, ct_folder, tmp_path) -> None:
    assert run_artir("--version").stdout == f"artir {artir.__version__}\n"
    as_module = [sys.executable, "-m", "artir", "--version"]
    assert subprocess.run(as_module, capture_output=True, text=True, check=True).stdout.startswith("artir ")
    doctor = run_artir("doctor")
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert "onnxruntime/capi" in doctor.stdout and len(doctor.stdout.splitlines()) <= 25
    for arguments, code in [(["nothing"], 2), (["ct", tmp_path / "missing", "-o", tmp_path / "x"], 3), ([], 2)]:
        assert run_artir(*arguments).returncode == code
    done = run_artir("ct", ct_folder, "-o", tmp_path / "out", "--progress", "json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert {tuple(line) for line in lines} == {("phase", "done", "total", "unit", "eta", "item")}
    last = [line for line in lines if line["phase"] == "restore"][-1]
    assert last["done"] == last["total"] == 2 * 96 * 96 and last["unit"] == "pixels"


def test_the_current_folder_hides_no_module(run_artir, ct_folder, tmp_path) -> None:
    """Frames are decoded by a second process, which must not run what lies around."""
    trap = tmp_path / "cwd"
    (trap / "artir").mkdir(parents=True)
    for name in ("artir/__init__.py", "json.py", "signal.py", "numpy.py"):
        (trap / name).write_text("raise SystemExit(99)")
    done = run_artir("ct", ct_folder, "-o", tmp_path / "out", cwd=trap)
    assert done.returncode == 0, done.stderr


def test_importing_is_light_and_opens_no_runtime() -> None:
    code = "import sys, artir; print([m for m in ('numpy', 'onnxruntime') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out == "[]\n"


def test_onnx_runtime_reports_nothing(tmp_path) -> None:
    """Its telemetry would begin with a cache in the home folder, unless it detects a test or CI."""
    code = """
import artir, numpy as np, onnxruntime
artir.Model("ct-ldct-t", device="cpu").restore(np.zeros((8, 8), np.float32))
"""
    found_by = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
    kept = {name: os.environ[name] for name in found_by if name in os.environ}
    home = {name: str(tmp_path) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
    subprocess.run([sys.executable, "-c", code], env=kept | home, cwd=tmp_path, check=True)
    assert list(tmp_path.iterdir()) == []


def test_a_runtime_that_was_named_is_used_or_refused(tmp_path) -> None:
    missing = tmp_path / "libonnxruntime.so"
    code = f"""
import artir, numpy as np
artir.use_runtime({str(missing)!r})
try:
    artir.Model("ct-ldct-t").restore(np.zeros((8, 8), np.float32))
except artir.DeviceError as e:
    print(e.reason)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert str(missing) in out and "cannot be used" in out


def test_docstrings_name_shapes_and_units_and_run() -> None:
    assert "[slice, row, column]" in (artir.__doc__ or "")
    for name in artir.__all__:
        if name != "__version__":
            assert getattr(artir, name).__doc__, name
    for name in ("artir", "artir._cards", "artir._model", "artir.metrics"):
        result = doctest.testmod(importlib.import_module(name))
        assert result.failed == 0, name


def code_blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def test_the_guide_runs_from_top_to_bottom(ct_folder, tmp_path, monkeypatch) -> None:
    """Its blocks share their names. Those after a heading with another library need that library."""
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    blocks = code_blocks(REPOSITORY / "docs/guide/python.md")
    assert len(blocks) >= 5
    for block in blocks:
        if any(name in block and importlib.util.find_spec(name) is None for name in ("xarray", "dask", "torch")):
            continue
        exec(compile(block, "python.md", "exec"), scope)


@pytest.mark.parametrize("notebook", sorted((REPOSITORY / "docs/notebooks").glob("*.ipynb")), ids=lambda p: p.stem)
def test_notebooks_run(notebook: Path, tmp_path, monkeypatch, capsys) -> None:
    """Every cell prints what the notebook says."""
    cells = [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]
    for name in ("dask", "xarray"):
        if any(f"import {name}" in "".join(cell["source"]) for cell in cells):
            pytest.importorskip(name)
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    printed = []
    for cell in cells:
        exec(compile("".join(cell["source"]), notebook.name, "exec"), scope)
        printed.append(capsys.readouterr().out.strip())
    assert any(printed)
    assert printed == ["".join(text for output in cell["outputs"] for text in output["text"]).strip() for cell in cells]


def test_types_are_complete(tmp_path) -> None:
    pytest.importorskip("mypy")
    package = Path(artir.__file__).parent
    assert (package / "py.typed").is_file()
    environment = dict(os.environ)
    if package.parent.name != "site-packages":
        # A build that is not installed. mypy does not read PYTHONPATH.
        environment["MYPYPATH"] = str(package.parent)
    example = REPOSITORY / "crates/artir-python/examples/restore_series.py"
    for check in (
        ["mypy", "--strict", "-p", "artir"],
        ["mypy", "--strict", str(example)],
        ["mypy.stubtest", "artir._artir"],
    ):
        command = [sys.executable, "-m", *check]
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_runtime_of_another_artir_is_not_taken(tmp_path) -> None:
    """A system's Python lies beside /usr/lib/artir, where the Debian package keeps its runtime."""
    venv.EnvBuilder(symlinks=False, with_pip=False).create(tmp_path)
    (tmp_path / "lib/artir").mkdir()
    (tmp_path / "lib/artir/libonnxruntime.so").write_text("of another artir")
    code = "import artir; print(artir.Model('ct-ldct-t').restore([[0.0] * 8] * 8).shape)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([tmp_path / "bin/python", "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout == "(8, 8)\n", done.stderr
