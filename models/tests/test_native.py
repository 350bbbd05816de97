"""Training by artir's own library, against PyTorch in float64."""

import copy
import logging
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402

from artir_train import native, train  # noqa: E402
from artir_train.batches import Batches  # noqa: E402
from artir_train.network import ArtIR, Config  # noqa: E402

pytestmark = pytest.mark.torch
needs_library = pytest.mark.skipif(native.library() is None, reason="the library is not built")


def randomised(config):
    """A network none of whose parts does nothing."""
    torch.manual_seed(0)
    model = ArtIR(config)
    for name, parameter in model.named_parameters():
        if name.endswith(("beta", "gamma")):
            parameter.data.uniform_(0.3, 1)
        else:
            parameter.data.add_(0.02 * torch.randn_like(parameter))
    return model


def gradients(function, x, slope, parameters):
    """The result, and the gradients of the input and of all parameters as one list each."""
    x = x.clone().requires_grad_()
    y = function(x)
    y.backward(slope)
    return y.detach(), x.grad, torch.cat([p.grad.flatten() for p in parameters])


def apart(a, b):
    return float((a.double() - b).norm() / b.norm())


# bf16 keeps 8 bits. The two ways agree to less than what PyTorch's own autocast loses, which is
# 0.01 here.
@needs_library
@pytest.mark.parametrize(("products", "bound"), [("f32", 1e-5), ("pairs", 0.015), ("best", 0.015)])
@pytest.mark.parametrize(
    ("variant", "channels", "size"), [("T", 1, (36, 52)), ("S", 3, (20, 28)), ("B", 1, (12, 36))]
)
def test_gradients_are_those_of_float64(variant, channels, size, products, bound):
    config = Config.variant(variant, channels=channels)
    model = randomised(config)
    reference = copy.deepcopy(model).double()
    flat = native.Flat(model)
    try:
        net = native.Native(config, flat, products)
    except ValueError as error:
        pytest.skip(str(error))
    x, slope = torch.rand(2, channels, *size), torch.randn(2, channels, *size)
    want = gradients(reference, x.double(), slope.double(), list(reference.parameters()))
    got = gradients(net, x, slope, list(model.parameters()))
    assert [apart(a, b) for a, b in zip(got, want, strict=True)] == pytest.approx(
        [0, 0, 0], abs=bound
    )
    first = 0
    for name, parameter in reference.named_parameters():
        part = slice(first, first := first + parameter.numel())
        largest = want[2][part].abs().max()
        error = float((got[2][part].double() - want[2][part]).abs().max() / largest)
        assert error < (3e-5 if products == "f32" else 0.3), name


@needs_library
def test_a_second_backward_pass_needs_a_second_forward_pass():
    config = Config.variant("T", channels=1)
    net = native.native(config, native.Flat(ArtIR(config)))
    first, second = net(torch.rand(1, 1, 8, 8)), net(torch.rand(1, 1, 8, 8))
    second.sum().backward()
    with pytest.raises(RuntimeError, match="keeps one forward pass"):
        first.sum().backward()
    with pytest.raises(ValueError, match="multiples of 4"):
        net(torch.rand(1, 1, 8, 6))


@pytest.mark.parametrize("other", ["missing", "another library"])
def test_without_the_library_pytorch_does_the_work(other, monkeypatch, tmp_path, caplog):
    path = tmp_path / "libartir_ops.so"
    if other == "another library":
        path.write_bytes(b"no library")
    monkeypatch.setenv("ARTIR_OPS_LIBRARY", str(path))
    native.library.cache_clear()
    try:
        with caplog.at_level(logging.WARNING):
            config = Config.variant("T")
            assert native.native(config, native.Flat(ArtIR(config))) is None
        assert str(path) in caplog.text and "cargo build --release -p artir-ops" in caplog.text
    finally:
        monkeypatch.undo()
        native.library.cache_clear()


def test_ablations_are_pytorchs():
    assert not native.usable(Config.variant("T", mixer="sma"))
    assert not native.usable(Config(depths=(1, 1, 1, 1), width=24))


class Toy:
    """Smooth images with noise."""

    window = (0.0, 1.0)
    channels = 1

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def batch(self, count, size):
        small = torch.from_numpy(self.rng.random((count, 1, size // 8, size // 8), np.float32))
        clean = torch.nn.functional.interpolate(small, size=(size, size), mode="bilinear")
        noise = self.rng.standard_normal((count, 1, size, size), np.float32)
        return clean + 0.1 * torch.from_numpy(noise), clean


SETTINGS = train.Settings(
    data="ct",
    variant="T",
    channels=1,
    range=(0.0, 1.0),
    network_range=(0.0, 1.0),
    patch=32,
    batch=2,
    learning_rate=1e-3,
    fourier_weight=0.1,
    seed=3,
)


def test_a_step_has_its_batch_wherever_a_run_begins():
    one = Batches(Toy(), SETTINGS)
    drawn = [one.of(step) for step in range(4)]
    for workers in (0, 1):
        other = Batches(Toy(), SETTINGS, workers)
        for step in (2, 3, 1):
            assert all(torch.equal(a, b) for a, b in zip(other.of(step), drawn[step], strict=True))
    assert not torch.equal(drawn[0][1], drawn[1][1])


def test_a_stopped_run_goes_on_bit_for_bit(tmp_path):
    def trainer(name):
        return train.Trainer(SETTINGS, Toy(), Path(tmp_path / name))

    whole = trainer("whole")
    losses = [whole.step(i / 6) for i in range(6)]
    stopped = trainer("stopped")
    for i in range(3):
        stopped.step(i / 6)
    stopped.save()
    resumed = trainer("stopped")
    resumed.resume()
    assert [resumed.step(i / 6) for i in range(3, 6)] == losses[3:]
    assert torch.equal(resumed.flat.values, whole.flat.values)
    assert torch.equal(resumed.flat_average.values, whole.flat_average.values)
    # The list's parts are the network's parameters.
    assert torch.equal(resumed.model.tail.bias.flatten(), resumed.flat.values[-1:])
