"""The network's structure, its large kernel, and its export."""

import gzip
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402
import torch.nn.functional as F  # noqa: E402

from artir_train import weights  # noqa: E402
from artir_train.bare import bare  # noqa: E402
from artir_train.blocks import LargeKernelMixer  # noqa: E402
from artir_train.export import build  # noqa: E402
from artir_train.large_kernel import DynamicLargeKernel  # noqa: E402
from artir_train.macs import multiply_adds  # noqa: E402
from artir_train.network import ArtIR, Config, parameter_count  # noqa: E402

pytestmark = pytest.mark.torch


def randomised(config, seed=0):
    torch.manual_seed(seed)
    model = ArtIR(config)
    for parameter in model.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize(
    ("name", "parameters", "paper"),
    [("T", 849_455, 12.76), ("S", 2_460_819, 23.73), ("B", 7_266_555, 63.14)],
)
def test_variants_have_the_papers_size(name, parameters, paper):
    config = Config.variant(name)
    assert parameter_count(ArtIR(config)) == parameters
    assert abs(multiply_adds(config, 256, 256) / 1e9 / paper - 1) < 0.002


@pytest.mark.parametrize("name", list("TSB"))
def test_the_bare_networks_are_those_of_the_exporter(name):
    folder = Path(__file__).parents[2] / "crates/artir-inspect/networks"
    committed = gzip.decompress((folder / f"{name.lower()}.onnx.gz").read_bytes())
    assert committed == bare(name).SerializeToString(deterministic=True), (
        "run python -m artir_train.bare crates/artir-inspect/networks"
    )


def test_a_fresh_network_starts_as_the_identity_of_its_blocks():
    model = ArtIR(Config.variant("T"))
    for module in model.modules():
        if isinstance(module, DynamicLargeKernel):
            assert not module.a.any()
            assert module.b.sum() == 1 and module.b[len(module.b) // 2] == 1
            x = torch.rand(1, 1, 9, 9)
            assert torch.allclose(module(x), x, atol=1e-6)
    for name, parameter in model.named_parameters():
        if name.endswith(("beta", "gamma")):
            assert not parameter.any()
        if name.endswith("weigh.bias"):
            assert (parameter == 1).all()


@pytest.mark.parametrize("size", [1, 3, 15, 31, 63])
def test_the_identity_equals_the_literal_form(size):
    torch.manual_seed(size)
    kernel = DynamicLargeKernel(size).double()
    for parameter in kernel.parameters():
        parameter.data = torch.randn_like(parameter)
    x = torch.randn(2, 1, 20, 33, dtype=torch.float64)
    taps = kernel.a[None, :, None, None] * x + kernel.b[None, :, None, None]
    neighbours = F.unfold(x, size, padding=size // 2).view(2, size * size, 20, 33)
    literal = (taps * neighbours).sum(1, keepdim=True)
    result = kernel(x)
    assert (result - literal).abs().max() / literal.abs().max() < 1e-12


def test_every_large_kernel_reaches_the_mixers_output():
    torch.manual_seed(0)
    modules = ArtIR(Config.variant("T")).double().modules()
    mixer = next(m for m in modules if isinstance(m, LargeKernelMixer))
    x, scale = torch.randn(1, 128, 32, 32, dtype=torch.float64), torch.ones(1, 128, 1, 1).double()
    for kernel in [m for m in mixer.modules() if isinstance(m, DynamicLargeKernel)]:
        before = mixer(x, scale)
        kept = [p.data.clone() for p in kernel.parameters()]
        for parameter in kernel.parameters():
            parameter.data.zero_()
        assert (mixer(x, scale) - before).abs().max() > 1e-6 * before.abs().max()
        for parameter, values in zip(kernel.parameters(), kept, strict=True):
            parameter.data = values


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(1, 64, 64), (2, 100, 132), (1, 512, 512)])
def test_the_exported_file_computes_the_same(channels, shape):
    model = randomised(Config.variant("T", channels=channels)).eval()
    batch, height, width = shape
    x = torch.rand(batch, channels, height, width)
    session = onnxruntime.InferenceSession(
        build(model).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (exported,) = session.run(None, {"image": x.numpy()})
    with torch.no_grad():
        expected = model(x).numpy()
    assert np.abs(exported - expected).max() / np.abs(expected).max() < 1e-4


@pytest.mark.parametrize("variant", ["T", "S"])
def test_training_can_begin_with_a_model_file(variant, tmp_path):
    model = randomised(Config.variant(variant, channels=1))
    file = tmp_path / "model.onnx"
    file.write_bytes(build(model).SerializeToString())
    other = ArtIR(Config.variant(variant, channels=1))
    weights.load(file, other)
    x = torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        expected, result = model(x), other(x)
    assert (result - expected).abs().max() < 1e-5 * expected.abs().max()
    # Scale and row of a projection are known as a product alone; a row gets a fresh one's length.
    row = other.refinement[0].feed.project.weight[5].norm()
    assert abs(float(row) - 3**-0.5) < 1e-5
    model.refinement[0].gamma.data[0, 5] = 0
    file.write_bytes(build(model).SerializeToString())
    weights.load(file, other)
    assert other.refinement[0].gamma[0, 5] == 0
    with pytest.raises(ValueError, match="missing or has another shape"):
        weights.load(file, ArtIR(Config.variant(variant, channels=3)))


def test_a_network_starts_one_of_more_blocks(tmp_path):
    model = randomised(Config.variant("T", channels=3))
    file = tmp_path / "model.onnx"
    file.write_bytes(build(model).SerializeToString())
    deeper = randomised(Config.variant("S", channels=3))
    with pytest.raises(ValueError, match="missing or has another shape"):
        weights.load(file, deeper)
    weights.load(file, deeper, deeper=True)
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        expected, result = model(x), deeper(x)
    assert (result - expected).abs().max() < 1e-5 * expected.abs().max()
    deeper.encoder3[2].gamma.data.fill_(1)
    with torch.no_grad():
        assert (deeper(x) - expected).abs().max() > 1e-3
    file.write_bytes(build(deeper).SerializeToString())
    with pytest.raises(ValueError, match=r"the network has no decoder1\.1"):
        weights.load(file, model)
