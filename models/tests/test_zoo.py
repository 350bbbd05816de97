"""The committed models: whole, described, and running where artir's library is not there."""

import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import inliner

from artir_train.card import markdown
from artir_train.model_file import DamagedModel, read_card

ZOO = Path(__file__).resolve().parents[1] / "zoo"
# Those that are built in, and those that may not be.
MODELS = sorted([*ZOO.glob("*.onnx"), *ZOO.with_name("noncommercial").glob("*.onnx")])
LIBRARY = Path(
    os.environ.get("ARTIR_OPS_LIBRARY", ZOO.parents[1] / "target" / "debug" / "libartir_ops.so")
)


def session(path, library=None):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if library:
        options.register_custom_ops_library(str(library))
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def image(path, size, batch=1):
    channels = read_card(path)[0]["input"]["channels"]
    return np.random.default_rng(0).random((batch, channels, *size), dtype=np.float32)


def test_there_are_models():
    names = {
        "ct-ldct-aapm-t",
        "ct-ldct-t",
        "geo-haze-t",
        "pet-lowcount-3-t",
        "pet-lowcount-t",
        "rgb-aio-t",
        "rgb-denoise-free-t",
        "rgb-denoise-t",
    }
    assert {path.stem for path in MODELS} >= names


def test_noncommercial_weights_are_not_built_in():
    built_in = (ZOO / "lib.rs").read_text()
    assert '"ct-ldct-t.onnx"' in built_in
    assert "noncommercial" not in built_in
    for path in ZOO.with_name("noncommercial").glob("*.onnx"):
        assert "non-commercial" in read_card(path)[0]["licence"]


@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.stem)
def test_card_counts_and_text(path):
    card, digest = read_card(path)
    weights = onnx.load(path).graph.initializer
    held = sum(int(np.prod(w.dims)) for w in weights)
    # Residual scales, one for each output of a projection, are multiplied into it.
    scales = sum(w.dims[0] for w in weights if w.name.endswith("project.weight"))
    assert held + scales == card["parameters"]
    assert path.with_suffix(".md").read_text() == markdown(card, digest)


@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.stem)
def test_changed_file_is_refused(path, tmp_path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(content)
    with pytest.raises(DamagedModel):
        read_card(bad)


@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.stem)
@pytest.mark.parametrize("size", [(64, 64), (100, 132), (512, 512)])
@pytest.mark.parametrize("batch", [1, 2])
def test_stock_runtime_and_library_agree(path, size, batch, absent):
    if not LIBRARY.exists():
        absent(f"no {LIBRARY}: run cargo build first")
    x = image(path, size, batch)
    (stock,) = session(path).run(None, {"image": x})
    (ours,) = session(path, LIBRARY).run(None, {"image": x})
    assert stock.shape == x.shape
    assert np.abs(stock - ours).max() / np.abs(stock).max() < 2e-5


@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.stem)
def test_one_node_and_what_it_means(path):
    model = onnx.load(path)
    assert [node.op_type for node in model.graph.node] == ["Network"]
    calls = {"GatedBlock", "DynamicLargeKernel", "Modulation", "RefinedModulation"}
    assert {f.name for f in model.functions} == {"Network", *calls}
    flat = inliner.inline_local_functions(model)
    assert {node.domain for node in flat.graph.node} <= {"", "ai.onnx"}
