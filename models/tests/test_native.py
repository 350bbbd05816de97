"""Training by artir's own library, against PyTorch in float64."""

import copy
import logging
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
from networks import randomised  # noqa: E402

from artir_train import native, trainer  # noqa: E402
from artir_train.batches import Batches  # noqa: E402
from artir_train.macs import multiply_adds  # noqa: E402
from artir_train.network import ArtIR, Config  # noqa: E402
from artir_train.settings import Settings  # noqa: E402

pytestmark = pytest.mark.torch
needs_library = pytest.mark.usefixtures("native_library")


def gradients(function, x, slope, parameters):
    """The result, and the gradients of the input and of all parameters as one list each."""
    x = x.clone().requires_grad_()
    y = function(x)
    y.backward(slope)
    return y.detach(), x.grad, torch.cat([p.grad.flatten() for p in parameters])


def apart(a, b):
    return float((a.double() - b).norm() / b.norm())


class Errors:
    """Of the result, the input's gradient and all parameters' gradients, each as one list; and of
    the worst parameter, its largest error by its largest gradient."""

    def __init__(self, got, want, reference):
        self.whole = [apart(a, b) for a, b in zip(got, want, strict=True)]
        self.worst, self.name, first = 0.0, "", 0
        for name, parameter in reference.named_parameters():
            part = slice(first, first := first + parameter.numel())
            off = (got[2][part].double() - want[2][part]).abs().max()
            self.worst, self.name = max(
                (self.worst, self.name), (float(off / want[2][part].abs().max()), name)
            )


@needs_library
@pytest.mark.parametrize("products", ["f32", "avx2", "portable", "pairs", "best"])
@pytest.mark.parametrize(
    ("variant", "channels", "size"), [("T", 1, (36, 52)), ("S", 3, (20, 28)), ("B", 1, (12, 36))]
)
def test_gradients_are_those_of_float64(variant, channels, size, products):
    config = Config.variant(variant, channels=channels)
    model = randomised(config)
    reference, plain = copy.deepcopy(model).double(), copy.deepcopy(model)
    try:
        net = native.Native(config, native.Flat(model), products)
    except ValueError as error:
        pytest.skip(str(error))
    x, slope = torch.rand(2, channels, *size), torch.randn(2, channels, *size)
    want = gradients(reference, x.double(), slope.double(), list(reference.parameters()))

    def errors(function, parameters):
        return Errors(gradients(function, x, slope, list(parameters)), want, reference)

    ours = errors(net, model.parameters())
    if "bf16" not in net.products:
        assert max(ours.whole) < 2e-6
        assert ours.worst < 1e-5, ours.name
        return

    def autocast(x):
        with torch.autocast("cpu", torch.bfloat16):
            return plain(x).float()

    theirs = errors(autocast, plain.parameters())
    print(f"{variant}, {net.products}: {ours.whole}, worst {ours.worst:.4f} {ours.name}")
    print(f"{variant}, autocast: {theirs.whole}, worst {theirs.worst:.4f} {theirs.name}")
    # 8 bits of each operand cannot give more: 2^-9 each, through all layers. PyTorch's autocast,
    # which rounds maps as well, loses 1.7 to 2.8 times as much. The worst parameter is a sum over
    # all pixels that nearly cancels; autocast's own worst is 0.06 to 0.15 here.
    assert max(ours.whole[:2]) < 0.003
    assert ours.whole[2] < 0.009
    assert ours.worst < 0.15, ours.name
    ratios = [a / b for a, b in zip(ours.whole, theirs.whole, strict=True)]
    assert max(ratios) < 0.7, ratios


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


def test_averages_reach_over_a_share_of_a_short_run_and_a_thousand_steps_of_a_long_one():
    assert trainer.average_decay(0) == pytest.approx(0.1)
    # Weights of the first half of a run of 1000 steps are all but forgotten.
    left = np.prod([trainer.average_decay(step) for step in range(501, 1001)])
    assert left < 0.005
    assert trainer.average_decay(10**6) == 0.999


@needs_library
def test_the_pace_is_a_share_of_the_peak(tmp_path):
    made = trainer.Trainer(SETTINGS, Toy(), tmp_path)
    assert made.peak > 1e8
    made.step(0.0)
    made.peak, made.seconds = 1e12, 60.0
    once = multiply_adds(made.config, 32, 32)
    assert made.multiply_adds == 2 * once
    made.multiply_adds = 200 * once
    told = trainer.pace(made, seconds=10.0, patches=200, progress=0.5)
    work = 3e-12 * 20 * once
    assert f"20.0 patches/s, {1000 * work:.0f} G multiply-adds/s ({100 * work:.0f} % of" in told
    assert told.endswith("1 min left")
    made.peak = None
    assert "%" not in trainer.pace(made, 10.0, 200, 0.5)


@needs_library
def test_a_batch_that_leaves_threads_idle_is_a_line_in_the_log(tmp_path, caplog):
    threads = torch.get_num_threads()
    try:
        for count, lines in ((2, 0), (3, 1)):
            torch.set_num_threads(count)
            caplog.clear()
            trainer.Trainer(SETTINGS, Toy(), tmp_path)
            assert len([r for r in caplog.records if "wait for others" in r.message]) == lines
    finally:
        torch.set_num_threads(threads)


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


SETTINGS = Settings(
    data="ct",
    variant="T",
    channels=1,
    range=(0.0, 1.0),
    network_range=(0.0, 1.0),
    patch=32,
    batch=2,
    learning_rate=1e-3,
    seed=3,
    losses={"dual_domain": {"weight": 1.0, "fourier": 0.1}},
)


def test_a_step_has_its_batch_wherever_a_run_begins():
    one = Batches(Toy(), SETTINGS.seed)
    drawn = [one.of(step, 2, 32) for step in range(4)]
    for workers in (0, 1):
        other = Batches(Toy(), SETTINGS.seed, workers)
        for step in (2, 3, 1):
            pair = zip(other.of(step, 2, 32), drawn[step], strict=True)
            assert all(torch.equal(a, b) for a, b in pair)
    assert not torch.equal(drawn[0][1], drawn[1][1])


def test_a_stopped_run_goes_on_bit_for_bit(tmp_path):
    def begun(name):
        return trainer.Trainer(SETTINGS, Toy(), Path(tmp_path / name))

    whole = begun("whole")
    losses = [whole.step(i / 6) for i in range(6)]
    stopped = begun("stopped")
    for i in range(3):
        stopped.step(i / 6)
    stopped.save()
    resumed = begun("stopped")
    resumed.resume()
    assert [resumed.step(i / 6) for i in range(3, 6)] == losses[3:]
    assert torch.equal(resumed.flat.values, whole.flat.values)
    assert torch.equal(resumed.flat_average.values, whole.flat_average.values)
    # The list's parts are the network's parameters.
    assert torch.equal(resumed.model.tail.bias.flatten(), resumed.flat.values[-1:])
