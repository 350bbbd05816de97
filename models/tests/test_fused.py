"""The training step's own C library, against PyTorch's operations."""

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402

from artir_train import fused  # noqa: E402
from artir_train.network import ArtIR, Config  # noqa: E402

pytestmark = pytest.mark.torch
# bf16 keeps 8 bits.
ROUNDED = 2**-8


@pytest.fixture(autouse=True)
def compiled():
    if fused.library() is None:
        pytest.skip("no C compiler")


def both(operation, own, inputs, gradient):
    """Relative errors, max|a - b| / max|reference|: of the result and of every input's gradient."""
    results = []
    for run in (operation, own):
        leaves = [i.clone().requires_grad_() for i in inputs]
        result = run(*leaves)
        result.backward(gradient.to(result.dtype))
        results.append([result.detach().float(), *(leaf.grad for leaf in leaves)])
    return [
        float((a - b).abs().max() / a.abs().max().clamp(min=1e-6))
        for a, b in zip(*results, strict=True)
    ]


def rounded(*shape):
    """Random values that bf16 holds exactly."""
    return torch.randn(shape).bfloat16().float()


@pytest.mark.parametrize("gelu", [True, False])
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (19, 37)])
@pytest.mark.parametrize("threads", [1, 3])
def test_gate(gelu, size, threads):
    torch.manual_seed(0)
    channels = 96

    def plain(x, weight, bias):
        a, b = F.conv2d(x, weight, bias, padding=1, groups=channels).chunk(2, 1)
        return (F.gelu(a) if gelu else a) * b

    inputs = [rounded(2, channels, *size), torch.randn(channels, 1, 3, 3), torch.randn(channels)]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    errors = both(plain, lambda *i: fused.gate(*i, gelu), inputs, rounded(2, channels // 2, *size))
    torch.set_num_threads(before)
    assert max(errors[:2]) < ROUNDED and max(errors[2:]) < 1e-4


def test_gelu_in_its_tails():
    x = torch.linspace(-9, 9, 4096).bfloat16().float().view(1, 1, 64, 64)
    weight = torch.zeros(32, 1, 3, 3)
    weight[:16, 0, 1, 1] = 1
    bias = torch.zeros(32)
    bias[16:] = 1
    result = fused.gate(x.expand(1, 32, 64, 64), weight, bias, True)[:, :1].float()
    assert ((result - F.gelu(x)).abs() <= ROUNDED * F.gelu(x).abs() + 2e-6).all()


def test_norm():
    torch.manual_seed(1)
    x = torch.randn(2, 64, 9, 7) * torch.rand(2, 1, 9, 7) * 5 + 3

    def plain(x, weight, bias):
        return F.layer_norm(x.permute(0, 2, 3, 1), (64,), weight, bias, 1e-6).permute(0, 3, 1, 2)

    errors = both(
        plain,
        lambda *i: fused.norm(*i, 1e-6),
        [x, torch.randn(64), torch.randn(64)],
        rounded(2, 64, 9, 7),
    )
    assert errors[0] < ROUNDED and max(errors[1:]) < 1e-4


def test_a_training_step_is_that_of_the_plain_network(monkeypatch):
    torch.manual_seed(2)
    model = ArtIR(Config.variant("T", channels=1))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("beta", "gamma")):
                parameter.normal_(0, 0.3)
    x = torch.rand(2, 1, 32, 36)
    calls, found = [], {}
    own = fused.gate
    monkeypatch.setattr(fused, "gate", lambda *i: calls.append(1) or own(*i))
    for kind in ("fused", "bf16", "f32"):
        if kind == "bf16":
            monkeypatch.setattr(fused, "usable", lambda *_: False)
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=kind != "f32"):
            result = model(x)
        (result - x).square().mean().backward()
        found[kind] = torch.cat([p.grad.flatten() for p in model.parameters()])
    assert calls

    def away(kind):
        return (found[kind] - found["f32"]).norm() / found["f32"].norm()

    # As near to full precision as PyTorch's own bf16.
    assert away("fused") < 1.5 * away("bf16") < 0.15


def test_without_a_compiler_there_is_no_library(monkeypatch):
    monkeypatch.setattr(fused.shutil, "which", lambda _: None)
    assert fused.library.__wrapped__() is None
    monkeypatch.setattr(fused, "library", lambda: None)
    with torch.autocast("cpu", torch.bfloat16):
        assert not fused.usable(torch.zeros(1, 32, 4, 4), 32)
