"""Initial values of the large-kernel mixers: gradients reach them."""

import pytest

torch = pytest.importorskip("torch")

from artir_train import mixer_start  # noqa: E402
from artir_train.blocks import LargeKernelMixer  # noqa: E402
from artir_train.network import ArtIR, Config  # noqa: E402

pytestmark = pytest.mark.torch


def network() -> ArtIR:
    torch.manual_seed(0)
    model = ArtIR(Config((1, 1, 1, 1), 16, 1))
    for name, parameter in model.named_parameters():
        if name.endswith(("beta", "gamma")):
            parameter.data.fill_(0.1)
    return model


def gradient_of_kernels(model: ArtIR) -> float:
    torch.manual_seed(1)
    x, y = torch.rand(2, 2, 1, 32, 32)
    model.zero_grad()
    (model(x) - y).abs().mean().backward()
    mixers = [m for m in model.modules() if isinstance(m, LargeKernelMixer)]
    taps = [m.large[-1].kernel.b.grad.abs().max() for m in mixers]
    return float(min(taps))


def test_gradients_of_the_largest_kernels_are_within_reach_of_the_optimiser():
    model = network()
    before = gradient_of_kernels(model)
    mixer_start.open_mixers(model)
    assert gradient_of_kernels(model) > 20 * before


def test_what_a_mixer_gives_depends_on_what_is_far_away():
    torch.manual_seed(0)
    mixer = LargeKernelMixer(32, Config((1, 1, 1, 1), 8, 1))
    x, one = torch.randn(1, 32, 40, 40), torch.ones(1, 32, 1, 1)
    # The mean stays, and so what the channel weights, which see the whole map, make of it.
    changed = x.clone()
    changed[..., 36:, 36:] += 5
    changed[..., 28:32, 36:] -= 5

    def difference() -> float:
        before = mixer(x, one)
        return float((before - mixer(changed, one))[..., 10, 10].abs().max() / before.std())

    closed = difference()
    mixer_start.open_mixers(torch.nn.Sequential(mixer))
    assert closed < 1e-5 and difference() > 1e-3


def test_only_dead_mixers_are_opened():
    model = network()
    assert mixer_start.open_dead_mixers(model) == 2
    assert not model.encoder3[0].beta.any()
    kept = [p.clone() for p in model.parameters()]
    assert mixer_start.open_dead_mixers(model) == 0
    assert all(torch.equal(a, b) for a, b in zip(kept, model.parameters(), strict=True))


def test_every_parameter_is_trained_once_and_large_kernels_move_less():
    model = network()
    groups = mixer_start.parameter_groups(model)
    assert [g["scale"] for g in groups] == pytest.approx([1, 1, 256 / 961, 256 / 3969])
    members = [id(p) for g in groups for p in g["params"]]
    assert sorted(members) == sorted(id(p) for p in model.parameters())
    # Two mixers, each with a and b.
    assert [len(g["params"]) for g in groups[1:]] == [4, 4, 4]
